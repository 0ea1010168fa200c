"""Wrong submissions fail, at the right test and with the right words; right ones pass, in any style.

On the exercise's own numbers in this process; and on secret ones in the jail: a third of them as notebooks in a real
nbgrader course, the others as a class of modules in one batch (`make check ALL=1`: all of them as both)."""

import csv
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

import tests.conftest  # noqa: F401  # names the experiments
from grading.tests import corpus, courses, suite
from grading.variants import derive
from grading.warm import Helper
from tests.coach import curriculum
from tests.coach.report import ExerciseResult, Report, TestResult
from tests.harness.given import PRACTICE

KEY = b"the key of a course that only exists in this test"
MISTAKES = {mistake.name: mistake for mistake in corpus.mistakes()}
FULL = {exercise.id: float(exercise.points) for exercise in curriculum.load()}
VARIANTS = {variant.name: variant for variant in corpus.variants()}


def entry_changes(name: str) -> tuple[corpus.Change, ...]:
    return (MISTAKES[name].change,) if name in MISTAKES else VARIANTS[name].changes


def modules(name: str) -> set[str]:
    """Those that an entry needs for itself: all, if it shows in the workflow."""
    if name in MISTAKES and MISTAKES[name].fails.startswith("workflow"):
        return set(corpus.MODULES)
    return {change.module for change in entry_changes(name)}


# Whose work an entry is in: a class of all of them would be larger. Mistakes and variants don't mix.
_GROUPS = [group for kind in (MISTAKES, VARIANTS) for group in corpus.together({n: modules(n) for n in kind})]
_OWNERS = {name: number for number, names in enumerate(_GROUPS) for name in names}
STUDENTS = {name: f"student-{number}" for name, number in _OWNERS.items() if corpus.ALL or number % 3 == 0}
CLASS = {name: f"student-{number}" for name, number in _OWNERS.items() if corpus.ALL or number % 3 > 0}

Reports = dict[str, Report]
BY_LUCK = {"ex3.training_arrives_at_the_line"}  # from some starts, a wrong loop does


@pytest.fixture(scope="session")
def selected(request: pytest.FixtureRequest) -> set[str]:
    """The entries that a selected test asks for."""
    items = (item for item in request.session.items if hasattr(item, "callspec"))
    return {str(item.callspec.params.get("name")) for item in items}


@pytest.fixture(scope="session")
def reports(selected: set[str], tmp_path_factory: pytest.TempPathFactory, forks: suite.Forks) -> Reports:
    """On practice numbers: the exercises whose modules were changed. The other modules are the solutions' own.

    The workflow too where it is what fails, and for those whose secret run is in a course (ALL: for all).
    """
    root, jobs = tmp_path_factory.mktemp("corpus"), {}
    for name in [*MISTAKES, *VARIANTS]:
        if name in selected:
            concerned = {change.module.partition("_")[0] for change in entry_changes(name)}
            if name in STUDENTS or modules(name) == set(corpus.MODULES):
                concerned.add("workflow")
            folder = corpus.write(root / name / "exercises", *entry_changes(name))
            jobs[name] = forks.start(suite.judge_on, folder, [PRACTICE], *sorted(concerned))
    return {name: job.get()[0] for name, job in jobs.items()}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str, reports: Reports) -> None:
    mistake, report = MISTAKES[name], reports[name]
    guilty = mistake.fails.split(".")[0]
    assert suite.first_failure(report) == mistake.fails, failures(report)
    assert not missing(mistake, report)
    for exercise in report.exercises:
        if exercise.id == "workflow":
            assert exercise.status != "failing" or guilty == "workflow", failures(report)
        elif exercise.id != guilty:
            assert exercise.status == "done", failures(report)
    assert not errors(report), failures(report)


@pytest.mark.parametrize("name", VARIANTS)
def test_variant(name: str, reports: Reports) -> None:
    assert reports[name].score == reports[name].max_score, failures(reports[name])


class Course(NamedTuple):
    """A class that went through nbgrader, by student."""

    reports: dict[str, Report]
    points: dict[str, dict[str, float | None]]  # of each graded cell


