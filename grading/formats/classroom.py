"""The payload of GitHub Classroom's autograding reporter: one line of base64, for a step's output `result`.

The reporter wants `tests` always, adds up their scores, and fails the job where `status` is not "pass". It prints
names and messages as they are, on a runner that obeys what looks like a command: `tidy` has seen to that. It
gets the payload in an environment variable, and Linux starts no program with one of more than 128 KiB.
"""

import base64
from typing import Any

import msgspec

from grading.formats.common import heading, said, tidy
from tests.coach.report import Report, TestResult
from tests.limits import shorten

VERSION = 3
MOST_BYTES = 120_000  # of base64
MESSAGE_LENGTHS = (2000, 500, 120, 20)  # tried in turn, until the payload is small enough
STATUS = {"passed": "pass", "error": "error", "timeout": "error"}


def write(report: Report) -> str:
    """Decoded, it is as grading/schemas/classroom.schema.json describes it."""
    report = tidy(report)
    encoded = b""
    for length in MESSAGE_LENGTHS:
        encoded = base64.b64encode(msgspec.json.encode(_payload(report, length)))
        if len(encoded) <= MOST_BYTES:
            break
    return encoded.decode() + "\n"


def _payload(report: Report, length: int) -> dict[str, Any]:
    return {
        "version": VERSION,
        "status": "pass" if report.done else "fail",
        "max_score": report.max_score,
        "tests": [
            _test(test, f"{heading(exercise)}: {test.title}", number, length)
            for number, exercise in enumerate(report.exercises, 1)
            for test in exercise.tests
        ],
    }


def _test(test: TestResult, name: str, exercise: int, length: int) -> dict[str, Any]:
    """`line_no` is 0 where there is no line, or only one within a notebook's cell. No test is timed on its own."""
    location = test.location
    words = {} if test.status == "passed" else {"message": shorten(said(test), length)}
    return {
        "name": name,
        "status": STATUS.get(test.status, "fail"),
        **words,
        "test_code": "",
        "task_id": exercise,
        "filename": location.file if location else "",
        "line_no": location.line if location and location.cell is None else 0,
        "duration": 0,
        "score": test.score,
    }
