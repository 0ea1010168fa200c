"""marks.csv: a line for every student, with the points of each exercise and of each test."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from grading import spreadsheet
from grading.batch.tally import Result, Tally
from grading.formats.common import tidy
from grading.spreadsheet import Cell
from tests.coach.plain import line
from tests.coach.report import Report


def write(file: Path, tally: Tally, results: Iterable[Result]) -> None:
    """Write the table, all at once. Where there is no mark, the points are empty, and `why` says why. Raises OSError."""
    spreadsheet.write(file, _rows(tally, results), mark=True)


def _rows(tally: Tally, results: Iterable[Result]) -> Iterator[Sequence[Cell]]:
    exercises, tests = [*tally.exercises], [*tally.lessons]
    yield [
        "student",
        "score",
        "max_score",
        *exercises,
        *tests,
        "flags",
        "why",
        "submission",
        "isolation",
        "variant",
    ]
    for result in results:
        if result.report is None:
            empty: list[Cell] = [None] * (2 + len(exercises) + len(tests) + 1)
            yield [result.student, *empty, line(result.why, 500), None, None, None]
        else:
            yield _row(result.student, tidy(result.report), exercises, tests)


def _row(student: str, report: Report, exercises: list[str], tests: list[str]) -> list[Cell]:
    of_exercise = {exercise.id: exercise.score for exercise in report.exercises}
    of_test = {test.id: test.score for exercise in report.exercises for test in exercise.tests}
    return [
        student,
        report.score,
        report.max_score,
        *(of_exercise.get(id) for id in exercises),
        *(of_test.get(id) for id in tests),
        "; ".join(f"{flag.rule} {flag.file} {flag.line}" for flag in report.flags) or None,
        None,
        report.submission,
        report.isolation,
        report.variant,
    ]
