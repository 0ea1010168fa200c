"""The words for a report, and what makes the texts in it safe to show.

A report holds text of the student's (messages, source lines, names). `line` and `paragraph` bound and defuse it;
what has been through them before comes out as it is.
"""

import re
import unicodedata

import msgspec

from tests.coach.report import ExerciseResult, Location, Status, TestResult
from tests.limits import shorten

FAILING: tuple[Status, ...] = ("failed", "error", "timeout")
STATUS = {
    "passed": "passed",
    "failed": "failed",
    "error": "could not be judged",
    "timeout": "did not end",
    "blocked": "waits",
    "todo": "not started",
}

MOST_LINES = 40  # of one message
MOST_NAME = 200  # characters of a name, a title or a line of source
MOST_MESSAGE = 2000
MOST_NOTE = 500
MOST_LINE_NUMBER = 10_000_000
_MARK = 40  # characters that tell how much was cut, at most

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# GitHub's runner obeys a line that starts with "::command", after any space, and "##[command]" anywhere in one.
_COMMAND = re.compile(r"^\s*:(?=:)|##(?=\[)")


def progress(exercise: ExerciseResult) -> str:
    """In words: «done», «begun»."""
    if exercise.status != "todo":
        return "done" if exercise.status == "done" else "not right yet"
    if any(test.status == "passed" for test in exercise.tests):
        return "begun"
    return "waits for the others" if exercise.id == "workflow" else "not started"


def place(location: Location) -> str:
    """In words: «exercises/ex3_training.py, line 40», «hw.ipynb, cell 3, line 2»."""
    cell = f", cell {location.cell}" if location.cell is not None else ""
    return f"{location.file}{cell}, line {location.line}"


def where(location: Location | None) -> str:
    """The place and what is written there; empty for no place."""
    if location is None:
        return ""
    return f"{place(location)}: {location.source}" if location.source else place(location)


def said(test: TestResult) -> str:
    """What the student reads about a test: its message and, on a line of its own, the place."""
    words = test.message or STATUS[test.status]
    return "\n".join(line for line in (words, where(test.location)) if line)


def tidy_exercise(exercise: ExerciseResult) -> ExerciseResult:
    """The same with every text bounded, printable and encodable."""
    tests = tuple(
        msgspec.structs.replace(
            test,
            title=line(test.title),
            message=None if test.message is None else paragraph(test.message),
            location=None if test.location is None else _location(test.location),
        )
        for test in exercise.tests
    )
    return msgspec.structs.replace(exercise, title=line(exercise.title), tests=tests)


def _location(location: Location) -> Location:
    cell = None if location.cell is None else bounded(location.cell)
    return Location(line(location.file), bounded(location.line), cell, line(location.source))


def bounded(number: int) -> int:
    return min(max(number, 0), MOST_LINE_NUMBER)


def line(text: str, most: int = MOST_NAME) -> str:
    return _printable(" ".join(_cut(text, most).replace("\t", " ").splitlines())).strip()


def paragraph(text: str) -> str:
    lines = _cut(text.expandtabs(4), MOST_MESSAGE).splitlines()
    if len(lines) > MOST_LINES + 1:
        lines = [*lines[:MOST_LINES], f"… ({len(lines) - MOST_LINES} more lines)"]
    return "\n".join(_printable(line).rstrip() for line in lines).strip("\n")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most + _MARK else shorten(text, most)


def _printable(text: str) -> str:
    """A line in which colours are gone, every other invisible or unpaired character is a �, no command is left."""
    visible = text if text.isprintable() else "".join(map(_visible, _ANSI.sub("", text)))
    return _COMMAND.sub(lambda found: f"{found[0]} ", visible)


def _visible(character: str) -> str:
    return "\ufffd" if unicodedata.category(character).startswith("C") else character
