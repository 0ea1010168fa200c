"""Wrong submissions fail, at the right test and with the right words; right ones pass, in any style.

On the exercise's own numbers and on secret variants; in this process, and by the grader in its jail."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.conftest  # noqa: F401  # names the experiments
from grading.tests import corpus, suite
from grading.variants import derive
from grading.warm import Helper
from tests.coach.report import ExerciseResult, Report, TestResult
from tests.harness.given import PRACTICE

KEY = b"the key of a course that only exists in this test"
NUMBERS = {"practice": PRACTICE} | {f"secret {n}": derive(KEY, f"student {n}") for n in range(2)}
JAILED = "jailed, on the exercise's own"
MISTAKES = {mistake.name: mistake for mistake in corpus.mistakes()}
VARIANTS = {variant.name: variant for variant in corpus.variants()}

Reports = dict[str, dict[str, Report]]


@pytest.fixture(scope="session")
def reports(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    forks: suite.Forks,
    helper: Helper,
) -> Reports:
    """Every submission that a selected test asks for: on practice numbers in full, on secret ones the exercises
    whose modules were changed (and with a variant the workflow); and these as the grader judges them, from its jail."""
    items = (item for item in request.session.items if hasattr(item, "callspec"))
    selected = {item.callspec.params.get("name") for item in items}
    root, jobs = tmp_path_factory.mktemp("corpus"), {}
    for name in [*MISTAKES, *VARIANTS]:
        if name in selected:
            if name in MISTAKES:
                changes, concerned = (MISTAKES[name].change,), {MISTAKES[name].fails.partition(".")[0]}
            else:
                changes = VARIANTS[name].changes
                concerned = {"workflow", *(change.module.partition("_")[0] for change in changes)}
            folder = corpus.write(root / name / "exercises", *changes)
            jobs[name] = forks.start(_reports, folder, sorted(concerned), helper)
    return {name: dict(zip([*NUMBERS, JAILED], job.get(), strict=True)) for name, job in jobs.items()}


def _reports(folder: Path, concerned: list[str], helper: Helper) -> list[Report]:
    practice, *secret = NUMBERS.values()
    jailed = suite.points_in_jail(helper, folder, PRACTICE, sorted({*concerned, "workflow"}))
    return [*suite.judge_on(folder, [practice]), *suite.judge_on(folder, secret, *concerned), jailed]


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str, reports: Reports) -> None:
    mistake = MISTAKES[name]
    guilty = mistake.fails.split(".")[0]
    for numbers, report in reports[name].items():
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
    same_in_the_jail(reports[name], guilty)


@pytest.mark.parametrize("name", VARIANTS)
def test_variant(name: str, reports: Reports) -> None:
    for numbers, report in reports[name].items():
        assert report.score == report.max_score, f"{name} on {numbers} numbers:\n{failures(report)}"
    same_in_the_jail(reports[name], *(change.module.partition("_")[0] for change in VARIANTS[name].changes))


def test_the_corpus_is_large_enough() -> None:
    assert len(MISTAKES) >= 70
    assert len(VARIANTS) >= 40


def test_no_two_entries_share_a_name() -> None:
    assert not MISTAKES.keys() & VARIANTS.keys()
    assert len(corpus.mistakes()) == len(MISTAKES)
    assert len(corpus.variants()) == len(VARIANTS)


def test_every_mistake_seen_in_the_field_is_there() -> None:
    """Or there is a reason why these exercises can't be got wrong so."""
    known = {name for mistake in MISTAKES.values() for name in mistake.field}
    for row in corpus.field():
        assert set(row.field) <= known, row
        assert row.field or row.why_not, row


def test_solutions_get_all_points_on_twenty_secret_variants(forks: suite.Forks) -> None:
    numbers = [derive(KEY, f"solution {n}") for n in range(20)]
    for report in forks.call(suite.judge_on, corpus.SOLUTIONS, numbers):
        assert report.score == 100, failures(report)


def test_all_of_the_solutions_is_the_same_in_the_jail(forks: suite.Forks, helper: Helper) -> None:
    """Below, the jail runs the exercises that a change concerns: this is for all the others."""
    assert marks(suite.grade_in_jail(helper, corpus.SOLUTIONS)) == marks(
        forks.call(suite.judge, corpus.SOLUTIONS)
    )


def test_no_test_passes_on_the_stubs(forks: suite.Forks, helper: Helper) -> None:
    stubs = corpus.SOLUTIONS.parent / "exercises"
    report = forks.call(suite.judge, stubs)
    assert marks(report) == marks(suite.grade_in_jail(helper, stubs))
    assert {test.status for _, test in every_test(report)} == {"todo"}
    assert {exercise.status for exercise in report.exercises} == {"todo"}


def every_test(report: Report) -> Iterator[tuple[ExerciseResult, TestResult]]:
    return ((exercise, test) for exercise in report.exercises for test in exercise.tests)


def same_in_the_jail(reports: dict[str, Report], *concerned: str) -> None:
    """Every test of the exercises that the jail ran: those that a change concerns, and the workflow."""
    ran = {exercise.id for exercise in reports[JAILED].exercises}
    assert {"workflow", *concerned} == ran
    assert marks(reports[JAILED]) == {
        mark for mark in marks(reports["practice"]) if mark[0].split(".")[0] in ran
    }


def marks(report: Report) -> set[tuple[str, str, int]]:
    return {(test.id, test.status, test.score) for _, test in every_test(report)}


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
