"""Run the suite, and write down what came of it as a report."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from tests.coach import curriculum
from tests.coach.report import SCHEMA, Report, exercise
from tests.coach.suite import SUITE, Source, Suite

TESTS = Path(__file__).resolve().parents[1]

# The suite brings its plugins along; what else is installed on this machine must not change a verdict.
OPTIONS = [
    "-p", "pytest_check.plugin", "-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:logging",
    "-p", "no:unraisableexception", "-p", "no:threadexception", "-p", "no:warnings", "-p", "no:junitxml", "-p", "no:doctest", "-p", "no:unittest", "-p", "no:faulthandler",
    "--capture=no", f"--rootdir={TESTS.parent}", "-c", os.devnull,
]  # fmt: skip


class _Use:
    """Hands the source over to tests/coach/plugin.py."""

    def __init__(self, source: Source) -> None:
        self.suite = Suite(source)

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[SUITE] = self.suite


def run(source: Source, only: str | None = None) -> Suite:
    """Run all tests, or those of one exercise ("ex3"), on what the source observes."""
    files = sorted(str(file) for file in TESTS.glob(f"test_{only or ''}*.py"))
    use = _Use(source)
    before = {name: os.environ.get(name) for name in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_ADDOPTS")}
    os.environ.update(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    try:
        pytest.main([*files, *OPTIONS], plugins=[use])
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    if not use.suite.results:
        raise RuntimeError(f"no test was found in {TESTS}: is the kit complete?")
    return use.suite


def report(suite: Suite, tree: Path, started: float) -> Report:
    """The record of a run that began at time.monotonic() == started."""
    results = tuple(suite.results.values())
    exercises = tuple(
        exercise(e.id, e.title, tuple(r for r in results if r.id.startswith(f"{e.id}.")))
        for e in curriculum.load()
        if any(r.id.startswith(f"{e.id}.") for r in results)
    )
    return Report(
        schema=SCHEMA,
        submission=tree.name,
        digest=digest(tree),
        isolation="none",
        variant="practice",
        score=sum(e.score for e in exercises),
        max_score=sum(e.max_score for e in exercises),
        duration_s=round(time.monotonic() - started, 3),
        notes=(),
        flags=(),
        exercises=exercises,
    )


def digest(tree: Path) -> str:
    """sha256 over the five modules: for each its name, its length and its bytes. A missing one has length -1."""
    whole = hashlib.sha256()
    for name in (e.file for e in curriculum.load() if e.file):
        file = tree / name
        data = file.read_bytes() if file.is_file() else None
        whole.update(f"{name}\0{-1 if data is None else len(data)}\0".encode())
        whole.update(data or b"")
    return whole.hexdigest()
