"""Measures, writes the figures into grading/README.md, between their markers, and draws grading/bench/cost.svg."""

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from importlib import metadata
from pathlib import Path

from grading.bench import classroom, nbgrader
from grading.bench.batch import batch
from grading.bench.chart import draw
from grading.bench.clock import ROOT, Cost
from grading.bench.memory import memory
from grading.bench.otter import VERSION, otter
from grading.bench.practice import SAVES, suite_against_bare_script
from grading.bench.submission import deriving, experiments_warm, jailed, private_megabytes
from grading.bench.table import CLASS, Row, duration, large, table
from grading.tests import courses
from tests.coach.files import replace

PAGE = ROOT / "grading" / "README.md"
PICTURE = ROOT / "grading" / "bench" / "cost.svg"


def practice() -> str:
    """What students wait for."""
    suite, bare = suite_against_bare_script()
    # As a program of its own: every run of the watch would import this one first.
    alone = "from grading.bench.practice import watched; print(*watched())"
    said = subprocess.run([sys.executable, "-c", alone], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    saved, slowest, test = map(float, said.split())
    return (
        f"`make test` on solved exercises costs {suite / bare:.2f} × a bare script that runs the workflow once\n"
        f"({suite:.1f} against {bare:.1f} CPU-seconds, nearly all of it the import of PyTorch and matplotlib).\n"
        f"From a save to the verdict of `make watch`: {saved:.2f} s in the median of {SAVES} saves, {slowest:.2f} s in the 95th percentile. A cold\n"
        f"`make test` takes {test:.1f} s, {test / saved:.0f} × longer."
    )


def submission() -> tuple[str, float]:
    """What grading one submission costs; and the CPU seconds of the bare experiments alone."""
    graded, cold = jailed()
    every, epochs, number = experiments_warm()
    private = private_megabytes()
    return (
        f"The {number} experiments together take {every:.2f} CPU-seconds in a warm process, of which the one run of 300 epochs\n"
        f"takes {epochs:.2f} when nobody watches it. Grading a solved submission in its jail, on secret numbers, with a warm\n"
        f"helper, costs {graded / every:.1f} × those bare experiments ({graded:.2f} CPU-seconds in all processes together), and is\n"
        f"{cold / graded:.0f} × cheaper than a cold `pytest` over it ({cold:.1f}). The largest exercise takes {private:.0f} MB of memory for itself."
    ), every


def whole_class(
    bare: float,
    folder: Path,
    picture: Path = PICTURE,
    number: int = classroom.STUDENTS,
    sample: int = classroom.SAMPLE,
) -> str:
    """What a class costs, graded by whom; also drawn. bare: CPU seconds of the experiments alone."""
    course = courses.create(folder / "course")
    students = classroom.classroom(number, course)
    few, some = students[:sample], students[: 4 * sample]
    one_otter, two_otters = otter(few, folder / "otter")
    plain = nbgrader.plain(course, few, folder / "plain")
    with_ours = nbgrader.with_ours(course, some, folder / "with_ours")
    holds = memory(course, some, folder / "memory")
    at_once = nbgrader.at_once(course, students)
    ours = batch(students, folder)
    rows = [
        Row("the same `batch` again, nothing changed", ours.again, True),
        Row("`batch --jobs 2`, without plots", ours.two, True),
        unit := Row("`batch --jobs 2`", ours.plotted, True),
        Row("`batch --jobs 1`, without plots", ours.one, True),
        Row("`course autograde --jobs 2`", at_once, True),
        Row("`nbgrader autograde` with these graders", with_ours, True),
        Row("plain `nbgrader autograde`", plain, False),
        Row("`otter run`, two at a time", two_otters, False),
        Row("`otter run`", one_otter, False),
    ]
    course_rows = [
        unit,
        Row("plain `nbgrader autograde`", plain, False),
        Row("`otter run`, two at a time", two_otters, False),
        Row("the same `batch` again, nothing changed", Cost(ours.unchanged, 0), True),
    ]
    draw(rows, unit, f"Grading a class of {number} notebooks, on {os.cpu_count()} processors", picture)
    numbers = deriving()
    kinds = Counter(student.kind for student in students)
    return (
        f"A class of {number} notebooks ({kinds['right']} right, {kinds['mistaken']} with a mistake, {kinds['untouched']} not begun), graded by each command as it\n"
        f"comes, on {os.cpu_count()} processors:\n\n"
        f"{table(rows, unit)}\n\n"
        f"![Seconds for each submission, by command](bench/{PICTURE.name})\n\n"
        f"`python -m grading batch --jobs 2` takes {ours.plotted.wall:.2f} s for each, {plain.wall / ours.plotted.wall:.0f} × less than plain nbgrader and\n"
        f"{one_otter.wall / ours.plotted.wall:.0f} × less than `otter run`; without plots {plain.wall / ours.two.wall:.0f} × and {one_otter.wall / ours.two.wall:.0f} × less.\n"
        f"nbgrader's own command with these graders takes {with_ours.wall:.2f} s, {plain.wall / with_ours.wall:.0f} × less than with its own.\n"
        f"`python -m grading course autograde --jobs 2`, which also writes nbgrader's gradebook, takes {at_once.wall:.2f} s, {plain.wall / at_once.wall:.0f} × less than plain nbgrader. Two jobs are {ours.one.wall / ours.two.wall:.1f} × faster than one. Without\n"
        f"plots, a submission costs {ours.two.cpu / bare:.1f} × the bare experiments in CPU-seconds. Where nothing has changed since the last\n"
        f"time, `batch` takes {ours.start:.1f} s to start, and {1000 * ours.unchanged:.1f} ms for each submission.\n\n"
        f"In memory, all its processes together hold {holds.one:.0f} MB for `batch --jobs 1` and {holds.two:.0f} MB for `batch --jobs 2`, {holds.course:.0f} MB\n"
        f"for `course autograde --jobs 2`, and {holds.plain:.0f} MB for plain `nbgrader autograde` with the one notebook that it runs: in\n"
        f"nine tenths of the time no more, and what processes share counts once. Another job costs {max(0, holds.two - holds.one):.0f} MB.\n\n"
        f"All are given the same files. nbgrader {metadata.version('nbgrader')} and otter-grader {VERSION} run each notebook in a process of its own, and\n"
        f"in there the same suite, on the exercise's own numbers: nothing stands between a student's code and the mark. These\n"
        f"graders run the code in the jail, on secret numbers, and where it is wrong there, once more. The time to start is\n"
        f"shared out among the notebooks, but for nbgrader's own command, where it is taken off. nbgrader graded {len(few)} of the\n"
        f"notebooks ({len(some)} with these graders), otter {len(few)}, the others all.\n\n"
        f"Computed from these figures, not measured: a large course on machines like this one, all of them busy to the end, where\n"
        f"nbgrader grades one notebook at a time.\n\n"
        f"{large(course_rows)}\n\n"
        f"On a cluster, the machine with the course key derives every student's numbers: {1000 * numbers:.0f} ms of a processor each,\n"
        f"{duration(numbers * CLASS / (os.cpu_count() or 1))} for {CLASS:,} on {os.cpu_count()} processors, however many machines grade."
    )


def write(lines: str) -> None:
    """Put the figures into the page, between their markers."""
    text = PAGE.read_text(encoding="utf-8")
    block = f"<!-- bench -->\n{lines}\n<!-- /bench -->"
    new = re.sub(r"<!-- bench -->.*?<!-- /bench -->", lambda _: block, text, flags=re.DOTALL)
    replace(PAGE, new.encode())


def main() -> None:
    # As where people work: what was compiled once, or found among the fonts, is there for the next process.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MPLCONFIGDIR"] = folder
        first = practice()
        second, bare = submission()
        third = whole_class(bare, Path(folder))
    lines = "\n\n".join((first, second, third))
    write(lines)
    print(lines)


if __name__ == "__main__":
    main()
