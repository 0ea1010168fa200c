"""The code cells of a notebook, as plain Python.

What only IPython understands is blanked in place, so that every line keeps its number. Nothing is executed or
even parsed as Python here: a cell that is wrong costs itself, when it runs.
"""

import json
import re
import tokenize
from typing import Any

import msgspec

from grading.trees import Refused, megabytes, plain

FILE = "pytorch_workflow.ipynb"  # as it is handed out
MOST_BYTES = 64 << 20  # of the file: its outputs may be images, or all that was printed
MOST_SOURCE = 1 << 20  # of all code cells together
MOST_CELLS = 2_000
_MOST_BRACKETS = 1_000_000  # opened anywhere in the file: what JSON takes in memory grows with them

_BODY_IS_PYTHON = re.compile(r"%%(?:time|capture)\b")  # such a cell runs in the notebook's own namespace
# Nothing that starts a logical line of Python looks like one of these.
_MAGIC = re.compile(
    r"\s*(?:[%!?]"
    r"|(?:pip|conda|mamba)\s+install\b"  # IPython runs these without a sign ("automagic")
    r"|[A-Za-z_][\w.]*(?:\[[^\]#]*\])?\?{1,2}\s*$)"  # name?
)
_ASSIGNED = re.compile(r"(\s*[A-Za-z_][\w.]*(?:\[[^\]#]*\])?\s*=)\s*[!%](?!=)")
_LISTED = 5


class Cell(msgspec.Struct, frozen=True):
    """A code cell. `number` counts all cells of the notebook from 1, text cells too, as one counts on the page.

    In `source` magics and shell lines are blanked; every line has the number that the student sees.
    """

    number: int
    source: str


class Text(msgspec.Struct, frozen=True):
    """A cell as it was written. kind: "code" or "markdown"; grade_id: the name that nbgrader gave it, or ""."""

    kind: str
    grade_id: str
    source: str


def texts(data: bytes, name: str) -> tuple[Text, ...]:
    """All cells that can be read, in their order. Raises Refused; `name` is for its message."""
    found = []
    for cell in _cells(data, name):
        source = _source(cell)
        if source is not None:
            grade_id = _marks(cell).get("grade_id")
            kind = "code" if _is_code(cell) else "markdown"
            found.append(Text(kind, grade_id if isinstance(grade_id, str) else "", source))
    return tuple(found)


def read(data: bytes, name: str) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """The code cells to be run, and notes on the others. Raises Refused; `name` is for its message."""
    sources: dict[int, str] = {}
    left_out: dict[str, list[int]] = {}
    for number, cell in enumerate(_cells(data, name), 1):
        if isinstance(cell, dict) and cell.get("cell_type") in ("markdown", "raw") and not _is_code(cell):
            continue
        source = _source(cell) if _is_code(cell) else None
        if source is None:
            left_out.setdefault("can't be read", []).append(number)
        elif not _is_test(cell):
            sources[number] = source
    if len(sources) > MOST_CELLS or sum(len(source.encode()) for source in sources.values()) > MOST_SOURCE:
        raise Refused(
            f"{name} holds more than {MOST_CELLS:,} code cells or {megabytes(MOST_SOURCE)} of code. "
            "Ask for the notebook without data in it."
        )
    cells = tuple(Cell(number, plain_python(source)) for number, source in sources.items())
    return cells, tuple(f"cells that {why}: {_list(numbers)}" for why, numbers in left_out.items())


def plain_python(source: str) -> str:
    """The source with `pass` in place of every magic and shell line, and None in place of what one would return.

    >>> plain_python("!pip install torch\\nfiles = !ls\\nprint(files)")
    'pass\\nfiles = None\\nprint(files)'
    """
    lines = _dedented(source.replace("\r\n", "\n").split("\n"))
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        if not _BODY_IS_PYTHON.match(lines[first]):
            return "\n" * (len(lines) - 1)
        lines[first] = ""
    if any(_without_magic(line) is not None for line in lines):
        _blank(lines)
    return "\n".join(lines)


