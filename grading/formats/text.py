"""Plain text, for a terminal or the log of a CI job: nothing is coloured, wrapped or drawn over."""

from collections.abc import Iterator

from grading.formats.common import FAILING, STATUS, circumstances, heading, lessons, progress, said, tidy
from tests.coach.report import ExerciseResult, Report, TestResult

MARKS = {"done": "✓", "failing": "✗", "todo": "○"}


def write(report: Report) -> str:
    """The exercises with their scores, every failing one in detail, notes and flags. Last line: the score."""
    return "".join(f"{line}\n" for line in _lines(tidy(report)))


def _lines(report: Report) -> Iterator[str]:
    yield f"Submission: {report.submission}"
    yield circumstances(report).capitalize()
    yield ""
    yield from _overview(report)
    for exercise in report.exercises:
        if exercise.status == "failing":
            yield from _detail(exercise)
    yield from _section("Notes", report.notes)
    flags = tuple(f"{flag.rule}: {_source(flag.file, flag.line)}{flag.message}" for flag in report.flags)
    yield from _section("Flags (to be looked at; they cost no points)", flags)
    yield ""
    yield f"Score: {report.score} / {report.max_score}"


def _overview(report: Report) -> Iterator[str]:
    width = max((len(heading(exercise)) for exercise in report.exercises), default=0)
    for exercise in report.exercises:
        points = f"{exercise.score:3} / {exercise.max_score}"
        yield f"  {MARKS[exercise.status]} {heading(exercise):{width}}  {progress(exercise):20}  {points}"


def _detail(exercise: ExerciseResult) -> Iterator[str]:
    passed = sum(test.status == "passed" for test in exercise.tests)
    yield ""
    yield f"{heading(exercise)}: {passed} of {len(exercise.tests)} lessons passed"
    for test in lessons(exercise):
        yield from _lesson(test)
    waiting = sum(test.status not in ("passed", *FAILING) for test in exercise.tests)
    if waiting:
        yield f"  ○ {waiting} more: waiting for these, or not started"


def _lesson(test: TestResult) -> Iterator[str]:
    yield f"  ✗ {test.title} ({STATUS[test.status]}, {test.score} of {test.max_score} points)"
    yield from (f"    {line}".rstrip() for line in said(test).split("\n"))


def _section(title: str, entries: tuple[str, ...]) -> Iterator[str]:
    if entries:
        yield ""
        yield f"{title}:"
        yield from (f"  - {entry}" for entry in entries)


def _source(file: str, line: int) -> str:
    return f"{file}, line {line}: " if line else f"{file}: " if file else ""
