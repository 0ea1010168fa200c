"""What a student handed in, laid into the notebook that was released.

This form is what a person sees and marks. Its cells, their order, names and points are the course's; only the
student's text is the student's. What is graded is the submission itself, not this form.
"""

import copy
import re
from collections.abc import Callable

import msgspec
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from grading.course.source import defined
from grading.notebooks import Text
from grading.submissions import Submission

MOST_OWN = 500  # cells that a student added
MOST_TEXT = 200_000  # characters of a cell

_PERCENT = re.compile(r"^# %%.*$", re.MULTILINE)


class Filled(msgspec.Struct, frozen=True):
    """The form, and what a student should know about how it was filled."""

    notebook: NotebookNode
    notes: tuple[str, ...] = ()


def fill(template: NotebookNode, submission: Submission) -> Filled:
    """The form for a submission; where nothing could be read, the released notebook itself."""
    if submission.cells is not None:
        return _from_notebook(template, submission.texts)
    if submission.modules:
        return _from_modules(template, submission.modules)
    return Filled(copy.deepcopy(template))


def _from_notebook(template: NotebookNode, texts: tuple[Text, ...]) -> Filled:
    ours = {cell.metadata.nbgrader.grade_id: cell for cell in template.cells if "nbgrader" in cell.metadata}
    untouched = {cell.source.strip() for cell in template.cells}
    found: dict[str, Text] = {}
    own: dict[str, list[Text]] = {}  # what stands after which of our cells; "" for the beginning
    notes, twice, after = [], [], ""
    for text in texts:
        if text.grade_id in ours:
            if text.grade_id in found:
                twice.append(text.grade_id)
            found[text.grade_id] = text
            after = text.grade_id
        elif text.source.strip() and text.source.strip() not in untouched:
            own.setdefault(after, []).append(text)
    missing = [name for name in ours if name not in found]
    # Those first that a person marks: one cell of the student's may be about several of ours.
    for name, cell in sorted(ours.items(), key=lambda item: not item[1].metadata.nbgrader.grade):
        left = name not in found or found[name].source.strip() == cell.source.strip()
        if left and cell.metadata.nbgrader.solution:
            _look_elsewhere(name, cell, own, found)
    if twice:
        notes.append(f"These cells are there twice, and the last counts: {_list(twice)}.")
    if missing:
        notes.append(f"These cells are missing, or have lost their names: {_list(missing)}.")
    return Filled(_laid(template, found, own), tuple(notes))


def _look_elsewhere(
    name: str, cell: NotebookNode, own: dict[str, list[Text]], found: dict[str, Text]
) -> None:
    """An answer that doesn't stand in its cell: the last code that defines the same function, or the last text.

    Somebody left the cell as it was and wrote into the next one; or the cell has lost its name.
    """
    places, words = [*own.values()], re.compile("")
    if cell.cell_type == "markdown":
        places = [own.get(name, [])] if name in found else places[-1:]
    elif function := defined(cell.source):
        words = re.compile(rf"^(?:def|class) {function}\b", re.MULTILINE)
    else:
        return
    texts = [text for place in places for text in place]
    fits = [text for text in texts if text.kind == cell.cell_type and words.search(text.source)]
    if fits:
        found[name] = fits[-1]
        for place in places:
            place[:] = [text for text in place if text is not fits[-1]]


def _from_modules(template: NotebookNode, modules: dict[str, bytes]) -> Filled:
    """Each function's cell gets its piece of the module, whatever stands between the functions cells of their own."""
    ours = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in template.cells
        if "nbgrader" in cell.metadata and cell.metadata.nbgrader.solution
    }
    untouched = {cell.source.strip() for cell in template.cells}
    found: dict[str, Text] = {}
    own: dict[str, list[Text]] = {}
    for module, data in modules.items():
        exercise = module.partition("_")[0]
        expected = [name for name in ours if name.startswith(f"{exercise}-")]
        for piece in _PERCENT.split(data.decode("utf-8", "replace").replace("\r\n", "\n")):
            source = piece.strip("\n")
            name = f"{exercise}-{defined(source)}"
            if name in ours and name not in found:
                found[name] = Text("code", name, source)
            elif not _is_comment(source) and source.strip() not in untouched:
                own.setdefault(expected[0], []).append(Text("code", "", source))
        for name in expected:  # a function under another name stands in a cell of its own
            found.setdefault(name, Text("code", name, ""))
    return Filled(_laid(template, found, own), ("Handed in as modules: this notebook was made from them.",))


def _is_comment(source: str) -> bool:
    return all(not line.strip() or line.startswith("#") for line in source.split("\n"))


def _laid(template: NotebookNode, found: dict[str, Text], own: dict[str, list[Text]]) -> NotebookNode:
    made = copy.deepcopy(template)
    cells, left = _own(own.get("", []), MOST_OWN)
    for cell in made.cells:
        cells.append(cell)
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in found and cell.metadata.nbgrader.solution:
            cell.source = _clean(found[name].source)
        added, left = _own(own.get(name, []), left)
        cells += added
    for number, cell in enumerate(cells):
        cell.id = cell.get("id") or f"own-{number}"
    made.cells = cells
    nbformat.validate(made)
    return made


def _own(texts: list[Text], most: int) -> tuple[list[NotebookNode], int]:
    """Cells of the student's own, and how many more there may be."""
    make: dict[str, Callable[[str], NotebookNode]] = {"code": new_code_cell, "markdown": new_markdown_cell}
    cells = [make[text.kind](_clean(text.source)) for text in texts[:most]]
    for cell in cells:
        del cell["id"]  # it would be random
    return cells, most - len(cells)


def _clean(source: str) -> str:
    """As much as a page can hold, in UTF-8."""
    return source[:MOST_TEXT].encode("utf-8", "replace").decode()


def _list(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))
