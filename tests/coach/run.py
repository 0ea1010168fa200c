"""Run the suite, and write down what came of it as a report."""

import hashlib
import os
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.coach import curriculum
from tests.coach.report import SCHEMA, Flag, Isolation, Report, TestResult, Variant, exercise
from tests.coach.suite import SUITE, Source, Suite

TESTS = Path(__file__).resolve().parents[1]

# The suite brings its plugins along; what else is installed on this machine must not change a verdict.
OPTIONS = [
    "-p", "pytest_check.plugin", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:logging",
    "-p", "no:unraisableexception", "-p", "no:threadexception", "-p", "no:warnings", "-p", "no:junitxml", "-p", "no:doctest", "-p", "no:unittest", "-p", "no:faulthandler",
    "--capture=no", f"--rootdir={TESTS.parent}", "-c", os.devnull,
]  # fmt: skip


class _Judge:
    """Runs the collected tests once for every suite: tearing down after the last test resets all fixtures."""

    def __init__(self, suites: Iterable[Suite]) -> None:
        self.suites = suites
        self.error: Exception | None = None  # of the suites' maker: pytest would print it and go on

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed or not session.items:
            raise RuntimeError(f"the tests in {TESTS} can't be collected: is the kit complete?")
        try:
            for suite in self.suites:
                session.config.stash[SUITE] = suite
                items = suite.enlist(session.items)
                for item, following in zip(items, [*items[1:], None], strict=True):
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        except Exception as error:
            self.error = error
        return True


def judge(suites: Iterable[Suite], *only: str) -> None:
    """Run all tests, or those of some exercises ("ex3"), for one suite after another.

    They may be made on the way: when the next one is asked for, the one before has been judged.
    """
    files = sorted(str(file) for part in only or ("",) for file in TESTS.glob(f"test_{part}*.py"))
    loop = _Judge(suites)
    before = {name: os.environ.get(name) for name in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_ADDOPTS")}
    os.environ.update(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an infinity that a student returned is worth a verdict, no more
            status = pytest.main([*files, *OPTIONS], plugins=[loop])
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    if loop.error:
        raise loop.error
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"the tests in {TESTS} did not run (pytest: {pytest.ExitCode(status).name})")


def run(source: Source, only: str | None = None) -> Suite:
    """Run the tests once."""
    suite = Suite(source)
    judge([suite], *([only] if only else []))
    return suite


def report(
    results: Iterable[TestResult],
    submission: str,
    digest: str,
    started: float,
    isolation: Isolation = "none",
    variant: Variant = "practice",
    notes: tuple[str, ...] = (),
    flags: tuple[Flag, ...] = (),
) -> Report:
    """The record of a run that began at time.monotonic() == started."""
    every = tuple(results)
    exercises = tuple(
        exercise(e.id, e.title, tuple(r for r in every if r.id.startswith(f"{e.id}.")))
        for e in curriculum.load()
        if any(r.id.startswith(f"{e.id}.") for r in every)
    )
    return Report(
        schema=SCHEMA,
        submission=submission,
        digest=digest,
        isolation=isolation,
        variant=variant,
        score=sum(e.score for e in exercises),
        max_score=sum(e.max_score for e in exercises),
        duration_s=round(time.monotonic() - started, 3),
        notes=notes,
        flags=flags,
        exercises=exercises,
    )


def report_of(suite: Suite, tree: Path, started: float) -> Report:
    """The report on a folder, in practice."""
    return report(suite.results.values(), tree.name, digest(tree), started)


def digest(tree: Path) -> str:
    """sha256 over the five modules: for each its name, its length and its bytes. A missing one has length -1."""
    whole = hashlib.sha256()
    for name in (e.file for e in curriculum.load() if e.file):
        file = tree / name
        data = file.read_bytes() if file.is_file() else None
        whole.update(f"{name}\0{-1 if data is None else len(data)}\0".encode())
        whole.update(data or b"")
    return whole.hexdigest()
