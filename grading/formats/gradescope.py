"""Gradescope's results.json (gradescope-autograders.readthedocs.io, «Autograder Specifications»).

Every test is visible: one hidden test that is worth points hides the student's total. Notes and flags are in
`extra_data`, which students are not shown, and standard output is kept from them too.
"""

from typing import Any

import msgspec

from grading.formats.common import circumstances, heading, said, tidy
from tests.coach.report import ExerciseResult, Report, TestResult


def write(report: Report) -> str:
    """As grading/schemas/gradescope.schema.json describes it. `score` is given even where it is 0."""
    report = tidy(report)
    results = {
        "score": report.score,
        "execution_time": report.duration_s,
        "output": f"{report.score} of {report.max_score} points; {circumstances(report)}.",
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {
            "submission": report.submission,
            "digest": report.digest,
            "isolation": report.isolation,
            "variant": report.variant,
            "notes": report.notes,
            "flags": report.flags,
        },
        "tests": [
            _test(exercise, test, f"{first}.{second}")
            for first, exercise in enumerate(report.exercises, 1)
            for second, test in enumerate(exercise.tests, 1)
        ],
    }
    return msgspec.json.format(msgspec.json.encode(results), indent=2).decode() + "\n"


def _test(exercise: ExerciseResult, test: TestResult, number: str) -> dict[str, Any]:
    return {
        "score": test.score,
        "max_score": test.max_score,
        "status": "passed" if test.status == "passed" else "failed",
        "name": f"{heading(exercise)}: {test.title}",
        "number": number,
        "output": "" if test.status == "passed" else said(test),
        "output_format": "text",
        "tags": [exercise.id],
        "visibility": "visible",
    }
