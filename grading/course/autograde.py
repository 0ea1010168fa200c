"""`python -m grading course autograde DIR`: nbgrader's own autograde, several at a time, with a progress bar.

The graders work at the same time; what they found is written by one process, nbgrader's own code, one submission after
another. So the gradebook is the one that `nbgrader autograde` writes.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from nbgrader.apps import AutogradeApp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grading.course.converter import GradingExporter
from grading.course.intake import Course
from grading.pool import Pool
from grading.submissions import Refused
from tests.coach.report import Report


class Watch:
    """Follows a run, with a progress bar on the terminal."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.expected: list[str] = []
        self.graded: list[str] = []
        self.unread: list[str] = []  # nothing of these could be read, now or before: no points
        self._done: set[str] = set()
        self.flagged: list[str] = []  # a person should look at the source of these
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task = self._bar.add_task("Starting", total=None)

    def expect(self, students: list[str], unread: list[str]) -> None:
        self.expected, self.unread = students, unread
        self._bar.update(self._task, description="Grading", total=len(students))

    def done(self, student: str, report: Report | None) -> None:
        self._done.add(student)
        if report:
            self.graded.append(student)
            if report.flags:
                self.flagged.append(student)
        self._bar.update(
            self._task, completed=len(self._done), total=max(len(self._done), len(self.expected))
        )

    @property
    def failed(self) -> list[str]:
        """Those that were left out; why is in the log."""
        return sorted(set(self.expected) - self._done)

    def __enter__(self) -> "Watch":
        GradingExporter.watch = self
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        GradingExporter.watch = None
        self._bar.stop()


def autograde(course: Path, assignment: str, pool: Pool, student: str, force: bool) -> Watch:
    """Grade what is submitted, and not graded yet. `student` is a pattern; `force` grades everything again.

    Raises Refused; SystemExit(2) where nothing can be graded, with the reason logged.
    """
    ours = Course(course, assignment)
    ours.template()  # is it released?
    students = list(ours.students(student))
    if not students:
        whose = (
            "nothing is submitted" if student == "*" else f"no student of {student!r} has submitted anything"
        )
        raise Refused(
            f"{whose}. `nbgrader collect` or `python -m grading course import` brings submissions in."
        )
    with _inside(course):
        app = AutogradeApp()
        app.initialize([assignment, f"--student={student}", *["--force"] * force])
        app.log.setLevel(logging.ERROR)
        with Watch(pool) as watch:
            try:
                app.start()
            except SystemExit as ended:  # nbgrader's 1: some failed, and were logged
                if ended.code != 1:
                    raise
        return watch


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """nbgrader reads the configuration of the folder that it is started in."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
