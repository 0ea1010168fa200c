"""The course's source notebook, made from the modules in solutions/.

Every exercise becomes its text, its solution cells, and one locked cell that shows the coach's verdict and that
nbgrader reads the points from. The plots and one written answer are graded by hand.
"""

import re
import tomllib
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grading.jail import ROOT
from grading.notebooks import FILE
from tests.coach import curriculum

ASSIGNMENT = "pytorch-workflow"
NOTEBOOK = Path(FILE).stem
ANSWER = "why-it-converges"  # the written answer's cell
MANUAL_POINTS = 5  # of each cell that is graded by hand

TITLE = """\
# The PyTorch workflow, on a straight line

Dataset, model, training, predictions, saving and loading: everything that a PyTorch project is made of, on the
smallest problem there is. Replace every `raise NotImplementedError()` by code of your own. After each exercise, one
cell tells you what is right, what isn't yet, and what to do next. Run it as often as you like.

You need Python 3.11 or newer, and PyTorch and the test tools, once: `pip install -r requirements.txt`, in the environment
that this notebook runs in. Keep the `tests` folder beside the notebook.

Your plots are also looked at by a person: axes with names, a legend that tells what is what, nothing hidden. So is
your answer to the question at the end."""

CHECK = """\
# Where do you stand? Run this cell whenever you have changed something above.
# It needs the folder `tests` beside this notebook.
from tests.coach.notebook import check

check("{id}")"""

WORKFLOW = """\
# The workflow, from data to file

The last verdict runs all your pieces together: data, model, training, predictions, a file, and the model that is
loaded from it. There is nothing to write for it: it works when the five exercises do."""

QUESTION = """\
## In your own words

*Why does this loop converge?* Say what one step changes, in which direction and by how much, and why many such steps
bring the line closer to the points. What would happen with a much larger learning rate? (Three to eight sentences.)"""

SOLUTION = """\
The gradient of the loss says for each parameter in which direction the loss grows. The optimizer takes a step of the
learning rate times that gradient the other way, so that each step makes the error a little smaller, as long as the step
is small. With the mean absolute error the size of the gradient does not shrink near the solution: it depends on the
signs of the errors only. So the line approaches the points at a steady speed and in the end swings around them, by
about one step. A much larger learning rate means larger swings: the loss stops falling early, or jumps to and fro."""


def notebook() -> NotebookNode:
    """The instructor's version, with all solutions; nbgrader's `generate_assignment` takes them out."""
    cells = [_text("title", TITLE)]
    for exercise in curriculum.load():
        cells += _exercise(exercise) if exercise.file else [_text("workflow-text", WORKFLOW)]
        check = new_code_cell(CHECK.format(id=exercise.id), id=exercise.id)
        cells.append(_marked(check, exercise.id, points=exercise.points))
    answer = new_markdown_cell(SOLUTION, id=ANSWER)
    cells += [_text("question", QUESTION), _marked(answer, ANSWER, solution=True, points=MANUAL_POINTS)]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    made: NotebookNode = new_notebook(
        cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    nbformat.validate(made)
    return made


def _exercise(exercise: curriculum.Exercise) -> list[NotebookNode]:
    """The cells of a solved module: a cell with a solution region is named after the function in it."""
    source = (ROOT / "solutions" / str(exercise.file)).read_text(encoding="utf-8")
    cells = []
    for number, cell in enumerate(jupytext.reads(source, fmt="py:percent").cells, 1):
        if cell.cell_type == "markdown":
            cells.append(_text(f"{exercise.id}-text-{number}", cell.source))
        elif "### BEGIN SOLUTION" in cell.source:
            function = defined(cell.source)
            made = new_code_cell(cell.source, id=f"{exercise.id}-{function}"[:64])
            points = MANUAL_POINTS if function.startswith("plot_") else 0
            cells.append(_marked(made, f"{exercise.id}-{function}", solution=True, points=points))
        else:
            cells.append(new_code_cell(cell.source, id=f"{exercise.id}-code-{number}"))
    return cells


def defined(source: str) -> str:
    """The first function or class that a cell defines at its top level; "" for none."""
    found = re.search(r"^(?:def|class) (\w+)", source, re.MULTILINE)
    return found[1] if found else ""


def _text(id: str, source: str) -> NotebookNode:
    cell: NotebookNode = new_markdown_cell(source, id=id)
    return cell


def _marked(cell: NotebookNode, id: str, solution: bool = False, points: int = 0) -> NotebookNode:
    """The cell with nbgrader's metadata, schema 3. A graded cell that is no solution is locked."""
    marks = {"schema_version": 3, "grade_id": id, "solution": solution, "grade": points > 0, "task": False}
    marks["locked"] = not solution
    if points:
        marks["points"] = points
    cell.metadata["nbgrader"] = marks
    return cell


def released_files() -> list[Path]:
    """What students need beside the notebook: the curriculum's files in tests/, but for the stubs, which it holds."""
    tests = ROOT / "tests"
    files = [*tests.rglob("*.py"), *tests.rglob("*.toml")]
    return sorted(file for file in files if file.relative_to(tests).parts[0] != "stubs")


def requirements() -> str:
    """What students install, in the versions that the kit is tested with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {name.lower() for name in project["dependencies"]}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return "".join(f"{pin}\n" for pin in pins if pin.partition("==")[0].lower() in wanted)
