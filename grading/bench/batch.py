"""What a class costs with `python -m grading batch`."""

import json
import statistics
from pathlib import Path
from typing import NamedTuple

from grading.bench.classroom import Student
from grading.bench.clock import Cost, measured
from grading.key import write_key
from grading.tests import courses

AGAIN = 3  # times


class Ours(NamedTuple):
    """Of each submission, with what the command takes to start."""

    plotted: Cost  # with two jobs, as the command comes
    two: Cost  # … without plots
    one: Cost  # with one job, without plots
    again: Cost  # the same command as `plotted`, when nothing has changed
    start: float  # wall seconds for all of them together, of `again`
    unchanged: float  # wall seconds, of `again`, without the start


def batch(students: list[Student], folder: Path) -> Ours:
    key = folder / "course.key"
    write_key(key)
    whole, alone = written(students, folder / "class"), written(students[:1], folder / "alone")

    def graded(submissions: Path, out: str, jobs: int, *options: str) -> Cost:
        arguments = (submissions, "--out", folder / out, "--jobs", jobs, "--secret-file", key, *options)
        return measured(lambda: courses.kit("batch", *arguments))

    two = graded(whole, "two", 2, "--no-plots")
    plotted = graded(whole, "plotted", 2)
    one = graded(whole, "one", 1, "--no-plots")
    graded(alone, "single", 2)
    pairs = [(graded(whole, "plotted", 2), graded(alone, "single", 2)) for _ in range(AGAIN)]
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
        again.each(number),
        start.wall,
        unchanged=max(0.0, again.less(start).wall) / (number - 1),
    )


def written(students: list[Student], folder: Path) -> Path:
    for student in students:
        (folder / student.name).mkdir(parents=True)
        (folder / student.name / "pytorch_workflow.ipynb").write_text(student.notebook, encoding="utf-8")
    return folder


def _median(costs: tuple[Cost, ...]) -> Cost:
    return Cost(statistics.median(cost.wall for cost in costs), statistics.median(cost.cpu for cost in costs))
