"""GitLab's Code Quality report: each failing test as a finding on the student's line, in a merge request's changes.

GitLab compares the findings of two branches by their fingerprints, and shows a fingerprint once: it is made from
the test and the file, never from the line, which moves. What has no place is in the JUnit report alone. Flags are
the instructor's and students see these findings: they are not in here.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from grading.formats.common import STATUS, heading, lessons, said, tidy
from tests.coach.report import ExerciseResult, Report, TestResult


def write(report: Report) -> str:
    """As grading/schemas/codequality.schema.json describes it. Empty where nothing fails."""
    found = list(_findings(tidy(report)))
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _findings(report: Report) -> Iterator[dict[str, Any]]:
    for exercise in report.exercises:
        if exercise.status == "failing":
            for test in lessons(exercise):
                if test.location and test.location.file:
                    yield _finding(exercise, test, test.location.file, test.location.line)


def _finding(exercise: ExerciseResult, test: TestResult, file: str, line: int) -> dict[str, Any]:
    """A line of a notebook's cell is no line of the file: there the words say which cell."""
    in_a_cell = test.location is not None and test.location.cell is not None
    words = said(test) if in_a_cell else test.message or STATUS[test.status]
    return {
        "description": f"{heading(exercise)}: {test.title}. {' '.join(words.split())}",
        "check_name": test.id,
        "fingerprint": hashlib.sha256(f"{test.id}\0{file}".encode()).hexdigest(),
        "severity": "major",
        "location": {"path": file, "lines": {"begin": 1 if in_a_cell else max(line, 1)}},
    }
