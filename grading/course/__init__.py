"""The nbgrader course: notebooks in, gradebook out, no student code in between."""
