"""A course whose gradebook is in PostgreSQL, a real server: nothing is lost, nothing is there twice."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import nbformat
import psycopg
import pytest
from nbgrader.api import Gradebook

from grading.course import received
from grading.course.intake import Course
from grading.course.source import ANSWER, ASSIGNMENT, NOTEBOOK
from grading.tests import corpus, courses, suite
from grading.tests.processes import free_port, wait_until

T = TypeVar("T")

DUE = datetime(2026, 5, 1, 12)  # UTC, as everywhere in nbgrader
MISTAKES = ("fifty_points_by_default", "y_left_1d", "step_without_parentheses")
PATTERNS = ("a*", "b*", "c*", "d*")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of an empty database, in a server of our own, which is gone afterwards."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    # PostgreSQL refuses to be root; its folder must be open to the user that it is then.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    other = (
        {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    )
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    if other:
        shutil.chown(folder, user)
    data, log = folder / "data", folder / "log"
    made = subprocess.run(
        [binaries / "initdb", "--auth=trust", "--username=kit", "--encoding=UTF8", "--no-sync", "-D", data],
        cwd=folder, capture_output=True, text=True, **other,
    )  # fmt: skip
    assert made.returncode == 0, f"initdb: {made.stdout}{made.stderr}"
    port = free_port()
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        "fsync": "off",
    }
    with log.open("w") as stream:
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, **other,
        )  # fmt: skip
    try:
        address = f"kit@127.0.0.1:{port}/postgres"
        assert wait_until(lambda: _answers(f"postgresql://{address}")), f"no answer: {log.read_text()}"
        yield f"postgresql+psycopg://{address}"
    finally:
        server.send_signal(signal.SIGINT)  # "fast": it cuts all connections
        server.wait(timeout=20)
        shutil.rmtree(folder)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, database: str) -> dict[str, Course]:
    """The same course twice, with the same key and the same submissions, by the URLs of their gradebooks."""
    first = tmp_path_factory.mktemp("sqlite") / "course"
    courses.warm_kit("course", "init", first)
    with (first / "nbgrader_config.py").open("a") as config:
        config.write('\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    second = tmp_path_factory.mktemp("postgresql") / "course"
    shutil.copytree(first, second)
    with (second / "nbgrader_config.py").open("a") as config:
        config.write(f"c.CourseDirectory.db_url = {database!r}\n")
    made = {
        f"sqlite:///{first}/gradebook.db": Course(first, ASSIGNMENT),
        database: Course(second, ASSIGNMENT),
    }
    _at_once(
        lambda course: courses.warm_nbgrader(course.root, "generate_assignment", ASSIGNMENT), made.values()
    )
    for url, course in made.items():
        with Gradebook(url, course.root.name) as book:
            book.update_or_create_assignment(ASSIGNMENT, duedate=DUE)
    notebooks = _class(course)
    for course in made.values():
        for student, notebook in notebooks.items():
            courses.submit(course, student, notebook)
            late = timedelta(hours=2 if student == "bob" else -2)
            received.record(course.root, ASSIGNMENT, student, DUE.replace(tzinfo=UTC) + late)
    return made


def _class(course: Course) -> dict[str, str | bytes]:
    """Two students for each pattern: right, late, not begun, unreadable, and wrong."""
    wrong = {mistake.name: mistake.change for mistake in corpus.mistakes()}
    modules = [courses.modules(wrong[name]) for name in MISTAKES]
    written = {"ada": courses.modules(), "bob": courses.modules(), "carl": courses.stubs(), "cleo": {}}
    written |= dict(zip(("alan", "bea", "dora"), modules, strict=True))
    notebooks = {name: courses.notebook_of(course, files) for name, files in written.items()}
    right = nbformat.reads(notebooks["ada"], as_version=4)
    right.cells[-1].source = "Each step makes the error a little smaller."
    return notebooks | {"ada": nbformat.writes(right), "dan": b"{no"}


def test_both_commands_write_the_same_gradebook_on_postgresql_and_on_sqlite(
    pair: dict[str, Course], database: str
) -> None:
    (sqlite, here), (_, there) = pair.items()
    _at_once(
        lambda command: command(),
        [
            lambda: courses.warm_nbgrader(here.root, "autograde", ASSIGNMENT),
            lambda: courses.warm_kit("course", "autograde", there.root, "--jobs", 4),
        ],
    )
    expected, found = courses.gradebook(sqlite), courses.gradebook(database)
    assert _differences(expected, found) == []
    _is_a_whole_class(expected)


def _is_a_whole_class(rows: list[tuple[object, ...]]) -> None:
    """Equal is worth something only where there is something."""
    points = {}
    for student, _, auto, *_ in _of("Grade", rows):
        points[student] = points.get(student, 0) + (auto or 0)
    assert points["ada"] == points["bob"] == 100, points
    assert points["carl"] == points["cleo"] == points["dan"] == 0, points
    assert all(0 < points[student] < 100 for student in ("alan", "bea", "dora")), points
    penalties = {student: penalty for student, _, penalty, _ in _of("SubmittedNotebook", rows)}
    assert {student for student, penalty in penalties.items() if penalty} == {"bob"}, penalties
    assert all(when is not None for _, _, when, _ in _of("SubmittedAssignment", rows)), rows
    by_hand = {name for student, name, *_, needed in _of("Grade", rows) if needed and student == "ada"}
    assert by_hand == {"ex1-plot_data", "ex3-plot_loss_curves", "ex4-plot_predictions", ANSWER}


def test_four_processes_at_the_same_time_lose_nothing_and_write_nothing_twice(
    pair: dict[str, Course], database: str
) -> None:
    course = pair[database]
    with Gradebook(database, course.root.name) as book:
        for student in ("alan", "bea", "cleo", "dora"):
            grade = book.find_grade(ANSWER, NOTEBOOK, ASSIGNMENT, student)
            grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 3.5, 0.5, False
            comment = book.find_comment(ANSWER, NOTEBOOK, ASSIGNMENT, student)
            comment.manual_comment = f"Well said, {student}: ½ & “”"
        book.db.commit()
    before = courses.gradebook(database)
    expected = courses.graded_again(before)
    assert len(_differences(before, expected)) == 8, before  # four marks are to be looked at again
    _at_once(lambda pattern: _again(course, pattern), PATTERNS)
    assert _differences(expected, courses.gradebook(database)) == []


def _again(course: Course, pattern: str) -> None:
    said = courses.warm_nbgrader(course.root, "autograde", ASSIGNMENT, f"--student={pattern}", "--force")
    assert said.count("Removing existing assignment") == 2, said


def _at_once(function: Callable[[T], object], items: Collection[T]) -> None:
    """Call a function on each, all at the same time, in processes of their own. Raises the first failure."""
    forks = suite.Forks(len(items))
    for job in [forks.start(function, item) for item in items]:
        job.get()


def _of(kind: str, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The rows of one table, without its name."""
    return [(student, *values) for student, of, *values in rows if of == kind]


def _differences(expected: list[tuple[object, ...]], found: list[tuple[object, ...]]) -> list[str]:
    """What is in one of them only, or more often."""
    lost, added = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    return [f"- {row}" for row in lost.elements()] + [f"+ {row}" for row in added.elements()]
