"""What all formats share: a report that is safe to print, and the words for it.

A report holds text of the student's (messages, source lines, names). `tidy` bounds and defuses all of it, once,
so that no writer meets a text that its format can't hold, and no log reader one that it would obey.
"""

import re
import unicodedata

import msgspec

from tests.coach.report import ExerciseResult, Flag, Location, Report, Status, TestResult
from tests.coach.terminal import heading
from tests.limits import shorten

__all__ = ["FAILING", "STATUS", "circumstances", "heading", "lessons", "place", "progress", "said", "tidy"]

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
MOST_NOTE = 500
MOST_ENTRIES = 60  # notes, and flags
MOST_LINE_NUMBER = 10_000_000

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# GitHub's runner obeys a line that starts with "::command", after any space, and "##[command]" anywhere in one.
_COMMAND = re.compile(r"^\s*:(?=:)|##(?=\[)")


def tidy(report: Report) -> Report:
    """The same report with every text bounded, printable, encodable, and no command to a log reader."""
    return msgspec.structs.replace(
        report,
        submission=_line(report.submission) or "unnamed",
        notes=_notes(report.notes),
        flags=_flags(report.flags),
        exercises=tuple(_exercise(exercise) for exercise in report.exercises),
    )


def lessons(exercise: ExerciseResult) -> tuple[TestResult, ...]:
    """The tests to tell about: what fails, or else the first that is not passed. Empty when all are."""
    failing = tuple(test for test in exercise.tests if test.status in FAILING)
    return failing or tuple(test for test in exercise.tests if test.status != "passed")[:1]


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


def circumstances(report: Report) -> str:
    """How far the mark can be trusted."""
    numbers = "on secret numbers" if report.variant == "secret" else "on the exercise's own numbers"
    return f"isolation: {report.isolation}; graded {numbers}"


def _exercise(exercise: ExerciseResult) -> ExerciseResult:
    tests = tuple(
        msgspec.structs.replace(
            test,
            title=_line(test.title),
            message=None if test.message is None else _paragraph(test.message),
            location=None if test.location is None else _location(test.location),
        )
        for test in exercise.tests
    )
    return msgspec.structs.replace(exercise, title=_line(exercise.title), tests=tests)


def _location(location: Location) -> Location:
    cell = None if location.cell is None else _number(location.cell)
    return Location(_line(location.file), _number(location.line), cell, _line(location.source))


def _notes(notes: tuple[str, ...]) -> tuple[str, ...]:
    rest = len(notes) - MOST_ENTRIES
    more = (f"… and {rest} more notes",) if rest > 0 else ()
    return (*(_line(note, MOST_NOTE) for note in notes[:MOST_ENTRIES]), *more)


def _flags(flags: tuple[Flag, ...]) -> tuple[Flag, ...]:
    rest = len(flags) - MOST_ENTRIES
    more = (Flag("more", "", 0, f"{rest} more findings"),) if rest > 0 else ()
    kept = (
        Flag(_line(flag.rule), _line(flag.file), _number(flag.line), _line(flag.message, MOST_NOTE))
        for flag in flags[:MOST_ENTRIES]
    )
    return (*kept, *more)


def _number(number: int) -> int:
    return min(max(number, 0), MOST_LINE_NUMBER)


def _line(text: str, most: int = MOST_NAME) -> str:
    return _printable(" ".join(shorten(text, most).replace("\t", " ").splitlines())).strip()


def _paragraph(text: str) -> str:
    lines = shorten(text).splitlines()
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… ({len(lines) - MOST_LINES} more lines)"]
    return "\n".join(_printable(line.expandtabs(4)).rstrip() for line in lines).strip("\n")


def _printable(text: str) -> str:
    """A line in which colours are gone, every other invisible or unpaired character is a �, no command is left."""
    visible = text if text.isprintable() else "".join(map(_visible, _ANSI.sub("", text)))
    return _COMMAND.sub(lambda found: f"{found[0]} ", visible)


def _visible(character: str) -> str:
    return "\ufffd" if unicodedata.category(character).startswith("C") else character
