"""Run the suite on a folder, in a fresh fork of this warm process, many at a time."""

import functools
import gc
import io
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, TypeVar
from unittest import mock

import torch
from rich.console import Console

import tests.conftest  # noqa: F401  # names the experiments
from grading.grade import grade
from grading.submissions import digest, read
from grading.variants import derive
from grading.warm import Helper, experiments
from tests.coach import curriculum
from tests.coach.report import Report
from tests.coach.run import judge as judge_many
from tests.coach.run import report, report_of, run
from tests.coach.suite import EXPERIMENTS, Practice, Suite
from tests.coach.terminal import Screen, show
from tests.harness.given import Given
from tests.harness.observations import Outcome

T = TypeVar("T")
os.environ.setdefault("MPLBACKEND", "agg")
torch.set_num_threads(1)  # before any parallel work, or forked children hang


class Job(Generic[T]):
    """A call in a fork of its own."""

    def __init__(self, forks: "Forks", function: Callable[..., T], arguments: tuple[object, ...]) -> None:
        self.forks = forks
        self.call = function, arguments
        self.answer: list[T | BaseException] = []

    def get(self) -> T:
        while not self.answer:
            self.forks.pump()
        if isinstance(self.answer[0], BaseException):
            raise self.answer[0]
        return self.answer[0]


class Forks:
    """A process for every call, so that nothing a submission does is felt by the next.

    Every fork is made by the thread that asks for a result, and there is no other thread: multiprocessing's Pool
    forks from a thread of its own, and now and then a child inherits a lock that nobody will ever release.
    """

    def __init__(self, at_once: int = os.cpu_count() or 1) -> None:
        self.at_once = at_once
        self.waiting: list[Job[Any]] = []
        self.running: dict[Connection, tuple[Job[Any], BaseProcess]] = {}

    def start(self, function: Callable[..., T], *arguments: object) -> Job[T]:
        job = Job(self, function, arguments)
        self.waiting.append(job)
        return job

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        return self.start(function, *arguments).get()

    def pump(self) -> None:
        """Keep all cores busy, and wait until a call is done."""
        gc.freeze()  # what the collector leaves alone stays shared between the forks
        while self.waiting and len(self.running) < self.at_once:
            job, (ours, theirs) = self.waiting.pop(0), multiprocessing.Pipe(duplex=False)
            child: BaseProcess = multiprocessing.get_context("fork").Process(
                target=_answer, args=(theirs, *job.call)
            )
            child.start()
            theirs.close()
            self.running[ours] = job, child
        ready = wait(list(self.running), timeout=300)
        if not ready:
            raise TimeoutError("a fork did not answer within 5 minutes")
        for pipe in ready:
            assert isinstance(pipe, Connection)
            job, done = self.running.pop(pipe)
            try:
                job.answer.append(pipe.recv())
            except EOFError:
                job.answer.append(RuntimeError(f"the fork died without an answer (exit {done.exitcode})"))
            pipe.close()
            done.join()


def _answer(pipe: Connection, function: Callable[..., T], arguments: tuple[object, ...]) -> None:
    gc.disable()
    try:
        pipe.send(function(*arguments))
    except BaseException as error:
        pipe.send(error)


@contextmanager
def forks() -> Iterator[Forks]:
    warm_up()
    yield Forks()


@functools.cache
def warm_up() -> None:
    """Run the suite once, so that what it imports on the way (torch._dynamo, matplotlib) is there in every fork."""
    judge(Path(__file__).parents[2] / "solutions")
    gc.collect()


def judge(folder: Path) -> Report:
    """On practice numbers. In this process: only for a process that ends afterwards."""
    started = time.monotonic()
    return report_of(run(Practice(folder)), folder, started)


class Observed:
    """A source whose student has run already."""

    def __init__(self, given: Given, outcomes: dict[str, Outcome]) -> None:
        self.given = given
        self.outcomes = outcomes

    def observe(self, experiment: str) -> Outcome:
        return self.outcomes[experiment]


def judge_on(folder: Path, numbers: list[Given], *only: str) -> list[Report]:
    """The reports for several sets of numbers, on some exercises ("ex3", "workflow") or on all.

    In this process, as above. Everything is observed before anything is judged, in a single pytest session.
    """
    wanted = {e.topic for e in curriculum.load() if not only or e.id in only}
    names = [name for name in EXPERIMENTS.values() if name.partition(".")[0] in wanted]
    sources = []
    for given in numbers:
        practice = Practice(folder, given)
        sources.append(Observed(given, {name: practice.observe(name) for name in names}))
    suites = [Suite(source) for source in sources]
    judge_many(suites, *only)
    return [report_of(suite, folder, time.monotonic()) for suite in suites]


@contextmanager
def hasty(isolation: str) -> Iterator[Helper]:
    """A warm helper as any other, but for its limit on an experiment: hasty.py."""
    start = subprocess.Popen

    def start_ours(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        return start([sys.executable, "-m", "grading.tests.hasty", *command[3:]], **options)

    with mock.patch("subprocess.Popen", start_ours):
        helper = Helper(isolation)  # type: ignore[arg-type]
    with helper:
        yield helper


def grade_in_jail(
    helper: Helper, folder: Path, key: bytes | None = None, student: str = "a student"
) -> Report:
    """What `python -m grading grade` writes."""
    reports: list[Report] = []
    given = derive(key, student) if key else None
    grade([(read(folder), given)], lambda _, report, __: reports.append(report), helper)
    return reports[0]


def points_in_jail(helper: Helper, folder: Path, given: Given, only: Collection[str] = ()) -> Report:
    """The points on these numbers, for some exercises or all: of grading, the run that decides."""
    started, submission = time.monotonic(), read(folder)
    judged = Suite(helper.observe(submission, given, experiments(only)))
    judge_many([judged], *only)
    return report(
        judged.results.values(), submission.name, digest(submission), started, helper.isolation, "secret"
    )


def screen(folder: Path) -> str:
    """What `make test` prints. In this process, as above."""
    started, out = time.monotonic(), io.StringIO()
    suite = run(Practice(folder))
    console = Console(file=out, width=100, highlight=False, legacy_windows=False)
    show(report_of(suite, folder, started), suite.told(), only=False, screen=Screen(console))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def first_failure(found: Report) -> str | None:
    """The first test of the report that isn't passed, blocked or still to be written."""
    tests = (test for exercise in found.exercises for test in exercise.tests)
    return next((test.id for test in tests if test.status in ("failed", "error", "timeout")), None)
