"""What a command holds in memory, in all its processes together."""

import contextlib
import os
import re
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from grading.bench import nbgrader
from grading.bench.batch import written
from grading.bench.classroom import Student
from grading.course.intake import Course
from grading.course.source import ASSIGNMENT
from grading.tests import courses
from grading.tests.processes import descendants

EVERY = 0.02  # seconds


class Memory(NamedTuple):
    """Megabytes that each command holds."""

    one: float  # batch, with one job
    two: float  # … with two
    course: float  # course autograde, with two jobs
    plain: float  # nbgrader, with its own graders


def memory(course: Course, students: list[Student], folder: Path) -> Memory:
    """Graded in copies of the course, and in a class of modules' folders."""
    whole = written(students, folder / "class")
    ours = courses.copied(course, folder / "ours")
    theirs = nbgrader.plain_course(course, folder / "plain")
    for copy, some in ((ours, students), (theirs, students[:1])):
        for student in some:
            courses.submit(copy, student.name, student.notebook)
    one, two = (
        held(lambda: courses.kit("batch", whole, "--out", folder / f"out-{jobs}", "--jobs", jobs))  # noqa: B023
        for jobs in (1, 2)
    )
    return Memory(
        one,
        two,
        held(lambda: courses.kit("course", "autograde", ours.root, "--jobs", 2)),
        held(lambda: courses.nbgrader(theirs.root, "autograde", ASSIGNMENT)),
    )


def held(command: Callable[[], object]) -> float:
    """The megabytes that the processes of a call hold, nine tenths of the time at most; what they share counts once.

    Not the very most: processes are looked at one after another, and what is forked meanwhile would count twice.
    """
    seen = []
    with ThreadPoolExecutor(1) as worker:
        running = worker.submit(command)
        while not running.done():
            seen.append(sum(map(_bytes, descendants(os.getpid()))) / 1e6)
            time.sleep(EVERY)
        running.result()
    return statistics.quantiles(seen, n=10)[-1]


def _bytes(pid: int) -> int:
    """Of one process; a page that n processes share counts for each of them as an nth of one (the kernel's "Pss")."""
    with contextlib.suppress(OSError):
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return 1024 * int(found[1]) if found else 0
    return 0
