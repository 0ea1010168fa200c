"""Run the suite on a folder, in a fresh fork of this warm process, many at a time."""

import functools
import gc
import io
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.pool import AsyncResult, Pool
from pathlib import Path
from typing import TypeVar

import torch
from rich.console import Console

from tests.coach.report import Report
from tests.coach.run import judge as judge_many
from tests.coach.run import report, run
from tests.coach.suite import Practice
from tests.coach.terminal import Screen, show
from tests.harness.given import PRACTICE, Given
from tests.harness.observations import Outcome

T = TypeVar("T")
os.environ.setdefault("MPLBACKEND", "agg")
torch.set_num_threads(1)  # before any parallel work, or forked children hang


class Forks:
    """A process for every call, so that nothing a submission does is felt by the next."""

    def __init__(self, workers: Pool) -> None:
        self.workers = workers

    def start(self, function: Callable[..., T], *arguments: object) -> "AsyncResult[T]":
        return self.workers.apply_async(function, arguments)

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        return self.start(function, *arguments).get(timeout=600)


@contextmanager
def forks() -> Iterator[Forks]:
    warm_up()
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as workers:
        yield Forks(workers)


@functools.cache
def warm_up() -> None:
    """Run the suite once, so that what it imports on the way (torch._dynamo, matplotlib) is there in every fork."""
    judge(Path(__file__).parents[2] / "solutions")
    gc.collect()
    gc.freeze()


def judge(folder: Path, given: Given = PRACTICE, only: str | None = None) -> Report:
    """In this process: only for a process that ends afterwards."""
    started = time.monotonic()
    return report(run(Practice(folder, given), only), folder, started)


Outcomes = dict[str, Outcome]  # by "module.function"


def observe_all(folder: Path, wanted: list[tuple[Given, list[str]]]) -> list[Outcomes]:
    """Run experiments on several sets of numbers. In this process, as above."""
    practices = [(Practice(folder, given), names) for given, names in wanted]
    return [{name: practice.observe(name) for name in names} for practice, names in practices]


class Observed:
    """A source whose student ran elsewhere."""

    def __init__(self, given: Given, outcomes: Outcomes) -> None:
        self.given = given
        self.outcomes = outcomes

    def observe(self, experiment: str) -> Outcome:
        return self.outcomes[experiment]


def judge_all(
    folder: Path, wanted: list[tuple[Given, list[str]]], known: list[Outcomes] | None = None
) -> list[Report]:
    """The report for every set of numbers; what isn't among the wanted experiments is taken from `known`."""
    observed = observe_all(folder, wanted)
    known = known or [{} for _ in wanted]
    sources = [
        Observed(given, old | new) for (given, _), old, new in zip(wanted, known, observed, strict=True)
    ]
    reports: list[Report] = []
    judge_many(sources, lambda suite: reports.append(report(suite, folder, time.monotonic())))
    return reports


def screen(folder: Path, only: str | None = None, width: int = 100) -> str:
    """What `make test` prints. In this process, as above."""
    started, out = time.monotonic(), io.StringIO()
    suite = run(Practice(folder), only)
    console = Console(file=out, width=width, highlight=False, legacy_windows=False)
    show(report(suite, folder, started), suite, only is not None, Screen(console))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def first_failure(found: Report) -> str | None:
    """The first test of the report that isn't passed, blocked or still to be written."""
    tests = (test for exercise in found.exercises for test in exercise.tests)
    return next((test.id for test in tests if test.status in ("failed", "error", "timeout")), None)
