"""Grade a class: everything that isn't graded yet, several at a time, and then the tables over all of it.

Memory holds the names of the students and the few submissions that are under way, however large the class is.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from grading.batch import kit, marks, page
from grading.batch.progress import Progress
from grading.batch.store import Store
from grading.batch.tally import Result, Tally
from grading.classes import Handed, each, opened
from grading.pool import NoGraders
from grading.submissions import Refused, Submission, digest
from grading.warm import CannotGrade
from grading.worker import Graded
from tests.coach.files import whole

WAKE_SECONDS = 0.5  # to draw how far it is


class Graders(Protocol):
    """Who grades: grading.pool.Pool, or a cluster."""

    @property
    def room(self) -> int:
        """How many submissions they may be given at a time."""

    def start(self, submission: Submission, student: str) -> "Future[Graded]":
        """See grading.pool.Pool."""


class How(NamedTuple):
    """What a report depends on besides the submission. key: the course key."""

    isolation: str
    key: bytes | None

    def identity(self, submission: Submission, student: str) -> str:
        """sha256 over all that a student's report is made from: while it stays, so does the report."""
        parts = (
            kit.digest(),
            digest(submission),
            submission.name,
            submission.folder,
            submission.notes,
            student,
            hashlib.sha256(self.key).digest() if self.key else None,
            self.isolation,
        )
        return hashlib.sha256(msgspec.msgpack.encode(parts)).hexdigest()


class Batch:
    """One run over a class. `why`: of every student so far, why there is no mark; "" where there is one."""

    def __init__(
        self, store: Store, start: Callable[[bool], Graders], how: How, progress: Progress, plots: bool
    ) -> None:
        """plots: whether class.html shall show what the students' functions draw, if it lists all students.

        start: makes the graders ready, which takes seconds, once there is something for them to do; and to draw.
        """
        self.store = store
        self.plots = plots
        self.why: dict[str, str] = {}
        self._start = start
        self._how = how
        self._progress = progress
        self._under_way: dict[Future[Graded], tuple[str, str]] = {}  # student, identity

    @cached_property
    def _graders(self) -> Graders:
        return self._start(self.plots)

    def grade(self, submissions: Path) -> None:
        """Grade what isn't graded yet. Raises Refused, CannotGrade, OSError; started again, it goes on from there."""
        for handed in each(submissions, self._expect):
            self._take(handed)
        while self._under_way:
            self._settle()

    def _expect(self, students: int) -> None:
        self.plots = self.plots and students <= page.MOST_LISTED
        self._progress.expect(students)

    def _take(self, handed: Handed) -> None:
        if handed.submission is None:
            self._done(handed.student, handed.refused)
            return
        identity = self._how.identity(handed.submission, handed.student)
        if self.store.has(handed.student, identity, self.plots):
            self._done(handed.student, unchanged=True)
            return
        while len(self._under_way) >= self._graders.room:
            self._settle()
        future = self._graders.start(handed.submission, handed.student)
        self._under_way[future] = handed.student, identity

    def _settle(self) -> None:
        """Wait a moment for results, and write those that are there."""
        finished, _ = wait(self._under_way, WAKE_SECONDS, FIRST_COMPLETED)
        for future in finished:
            student, identity = self._under_way.pop(future)
            try:
                graded = future.result()
            except NoGraders:
                raise
            except CannotGrade as error:
                self._done(student, str(error))
                continue
            assert graded.report
            self.store.put(student, identity, graded.report, graded.pictures if self.plots else None)
            self._done(student)
        self._progress.tick(student for student, _ in self._under_way.values())

    def _done(self, student: str, why: str = "", unchanged: bool = False) -> None:
        self.why[student] = why
        self._progress.done(failed=bool(why), unchanged=unchanged)

    def results(self, plots: bool = False, only: set[str] | None = None) -> Iterator[Result]:
        """What became of the students, in the order of their names."""
        for student in sorted(self.why if only is None else only):
            why = self.why[student]
            yield Result(student, why=why) if why else self.store.get(student, plots)

    @property
    def gone(self) -> list[str]:
        """Those who have a report from an earlier run, and handed in nothing this time."""
        return sorted(self.store.students - self.why.keys())

    def tables(self, name: str) -> Tally:
        """Write marks.csv and class.html over everything that was handed in. Raises OSError."""
        tally = Tally()
        for result in self.results():
            tally.add(result)
        marks.write(self.store.folder / "marks.csv", tally, self.results())
        listed = page.listed(tally)
        with whole(self.store.folder / "class.html") as file:
            page.write(file, tally, self.results(self.plots, listed), name)
        return tally


def insist_on_places(submissions: Path, out: Path) -> None:
    """There is a class; and results among the submissions would be the next run's students. Raises Refused."""
    with opened(submissions):
        pass
    whole, folder = Path(os.path.abspath(submissions)), Path(os.path.abspath(out))
    if folder == whole or whole in folder.parents:
        raise Refused(f"--out {out} lies in {submissions}. Name a folder outside of it.")
