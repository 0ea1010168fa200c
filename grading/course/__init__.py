"""The nbgrader course: notebooks in, gradebook out, no student code in between."""

from pathlib import Path

from grading.trees import Refused

CONFIG_FILE = "nbgrader_config.py"


def insist_on_a_course(root: Path) -> None:
    """Raises Refused."""
    if not (root / CONFIG_FILE).is_file():
        raise Refused(
            f"{root} is no course: it has no {CONFIG_FILE}. `python -m grading course init` makes one."
        )
