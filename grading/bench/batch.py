"""What a class costs with `python -m grading batch`."""

import json
import statistics
from pathlib import Path
from typing import NamedTuple

from grading.bench.classroom import Student
from grading.bench.clock import Cost, measured
from grading.key import write_key
from grading.tests import courses


class Ours(NamedTuple):
    """Of each submission: with two jobs and plots, as the command comes; without plots; with one job, without plots; when
    the same is graded again, and nothing has changed. start: of that command, for the class."""

    plotted: Cost
    two: Cost
    one: Cost
    again: Cost
    start: Cost


def batch(students: list[Student], folder: Path) -> Ours:
    """Starting is counted, but for `again`."""
    key = folder / "course.key"
    write_key(key)
    whole, alone = _handed_in(students, folder / "class"), _handed_in(students[:1], folder / "alone")

    def graded(submissions: Path, out: str, jobs: int, *options: str) -> Cost:
        arguments = (submissions, "--out", folder / out, "--jobs", jobs, "--secret-file", key, *options)
        return measured(lambda: courses.kit("batch", *arguments))

    two = graded(whole, "two", 2, "--no-plots")
    plotted = graded(whole, "plotted", 2)
    one = graded(whole, "one", 1, "--no-plots")
    graded(alone, "single", 2)
    pairs = [(graded(whole, "plotted", 2), graded(alone, "single", 2)) for _ in "abc"]
    again, start = (_median(costs) for costs in zip(*pairs, strict=True))
    for out in ("two", "plotted", "one"):
        reports = {file.stem: json.loads(file.read_bytes()) for file in (folder / out).glob("reports/*.json")}
        full = {name: report["score"] == report["max_score"] for name, report in reports.items()}
        assert full == {student.name: student.right for student in students}, "graded all, and rightly"
    number = len(students)
    return Ours(
        plotted.each(number),
        two.each(number),
        one.each(number),
        again.less(start).each(number - 1),
        start,
    )


def _handed_in(students: list[Student], folder: Path) -> Path:
    for student in students:
        (folder / student.name).mkdir(parents=True)
        (folder / student.name / "pytorch_workflow.ipynb").write_text(student.notebook, encoding="utf-8")
    return folder


def _median(costs: tuple[Cost, ...]) -> Cost:
    return Cost(statistics.median(cost.wall for cost in costs), statistics.median(cost.cpu for cost in costs))
