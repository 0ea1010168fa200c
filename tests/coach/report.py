"""The report: the one record that the terminal, JSON and every grader's format are written from."""

from typing import Literal

import msgspec

SCHEMA = 1
Status = Literal["passed", "failed", "blocked", "todo", "error", "timeout"]
Progress = Literal["done", "failing", "todo"]
Isolation = Literal["none", "process", "bubblewrap"]
Variant = Literal["practice", "secret"]


class Location(msgspec.Struct, frozen=True):
    """A line of the student's code; `cell` counts a notebook's cells and is None in a module."""

    file: str
    line: int
    cell: int | None
    source: str


class TestResult(msgspec.Struct, frozen=True):
    """One test. blocked: its experiment's first test failed, so this one can't be judged."""

    __test__ = False

    id: str
    title: str
    status: Status
    score: int
    max_score: int
    message: str | None = None
    location: Location | None = None


class ExerciseResult(msgspec.Struct, frozen=True):
    id: str
    title: str
    status: Progress
    score: int
    max_score: int
    tests: tuple[TestResult, ...]


class Flag(msgspec.Struct, frozen=True):
    """Something in the source that an instructor should look at. It costs no points."""

    rule: str
    file: str
    line: int
    message: str


class Report(msgspec.Struct, frozen=True):
    schema: int
    submission: str
    digest: str
    isolation: Isolation
    variant: Variant
    score: int
    max_score: int
    duration_s: float
    notes: tuple[str, ...]
    flags: tuple[Flag, ...]
    exercises: tuple[ExerciseResult, ...]

    @property
    def done(self) -> bool:
        return all(exercise.status == "done" for exercise in self.exercises)


def exercise(id: str, title: str, tests: tuple[TestResult, ...]) -> ExerciseResult:
    """Sum up the tests of one exercise."""
    statuses = {test.status for test in tests}
    progress: Progress = "todo"
    if tests and statuses == {"passed"}:
        progress = "done"
    elif statuses & {"failed", "error", "timeout"}:
        progress = "failing"
    score, most = sum(test.score for test in tests), sum(test.max_score for test in tests)
    return ExerciseResult(id, title, progress, score, most, tests)


def to_json(report: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
