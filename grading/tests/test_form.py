"""The form: a student's text in the released notebook, whatever the student's own notebook looks like."""

import copy
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions, ComputeChecksums, LockCells
from nbgrader.utils import compute_checksum, determine_grade

from grading.course import form, source
from grading.notebooks import MOST_BYTES
from grading.submissions import Refused, Submission, read
from grading.tests import courses
from grading.tests.broken import BROKEN
from grading.tests.damage import damaged, each_time


def released() -> NotebookNode:
    """The released notebook, as `nbgrader generate_assignment` makes it."""
    made, resources = source.notebook(), {}
    for step in (LockCells, ClearSolutions, ComputeChecksums):
        made, resources = step().preprocess(made, resources)
    return made


TEMPLATE = released()


def typed(modules: dict[str, str]) -> dict[str, Any]:
    """A student's notebook with these modules typed in."""
    sources = {name: text.encode() for name, text in modules.items()}
    filled = form.fill(TEMPLATE, Submission("typed", None, sources))
    return json.loads(nbformat.writes(filled.notebook))


SOLVED = typed(courses.modules())


def handed(data: bytes, folder: Path) -> form.Filled:
    file = folder / "n.ipynb"
    file.write_bytes(data)
    return form.fill(TEMPLATE, read(file))


def named(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return {c.metadata.nbgrader.grade_id: c for c in notebook.cells if "nbgrader" in c.metadata}


def test_a_solved_module_fills_its_cells() -> None:
    cells = {c["metadata"].get("nbgrader", {}).get("grade_id"): "".join(c["source"]) for c in SOLVED["cells"]}
    for name, reference in named(source.notebook()).items():
        if name != source.ANSWER:
            assert cells[name] == reference.source
    assert len(SOLVED["cells"]) == len(TEMPLATE.cells)


def test_stubs_fill_nothing() -> None:
    """What was not touched is known as such, and worth nothing without a look."""
    stubs = typed(courses.stubs())
    assert ["".join(c["source"]) for c in stubs["cells"]] == [c.source for c in TEMPLATE.cells]


def test_a_module_without_cells_stands_in_the_cell_of_its_first_function() -> None:
    text = "import torch\nfrom torch import nn\n\n\nclass LinearRegressionModel(nn.Linear):\n    ...\n"
    filled = form.fill(TEMPLATE, Submission("m", None, {"ex2_model.py": text.encode()}))
    assert named(filled.notebook)["ex2-LinearRegressionModel"].source == text.strip()


@pytest.mark.parametrize("name", BROKEN)
def test_the_course_keeps_its_cells(name: str, tmp_path: Path) -> None:
    """Cells, order, names, points and locked text are the course's, whatever was handed in."""
    notebook = copy.deepcopy(SOLVED)
    data = BROKEN[name].break_it(notebook) or json.dumps(notebook).encode()
    assert len(data) < MOST_BYTES
    try:
        filled = handed(data, tmp_path)
    except Refused:
        assert BROKEN[name].unread
    else:
        of_the_course(filled.notebook)


def of_the_course(notebook: NotebookNode) -> None:
    nbformat.validate(notebook)
    ours = named(notebook)
    assert list(ours) == list(named(TEMPLATE))
    for name, released in named(TEMPLATE).items():
        assert ours[name].metadata == released.metadata
        assert ours[name].cell_type == released.cell_type
        if released.metadata.nbgrader.locked:
            assert ours[name].source == released.source
            assert compute_checksum(ours[name]) == released.metadata.nbgrader.checksum
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_answers_are_found_where_a_cell_has_lost_its_name(tmp_path: Path) -> None:
    notebook = copy.deepcopy(SOLVED)
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name == source.ANSWER:
            cell["source"] = "Because each step makes the error smaller."
        if name in (source.ANSWER, "ex3-plot_loss_curves"):
            cell["metadata"] = {}
    filled = handed(json.dumps(notebook).encode(), tmp_path)
    ours = named(filled.notebook)
    assert ours[source.ANSWER].source == "Because each step makes the error smaller."
    assert "plt.subplots" in ours["ex3-plot_loss_curves"].source
    assert determine_grade(ours[source.ANSWER])[0] is None, "a person has to look"
    assert len(filled.notebook.cells) == len(TEMPLATE.cells)


def test_work_below_a_cell_that_was_left_as_it_was_is_found(tmp_path: Path) -> None:
    """A person has to look at it: nbgrader takes 0 points off its own bat for what nobody has touched."""
    notebook = copy.deepcopy(SOLVED)
    stubs = {name: cell.source for name, cell in named(TEMPLATE).items()}
    plot, answer = "ex1-plot_data", source.ANSWER
    for at, cell in reversed([*enumerate(notebook["cells"])]):
        if (name := cell["metadata"].get("nbgrader", {}).get("grade_id")) in (plot, answer):
            below = {"cell_type": cell["cell_type"], "metadata": {}, "source": cell["source"]}
            if name == plot:
                below |= {"outputs": [], "execution_count": None}
                below["source"] = "def helper():\n    pass\n\n\n" + "".join(cell["source"])
            else:
                below["source"] = "Because each step makes the error smaller."
            cell["source"] = stubs[name]
            notebook["cells"].insert(at + 1, below)
    filled = handed(json.dumps(notebook).encode(), tmp_path)
    ours = named(filled.notebook)
    assert "def helper" in ours[plot].source and "def plot_data" in ours[plot].source
    assert ours[answer].source == "Because each step makes the error smaller."
    assert determine_grade(ours[plot])[0] is determine_grade(ours[answer])[0] is None
    assert len(filled.notebook.cells) == len(TEMPLATE.cells)


def test_one_cell_for_several_functions_stands_where_a_person_looks(tmp_path: Path) -> None:
    notebook, stubs = copy.deepcopy(SOLVED), {name: cell.source for name, cell in named(TEMPLATE).items()}
    written = []
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if name.startswith("ex1-"):
            written.append("".join(cell["source"]))
            cell["source"] = stubs[name]
    all_of_it = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    notebook["cells"].append(all_of_it | {"source": "\n\n\n".join(written)})
    ours = named(handed(json.dumps(notebook).encode(), tmp_path).notebook)
    assert (
        "def pick_device" in ours["ex1-plot_data"].source and "def plot_data" in ours["ex1-plot_data"].source
    )
    assert ours["ex1-pick_device"].source == stubs["ex1-pick_device"]


def test_cells_of_their_own_stay_where_they_were(tmp_path: Path) -> None:
    notebook = copy.deepcopy(SOLVED)
    at = next(n for n, cell in enumerate(notebook["cells"]) if cell["id"] == "ex2")
    notebook["cells"].insert(
        at, {"cell_type": "code", "metadata": {}, "source": "import numpy", "outputs": []}
    )
    filled = handed(json.dumps(notebook).encode(), tmp_path)
    assert [c.source for c in filled.notebook.cells][at] == "import numpy"


def test_the_same_submission_makes_the_same_form(tmp_path: Path) -> None:
    data = json.dumps(SOLVED).encode()
    assert handed(data, tmp_path) == handed(data, tmp_path)


@each_time
@given(damaged(SOLVED))
def test_no_damage_stops_the_class(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Anything in a notebook's JSON may be missing, doubled or something else."""
    try:
        filled = handed(data, tmp_path_factory.getbasetemp())
    except Refused:
        return
    of_the_course(filled.notebook)