def _dedented(lines: list[str]) -> list[str]:
    """Without the indentation of the first line: IPython runs a cell that is indented as a whole."""
    first = next((line for line in lines if line.strip()), "")
    indentation = first[: len(first) - len(first.lstrip(" \t"))]
    return [line.removeprefix(indentation) for line in lines]


def _blank(lines: list[str]) -> None:
    """Blank the magics where a logical line starts: in a string or between brackets, a "%" is Python's."""
    at = 0
    while at < len(lines):
        blanked = _without_magic(lines[at])
        if blanked is None:
            length = _logical_line(lines, at)
            if length is None:
                return
            at += length
            continue
        continued = lines[at].endswith("\\")
        lines[at] = blanked
        at += 1
        while continued and at < len(lines):
            continued, lines[at] = lines[at].endswith("\\"), ""
            at += 1


def _without_magic(line: str) -> str | None:
    """What to run in place of a line; None when it is Python."""
    if assigned := _ASSIGNED.match(line):
        return f"{assigned[1]} None"
    if _MAGIC.match(line):
        return line[: len(line) - len(line.lstrip())] + "pass"
    return None


def _logical_line(lines: list[str], at: int) -> int | None:
    """How many lines the statement on line `at` takes; None when it has no end, so that the cell is no Python."""
    if not lines[at].strip() or lines[at].lstrip().startswith("#"):
        return 1
    rest = (lines[i] + "\n" for i in range(at, len(lines)))
    try:
        for token in tokenize.generate_tokens(lambda: next(rest, "")):
            if token.type == tokenize.NEWLINE:
                return token.start[0]
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass
    return None


def _cells(data: bytes, name: str) -> list[Any]:
    """What the notebook holds as its cells. Raises Refused."""
    if data.count(b"{") + data.count(b"[") > _MOST_BRACKETS:
        raise Refused(f"{name} holds too much. Ask for it again, saved after «Clear all outputs».")
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise Refused(
            f"{name} is not a notebook, or a damaged one. Ask for it again, saved from Jupyter."
        ) from None
    notebook = notebook if isinstance(notebook, dict) else {}
    version, cells = notebook.get("nbformat"), notebook.get("cells")
    if "worksheets" in notebook or version in (1, 2, 3):
        raise Refused(
            f"{name} is a notebook of the old format {plain(str(version))}. Convert it: jupyter nbconvert "
            "--to notebook --nbformat 4 NOTEBOOK"
        )
    if version != 4 or not isinstance(cells, list):
        raise Refused(
            f"{name} is no notebook of format 4. Open it in Jupyter, see whether it is right, and save it."
        )
    return cells


def _is_code(cell: Any) -> bool:
    """Whether a cell is code, or was: one turned into text by a slip still knows what it was made as."""
    if not isinstance(cell, dict):
        return False
    marks = _marks(cell)
    turned = cell.get("cell_type") in ("markdown", "raw") and marks.get("cell_type") == "code"
    return cell.get("cell_type") == "code" or (turned and marks.get("solution") is True)


def _source(cell: Any) -> str | None:
    """The text of a cell; None when it is malformed."""
    source = cell.get("source") if isinstance(cell, dict) else None
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    try:
        source.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON allows
        return None
    return source


def _is_test(cell: dict[str, Any]) -> bool:
    """Whether a cell holds tests of nbgrader. Its other locked cells are run: imports may stand in them."""
    marks = _marks(cell)
    return marks.get("grade") is True and marks.get("solution") is not True


def _marks(cell: Any) -> dict[str, Any]:
    """What nbgrader wrote into a cell, or somebody else."""
    metadata = cell.get("metadata") if isinstance(cell, dict) else None
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return marks if isinstance(marks, dict) else {}


def _list(numbers: list[int]) -> str:
    more = f" and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else ""
    return ", ".join(map(str, numbers[:_LISTED])) + more
