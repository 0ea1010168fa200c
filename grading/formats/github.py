"""GitHub workflow commands: an annotation on the student's line for each failing test, and the score as a notice.

They are commands because the runner reads them in a step's log: what the student wrote stands in the values only,
escaped as GitHub's own toolkit does. Of each kind GitHub shows the first ten of a step, so every exercise gets its
first failure shown before any gets its second. Flags are the instructor's: they are not in here.
"""

from collections.abc import Iterator

from grading.formats.common import heading, lessons, place, said, tidy
from tests.coach.report import Report, TestResult

MOST_ERRORS = 10


def write(report: Report) -> str:
    """At most eleven lines, the last one a notice with the score."""
    report = tidy(report)
    failing = list(_failing(report))
    rest = len(failing) - MOST_ERRORS
    more = f"; {rest} more tests fail than are annotated" if rest > 0 else ""
    summary = f"{report.score} of {report.max_score} points{more}"
    return "".join(
        f"{line}\n" for line in (*failing[:MOST_ERRORS], _command("notice", summary, title="Exercises"))
    )


def _failing(report: Report) -> Iterator[str]:
    """The failing tests of all exercises: the first of each, the second of each, …"""
    told = [
        (position, number, _error(test, f"{heading(exercise)}: {test.title}"))
        for number, exercise in enumerate(report.exercises)
        if exercise.status == "failing"
        for position, test in enumerate(lessons(exercise))
    ]
    return (command for _, _, command in sorted(told))


def _error(test: TestResult, title: str) -> str:
    """A line of a notebook's cell is no line of the file: there the words say which cell."""
    location = test.location
    if location is None or not location.file:
        return _command("error", said(test), title=title)
    if location.cell is not None:
        return _command("error", said(test), file=location.file, title=f"{title} ({place(location)})")
    return _command(
        "error", test.message or said(test), file=location.file, line=str(max(location.line, 1)), title=title
    )


def _command(name: str, message: str, **properties: str) -> str:
    values = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {values}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
