"""Markdown, for $GITHUB_STEP_SUMMARY: a table of the exercises, then every lesson that is to be mended.

Text of the student's only ever stands in code, inline or fenced: there, nothing is a tag, a link, a table's border,
a mention or a reference, wherever the page is shown. Flags are the instructor's and students see this page: they
are not in here.
"""

import re
from collections.abc import Iterator

from grading.formats.common import circumstances, heading, lessons, progress, said, tidy
from tests.coach.report import ExerciseResult, Report, TestResult

MARKS = {"done": "✅", "failing": "❌", "todo": "⬜"}
MOST_BYTES = 900_000  # GitHub drops a summary of more than 1 MiB as a whole


def write(report: Report) -> str:
    """The table is always there; lessons follow while there is room."""
    report = tidy(report)
    page = _head(report)
    size, left_out = len(page.encode()), 0
    for part in _details(report):
        size += len(part.encode())
        if size > MOST_BYTES:
            left_out += 1
        else:
            page += part
    return page + (f"\nNo room here for {left_out} more: see the report itself.\n" if left_out else "")


def _head(report: Report) -> str:
    rows = (
        f"| {MARKS[exercise.status]} {_escaped(heading(exercise))} | {progress(exercise)} "
        f"| {exercise.score} / {exercise.max_score} |\n"
        for exercise in report.exercises
    )
    return (
        f"## {report.score} of {report.max_score} points\n\n"
        f"Submission: {_code(report.submission)}; {circumstances(report)}.\n\n"
        "| Exercise | Status | Points |\n|---|---|--:|\n" + "".join(rows)
    )


def _details(report: Report) -> Iterator[str]:
    for exercise in report.exercises:
        if exercise.status == "failing":
            for test in lessons(exercise):
                yield _lesson(exercise, test)


def _lesson(exercise: ExerciseResult, test: TestResult) -> str:
    title = _escaped(f"{heading(exercise)}: {test.title}")
    return f"\n### {title} ({test.score} / {test.max_score})\n\n{_fenced(said(test))}\n"


def _escaped(text: str) -> str:
    """Text of ours, as text: every sign that Markdown could take for its own gets a backslash."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def _code(text: str) -> str:
    """A code span, between more backticks than the text has in a row."""
    fence = "`" * (_longest_run(text) + 1)
    return f"{fence} {text} {fence}"


def _fenced(text: str) -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
