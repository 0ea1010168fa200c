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

from grading.course.converter import Exporter
from grading.submissions import Refused


class Watch:
    """Follows a run, with a progress bar on the terminal."""

    def __init__(self) -> None:
        self.expected: list[str] = []
        self.graded: list[str] = []
        self.unread: list[str] = []  # nothing of these could be read: no points
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task = self._bar.add_task("Starting", total=None)

    def expect(self, students: list[str]) -> None:
        self.expected = students
        self._bar.update(self._task, description="Grading", total=len(students))

    def done(self, student: str, unread: bool) -> None:
        (self.unread if unread else self.graded).append(student)
        self._bar.update(self._task, advance=1)

    @property
    def failed(self) -> list[str]:
        """Those that were left out; why is in the log."""
        return sorted(set(self.expected) - {*self.graded, *self.unread})

    def __enter__(self) -> "Watch":
        Exporter.watch = self
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        Exporter.watch = None
        self._bar.stop()


def autograde(course: Path, assignment: str, jobs: int, student: str, force: bool) -> Watch:
    """Grade what is submitted, and not graded yet. `student` is a pattern; `force` grades everything again.

    Raises Refused; SystemExit(2) where nothing can be graded, with the reason logged.
    """
    if not (course / "nbgrader_config.py").is_file():
        raise Refused(
            f"{course} is no course: it has no nbgrader_config.py. `python -m grading course init` makes one."
        )
    with _inside(course):
        app = AutogradeApp()
        app.initialize([assignment, f"--student={student}", f"--Exporter.jobs={jobs}", *["--force"] * force])
        app.log.setLevel(logging.ERROR)
        with Watch() as watch:
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
