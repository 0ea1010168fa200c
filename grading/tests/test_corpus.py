"""Wrong submissions fail, at the right test and with the right words; right ones pass, in any style.

On the exercise's own numbers and on five secret variants."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grading.tests import corpus, suite
from grading.variants import derive
from tests.coach.report import ExerciseResult, Report, TestResult
from tests.harness.given import PRACTICE

KEY = b"the key of a course that only exists in this test"
NUMBERS = {"practice": PRACTICE} | {f"secret {n}": derive(KEY, f"student {n}") for n in range(5)}
MISTAKES = {mistake.name: mistake for mistake in corpus.mistakes()}
VARIANTS = {variant.name: variant for variant in corpus.variants()}

Runs = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: suite.Forks
) -> Runs:
    """Every submission that a selected test asks for, on all numbers: started at once, awaited one by one."""
    wanted = {item.callspec.params["name"] for item in request.session.items if hasattr(item, "callspec")}
    root = tmp_path_factory.mktemp("corpus")
    found: Runs = {}
    for name in [*MISTAKES, *VARIANTS]:
        if name in wanted:
            changes = (MISTAKES[name].change,) if name in MISTAKES else VARIANTS[name].changes
            folder = corpus.write(root / name, *changes)
            found[name] = {key: forks.start(suite.judge, folder, given) for key, given in NUMBERS.items()}
    return found


def reports(runs: Runs, name: str) -> dict[str, Report]:
    return {key: job.get(timeout=600) for key, job in runs[name].items()}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str, runs: Runs) -> None:
    mistake = MISTAKES[name]
    guilty = mistake.fails.split(".")[0]
    for numbers, report in reports(runs, name).items():
        about = f"{name} on {numbers} numbers"
        assert suite.first_failure(report) == mistake.fails, f"{about}:\n{failures(report)}"
        read = message(report, mistake.fails)
        missing = [words for words in mistake.says if words.lower() not in read.lower()]
        assert not missing, f"{about}: {missing} not in\n{read}"
        for exercise in report.exercises:
            if exercise.id == "workflow":
                assert exercise.status != "failing" or guilty == "workflow", f"{about}:\n{failures(report)}"
            elif exercise.id != guilty:
                assert exercise.status == "done", f"{about}:\n{failures(report)}"
        assert not errors(report), f"{about}:\n{failures(report)}"


@pytest.mark.parametrize("name", VARIANTS)
def test_variant(name: str, runs: Runs) -> None:
    for numbers, report in reports(runs, name).items():
        assert report.score == 100, f"{name} on {numbers} numbers:\n{failures(report)}"


def test_the_corpus_is_large_enough() -> None:
    assert len(MISTAKES) >= 70
    assert len(VARIANTS) >= 40
    assert len(corpus.mistakes()) + len(corpus.variants()) == len(MISTAKES.keys() | VARIANTS.keys())


def test_solutions_get_all_points_on_twenty_secret_variants(forks: suite.Forks) -> None:
    numbers = [derive(KEY, f"solution {n}") for n in range(20)]
    for job in [forks.start(suite.judge, corpus.SOLUTIONS, given) for given in numbers]:
        report = job.get(timeout=600)
        assert report.score == 100, failures(report)


def test_no_test_passes_on_the_stubs(forks: suite.Forks) -> None:
    report = forks.call(suite.judge, corpus.SOLUTIONS.parent / "exercises")
    assert {test.status for _, test in every_test(report)} == {"todo"}
    assert {exercise.status for exercise in report.exercises} == {"todo"}


def every_test(report: Report) -> Iterator[tuple[ExerciseResult, TestResult]]:
    return ((exercise, test) for exercise in report.exercises for test in exercise.tests)


def message(report: Report, id: str) -> str:
    test = next(test for _, test in every_test(report) if test.id == id)
    return " ".join(f"{test.message} {test.location.source if test.location else ''}".split())


def errors(report: Report) -> list[str]:
    return [test.id for _, test in every_test(report) if test.status == "error"]


def failures(report: Report) -> str:
    """Everything that isn't passed, to be read in a failing test of ours."""
    shown = (
        f"{t.status}: {t.id}\n{textwrap.indent(t.message or '', '    ')}"
        for _, t in every_test(report)
        if t.status != "passed"
    )
    return "\n".join(shown)