@pytest.fixture(scope="session")
def course(selected: set[str], tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Every selected entry in a notebook. Entries that change different modules share one."""
    root = tmp_path_factory.mktemp("course") / "course"
    made = courses.create(root)
    (root / "course.key").write_bytes(KEY)
    notebooks: dict[str, list[corpus.Change]] = {}
    for name in STUDENTS:
        if name in selected:
            notebooks.setdefault(STUDENTS[name], []).extend(entry_changes(name))
    for student, changes in notebooks.items():
        courses.submit(made, student, courses.notebook_of(made, courses.modules(*changes)))
    courses.submit(made, "solved", courses.notebook_of(made, courses.modules()))
    courses.submit(made, "stub", courses.notebook_of(made, courses.stubs()))
    courses.kit("course", "autograde", root)
    points = courses.points(made)
    return Course({student: courses.report(made, student) for student in points}, points)


@pytest.mark.parametrize("name", [name for name in MISTAKES if name in STUDENTS])
def test_mistake_in_a_course(name: str, course: Course, reports: Reports) -> None:
    mistake, student = MISTAKES[name], STUDENTS[name]
    guilty, report = mistake.fails.split(".")[0], course.reports[student]
    found = [test.score for exercise, test in every_test(report) if exercise.id == guilty]
    assert course.points[student][guilty] == sum(found)
    if not mistake.in_a_notebook:
        as_in_practice(mistake, report, reports[name])


def as_in_practice(mistake: corpus.Mistake, report: Report, practised: Report) -> None:
    """On secret numbers every test comes out as it did in practice, or worse, and then there is a flag. The same words."""
    guilty = mistake.fails.split(".")[0]
    found = {test.id: test.score for exercise, test in every_test(report) if exercise.id == guilty}
    before = {test.id: test.score for _, test in every_test(practised)}
    assert {id for id, score in found.items() if score > before[id]} <= BY_LUCK
    worse = [id for id, score in found.items() if score < before[id]]
    assert bool(worse) <= any(flag.rule == "differs" for flag in report.flags)
    assert not missing(mistake, report)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name in STUDENTS])
def test_variant_in_a_course(name: str, course: Course) -> None:
    report = course.reports[STUDENTS[name]]
    assert report.score == report.max_score, failures(report)
    assert {cell: points for cell, points in course.points[STUDENTS[name]].items() if "-" not in cell} == FULL


@pytest.fixture(scope="session")
def batch(selected: set[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """Every selected entry of CLASS in the work of a student, all graded by one command."""
    root = tmp_path_factory.mktemp("batch")
    (root / "course.key").write_bytes(KEY)
    handed: dict[str, list[corpus.Change]] = {}
    for name in CLASS:
        if name in selected:
            handed.setdefault(CLASS[name], []).extend(entry_changes(name))
    for student, changes in handed.items():
        corpus.write(root / "class" / student, *changes)
    key = "--secret-file", root / "course.key"
    courses.kit("batch", root / "class", "--out", root / "out", "--no-plots", *key)
    with (root / "out" / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        marks = {row["student"]: int(row["score"]) for row in csv.DictReader(file)}
    found = {
        student: msgspec.json.decode((root / "out" / "reports" / f"{student}.json").read_bytes(), type=Report)
        for student in handed
    }
    assert marks == {student: report.score for student, report in found.items()}
    return found


@pytest.mark.parametrize("name", [name for name in MISTAKES if name in CLASS])
def test_mistake_in_a_batch(name: str, batch: dict[str, Report], reports: Reports) -> None:
    mistake, report = MISTAKES[name], batch[CLASS[name]]
    as_in_practice(mistake, report, reports[name])
    (workflow,) = [exercise for exercise in report.exercises if exercise.id == "workflow"]
    differs = any(flag.rule == "differs" for flag in report.flags)
    assert workflow.status != "failing" or differs or mistake.fails.startswith("workflow")


@pytest.mark.parametrize("name", [name for name in VARIANTS if name in CLASS])
def test_variant_in_a_batch(name: str, batch: dict[str, Report]) -> None:
    report = batch[CLASS[name]]
    assert report.score == report.max_score, failures(report)


@pytest.mark.parametrize("name", [*CLASS][::90])
def test_a_batch_grades_as_the_grade_command_does(
    name: str, selected: set[str], batch: dict[str, Report], helper: Helper, tmp_path: Path
) -> None:
    student = CLASS[name]
    theirs = [entry for entry in CLASS if CLASS[entry] == student and entry in selected]
    folder = corpus.write(
        tmp_path / student, *(change for entry in theirs for change in entry_changes(entry))
    )
    alone = suite.grade_in_jail(helper, folder, KEY, student)
    assert msgspec.structs.replace(alone, duration_s=0) == msgspec.structs.replace(
        batch[student], duration_s=0
    )


def test_stubs_and_solutions_in_a_course(course: Course) -> None:
    assert course.reports["solved"].score == sum(FULL.values())
    assert set(course.points["stub"].values()) == {0}
    assert {test.status for _, test in every_test(course.reports["stub"])} == {"todo"}


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
        assert report.score == report.max_score, failures(report)


def test_all_of_the_solutions_is_the_same_in_the_jail(forks: suite.Forks, helper: Helper) -> None:
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


def marks(report: Report) -> set[tuple[str, str, int]]:
    return {(test.id, test.status, test.score) for _, test in every_test(report)}


def missing(mistake: corpus.Mistake, report: Report) -> list[str]:
    """The words that should be read in the test that catches the mistake, and are not."""
    read = message(report, mistake.fails).lower()
    return [words for words in mistake.says if words.lower() not in read]


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
