"""What all formats share: a report that is safe to print, and the words for it.

A report holds text of the student's (messages, source lines, names). `tidy` bounds and defuses all of it, once,
so that no writer meets a text that its format can't hold, and no log reader one that it would obey.
"""

import msgspec

from tests.coach.plain import (
    FAILING,
    MOST_NOTE,
    STATUS,
    bounded,
    line,
    place,
    progress,
    said,
    tidy_exercise,
)
from tests.coach.report import ExerciseResult, Flag, Report, TestResult
from tests.coach.terminal import heading

__all__ = ["FAILING", "STATUS", "circumstances", "heading", "lessons", "place", "progress", "said", "tidy"]

MOST_ENTRIES = 60  # notes, and flags


def tidy(report: Report) -> Report:
    """The same report with every text bounded, printable, encodable, and no command to a log reader."""
    return msgspec.structs.replace(
        report,
        submission=line(report.submission) or "unnamed",
        notes=_notes(report.notes),
        flags=_flags(report.flags),
        exercises=tuple(tidy_exercise(exercise) for exercise in report.exercises),
    )


def lessons(exercise: ExerciseResult) -> tuple[TestResult, ...]:
    """The tests to tell about: what fails, or else the first that is not passed. Empty when all are."""
    failing = tuple(test for test in exercise.tests if test.status in FAILING)
    return failing or tuple(test for test in exercise.tests if test.status != "passed")[:1]


def circumstances(report: Report) -> str:
    """How far the mark can be trusted."""
    numbers = "on secret numbers" if report.variant == "secret" else "on the exercise's own numbers"
    return f"isolation: {report.isolation}; graded {numbers}"


def _notes(notes: tuple[str, ...]) -> tuple[str, ...]:
    rest = len(notes) - MOST_ENTRIES
    more = (f"… and {rest} more notes",) if rest > 0 else ()
    return (*(line(note, MOST_NOTE) for note in notes[:MOST_ENTRIES]), *more)


def _flags(flags: tuple[Flag, ...]) -> tuple[Flag, ...]:
    rest = len(flags) - MOST_ENTRIES
    more = (Flag("more", "", 0, f"{rest} more findings"),) if rest > 0 else ()
    kept = (
        Flag(line(flag.rule), line(flag.file), bounded(flag.line), line(flag.message, MOST_NOTE))
        for flag in flags[:MOST_ENTRIES]
    )
    return (*kept, *more)
