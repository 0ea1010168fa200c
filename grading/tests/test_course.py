"""A course as an instructor runs it: the real commands, over notebooks of every kind.

Each command is started from nothing once, and otherwise in a fork of this process (courses.warm_kit).
"""

import contextlib
import copy
import fcntl
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps.nbgraderapp import NbGraderApp

from grading.course import intake, received
from grading.course.converter import GradingExporter
from grading.course.intake import Course
from grading.course.source import ANSWER, ASSIGNMENT
from grading.jail import ROOT
from grading.notebooks import FILE
from grading.tests import commands, corpus, courses, suite, test_golden
from grading.tests.broken import BROKEN, LAID
from grading.tests.damage import all_damaged
from grading.tests.processes import wait_until
from grading.warm import Helper
from tests.coach import curriculum
from tests.coach.report import Report

EXERCISES = {exercise.id: float(exercise.points) for exercise in curriculum.load()}
PLOTS = ("ex1-plot_data", "ex3-plot_loss_curves", "ex4-plot_predictions")
DUE = datetime(2026, 3, 1, 12, 0)
MISTAKE = next(mistake for mistake in corpus.mistakes() if mistake.name == "step_without_parentheses")

# Cells that attack what stands around the notebook. The rest of it is solved, and worth its 100 points.
ATTACKS = {
    "writes the gradebook": """
import glob, os, sqlite3
for place in ("../../..", "/", "/tmp", os.path.expanduser("~"), "."):
    for file in glob.glob(place + "/**/gradebook.db", recursive=True):
        with sqlite3.connect(file) as db:
            db.execute("update grade set auto_score = 1000, manual_score = 1000")
sqlite3.connect("gradebook.db").execute("create table if not exists grade (auto_score)")""",
    "reads the source": """
import glob
found = [open(f).read() for f in glob.glob("/**/source/**/*.ipynb", recursive=True) + glob.glob("/**/course.key", recursive=True)]
raise RuntimeError("FOUND " + "".join(found))""",
    "transforms what comes": """
import IPython
shell = IPython.get_ipython()
shell.input_transformers_cleanup.append(lambda lines: ["100.0\\n"])
shell.ast_transformers.clear()""",
    "runs a shell": "!echo forged > ../../../gradebook.db\n%%bash\nrm -rf ../../..",
    "is a shell": "%%bash\nrm -rf ../../../source ../../../gradebook.db",
    "warns": "import sys, warnings\nwarnings.warn('careful')\nprint('error', file=sys.stderr)",
    "shows a result": "from IPython.display import display\ndisplay(1000)\n1000",
    "answers for the check": "def check(exercise):\n    return 1000\n\n\ncheck('ex1')",
}


class Class(NamedTuple):
    course: Course
    points: dict[str, dict[str, float | None]]

    def report(self, student: str) -> Report:
        return courses.report(self.course, student)

    def notebook(self, student: str) -> Any:
        return nbformat.read(self.course.autograded(student) / FILE, as_version=4)

    def score(self, student: str) -> float:
        return sum(self.points[student][exercise] or 0 for exercise in EXERCISES)


def student(name: str) -> str:
    return name.replace(" ", "-")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Released, and nothing handed in yet."""
    return courses.create(tmp_path_factory.mktemp("new") / "course")


@pytest.fixture(scope="module")
def graded(new: Course, tmp_path_factory: pytest.TempPathFactory) -> Class:
    """Every way to break a notebook, to lay a submitted folder, and to attack, between honest ones; graded once."""
    course = courses.copied(new, tmp_path_factory.mktemp("graded") / "course")
    solved = courses.notebook_of(course, courses.modules())
    for name, text in {
        "solved": solved,
        "stub": courses.notebook_of(course, courses.stubs()),
        "mistaken": courses.notebook_of(course, courses.modules(MISTAKE.change)),
    }.items():
        courses.submit(course, name, text)
    for name, broken in BROKEN.items():
        notebook = json.loads(solved)
        data = broken.break_it(notebook)
        courses.submit(course, student(name), json.dumps(notebook) if data is None else data)
    for name, (lay, _) in LAID.items():
        lay(courses.submit(course, student(name), solved))
    for name, source in ATTACKS.items():
        notebook = json.loads(solved)
        cell = {
            "cell_type": "code",
            "metadata": {},
            "source": source.strip(),
            "outputs": [],
            "execution_count": None,
        }
        notebook["cells"].insert(0, cell)
        courses.submit(course, student(name), json.dumps(notebook))
    with Gradebook(f"sqlite:///{course.root}/gradebook.db") as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate=DUE)
    received.record(course.root, ASSIGNMENT, "stub", DUE.replace(tzinfo=UTC) + timedelta(hours=2))
    received.record(course.root, ASSIGNMENT, "a-forged-time", DUE.replace(tzinfo=UTC) + timedelta(hours=3))
    printed = courses.kit("course", "autograde", course.root)
    assert f"Graded: {len(list(course.students())) - len(unread())}." in printed
    assert all(student(name) in printed.partition("Could not be read")[2] for name in unread())
    return Class(course, courses.points(course))


def scores(course: Course) -> dict[str, float]:
    points = courses.points(course)
    return {name: sum(points[name][exercise] or 0 for exercise in EXERCISES) for name in points}


def unread() -> list[str]:
    """What is worth nothing because nothing of it can be read."""
    broken = [name for name, broken in BROKEN.items() if broken.unread]
    return broken + [name for name, (_, points) in LAID.items() if not points]


def test_each_exercise_has_its_points(graded: Class) -> None:
    assert {cell: graded.points["solved"][cell] for cell in EXERCISES} == EXERCISES
    assert {cell: graded.points["stub"][cell] for cell in EXERCISES} == dict.fromkeys(EXERCISES, 0.0)
    assert graded.points["mistaken"]["ex3"] == 7
    assert graded.score("mistaken") == 77


@pytest.mark.parametrize("name", [*BROKEN, *LAID, *ATTACKS])
def test_a_broken_notebook_is_worth_what_is_there(name: str, graded: Class) -> None:
    points = BROKEN[name].points if name in BROKEN else LAID[name][1] if name in LAID else 100
    assert graded.score(student(name)) == points
    if name in BROKEN:
        assert BROKEN[name].says in shown(graded, student(name))


@pytest.mark.parametrize(
    "name", ["emptied function", "a function marked as a test", "writes the gradebook"][1:]
)
def test_grading_it_alone_comes_to_the_same(name: str, graded: Class, helper: Helper) -> None:
    file = graded.course.kept(student(name)) / "1" / FILE
    key = (graded.course.root / "course.key").read_bytes().strip()
    alone = suite.grade_in_jail(helper, file, key, student(name))
    report = graded.report(student(name))
    assert {t.id: t.status for e in alone.exercises for t in e.tests} == {
        t.id: t.status for e in report.exercises for t in e.tests
    }


def test_damaged_notebooks_stop_nobody(new: Course, tmp_path: Path) -> None:
    """By nbgrader's own command. Honest students before, between and after them have what they should have."""
    course = courses.copied(new, tmp_path / "course")
    solved = courses.notebook_of(course, courses.modules())
    damaged = all_damaged(json.loads(solved))[:: 1 if corpus.ALL else 120]
    for number, data in enumerate(damaged):
        courses.submit(course, f"{number:03}-damaged", data)
    honest = ["000", f"{len(damaged) // 2:03}", "999"]
    for name in honest:
        courses.submit(course, name, solved)
    courses.warm_nbgrader(course.root, "autograde", ASSIGNMENT)
    found = scores(course)
    assert len(found) == len(damaged) + len(honest)
    assert [found[name] for name in honest] == [100] * 3


def test_the_words_are_there(graded: Class) -> None:
    words = shown(graded, "mistaken")
    assert all(said.lower() in words.lower() for said in MISTAKE.says)
    assert "not right yet" in words


def shown(graded: Class, student: str) -> str:
    """All that is shown in the exercises' cells."""
    cells = graded.notebook(student).cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return " ".join(output.data["text/html"] for output in outputs if "text/html" in output.data)


def test_a_number_comes_first_and_plots_stand_under_their_cells(graded: Class) -> None:
    cells = {
        c.metadata.nbgrader.grade_id: c for c in graded.notebook("solved").cells if "nbgrader" in c.metadata
    }
    for exercise, points in EXERCISES.items():
        assert [float(output.data["text/plain"]) for output in cells[exercise].outputs] == [points]
    for plot in PLOTS:
        picture, *caption = cells[plot].outputs
        assert list(picture.data) == ["image/png"]
        assert ["made-up" in words.data["text/plain"] for words in caption] == [True] * (plot != PLOTS[0])
    assert not any(cells[name].outputs for name in ("ex1-create_dataset", "ex2-LinearRegressionModel"))


def test_manual_cells_wait_for_a_person_and_nothing_else_does(graded: Class) -> None:
    waiting = {}
    with Gradebook(f"sqlite:///{graded.course.root}/gradebook.db") as gradebook:
        for name in ("mistaken", "stub", "an-answer-turned-into-code"):
            notebook = gradebook.find_submission(ASSIGNMENT, name).notebooks[0]
            waiting[name] = {grade.name for grade in notebook.grades if grade.needs_manual_grade}
    assert waiting == {"mistaken": set(PLOTS), "stub": set(), "an-answer-turned-into-code": set(PLOTS)}


def test_nothing_of_a_students_lies_where_nbgrader_looks(graded: Class) -> None:
    for name in graded.course.students():
        for folder in (graded.course.submitted(name), graded.course.autograded(name)):
            assert set(os.listdir(folder)) <= {FILE, "timestamp.txt"}
            assert all(
                stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode) for entry in os.scandir(folder)
            )
    assert "root:" not in "".join(f.read_text() for f in graded.course.root.glob("autograded/*/*/*"))


def test_what_was_handed_in_is_kept(graded: Class) -> None:
    kept = graded.course.kept
    assert (kept("not-JSON") / "1" / FILE).read_bytes() == b"# My homework\nprint('hello')\n"
    assert (kept("links-beside-it") / "1" / "data").is_symlink()
    assert (kept("a-link-for-a-notebook") / "1" / FILE).is_symlink()
    assert (kept("a-junk-time") / "1" / "timestamp.txt").read_text() == "tomorrow, perhaps"
    assert (kept("another-file-name") / "1" / "homework (2).ipynb").is_file()


def test_late_is_only_who_was_seen_to_be_late(graded: Class) -> None:
    """A student's own timestamp.txt is not believed, nor is there lateness without a record."""
    with Gradebook(f"sqlite:///{graded.course.root}/gradebook.db") as gradebook:
        found = {
            s.student.id: s.total_seconds_late for s in gradebook.find_assignment(ASSIGNMENT).submissions
        }
    late = {name: seconds for name, seconds in found.items() if seconds}
    assert late == {"stub": 2 * 3600, "a-forged-time": 3 * 3600}


def test_the_key_is_its_owners_and_is_never_released(graded: Class) -> None:
    key = graded.course.root / "course.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_text().strip()
    for folder in ("source", "release", "autograded", "submissions"):
        for file in (graded.course.root / folder).rglob("*"):
            assert file.name != "course.key"
            assert not file.is_file() or secret not in file.read_text(encoding="utf-8", errors="replace")


def test_the_release_holds_no_solution(new: Course) -> None:
    released = (new.root / "release" / ASSIGNMENT / FILE).read_text()
    assert "BEGIN SOLUTION" not in released
    assert "nn.L1Loss()" not in released
    assert "swings around" not in released
    beside = {
        str(f.relative_to(new.root / "release" / ASSIGNMENT)) for f in (new.root / "release").rglob("*.py")
    }
    assert "tests/coach/notebook.py" in beside
    assert not any(name.startswith(("solutions", "grading")) for name in beside)


def test_feedback_shows_what_is_the_students_alone(graded: Class) -> None:
    course = graded.course
    with Gradebook(f"sqlite:///{course.root}/gradebook.db") as gradebook:
        notebook = gradebook.find_submission(ASSIGNMENT, "mistaken").notebooks[0].name
        gradebook.find_comment(
            "ex1-plot_data", notebook, ASSIGNMENT, "mistaken"
        ).manual_comment = "A fine plot."
        gradebook.db.commit()
    courses.warm_nbgrader(course.root, "generate_feedback", ASSIGNMENT, "--student=mistaken")
    folder = course.feedback("mistaken")
    assert set(os.listdir(folder)) <= {f"{Path(FILE).stem}.html", "timestamp.txt"}
    page = (folder / f"{Path(FILE).stem}.html").read_text()
    text = re.sub(r"<[^>]+>", "", page)
    assert "optimizer.step()` called, with its parentheses" in text.replace("&quot;", '"')
    assert "A fine plot." in text
    assert page.count("data:image/png;base64") == len(PLOTS)
    for other in ("solved", "stub", "def test_", "expect(", "course.key"):
        assert other not in text, other


def test_manual_marks_survive_a_regrade(graded: Class) -> None:
    course = graded.course
    with Gradebook(f"sqlite:///{course.root}/gradebook.db") as gradebook:
        notebook = gradebook.find_submission(ASSIGNMENT, "solved").notebooks[0]
        for grade in notebook.grades:
            if grade.name in (*PLOTS, ANSWER):
                grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 4, 0.5, False
        gradebook.find_comment(ANSWER, notebook.name, ASSIGNMENT, "solved").manual_comment = "Well said."
        gradebook.db.commit()
    before = shown(graded, "solved"), graded.points["solved"]
    courses.nbgrader(course.root, "autograde", ASSIGNMENT, "--student=solved", "--force")
    assert (shown(graded, "solved"), courses.points(course)["solved"]) == before
    with Gradebook(f"sqlite:///{course.root}/gradebook.db") as gradebook:
        submission = gradebook.find_submission(ASSIGNMENT, "solved")
        assert submission.score == 100 + 4 * 4.5
        assert {g.name for g in submission.notebooks[0].grades if g.needs_manual_grade} == {*PLOTS, ANSWER}
        comments = {comment.name: comment.comment for comment in submission.notebooks[0].comments}
        assert comments[ANSWER] == "Well said."


def test_modules_go_into_the_same_gradebook(new: Course, tmp_path: Path) -> None:
    """A folder of a class, imported twice: the second time, only what has changed is new."""
    course = courses.copied(new, tmp_path / "course")
    handed = tmp_path / "downloads"
    assert (
        courses.imported(course, handed, MISTAKE.change) == (test_golden.GOLDEN / "imported.txt").read_text()
    )
    assert scores(course) == {"1001": 100, "1002": 77, "1003": 100, "1004": 0}
    corpus.write(handed / "Bo Ek_1002_assignsubmission_file")
    by_hand = received.place(course.root, ASSIGNMENT, "1001")
    by_hand.write_text("2026-03-01 14:00")
    printed = courses.warm_kit("course", "import", course.root, handed)
    assert "1 changed, 3 unchanged" in printed and "Handed in again: 1002." in printed
    assert by_hand.read_text() == "2026-03-01 14:00"
    third = handed / "Cy Roy_1003_assignsubmission_file" / "my notebook.ipynb"
    notebook = nbformat.read(third, 4)
    notebook.cells[-1].source = "Because each step makes the error smaller."
    nbformat.write(notebook, third)
    assert "Handed in again: 1003." in courses.warm_kit("course", "import", course.root, handed)
    courses.warm_kit("course", "autograde", course.root)
    assert scores(course) == {"1001": 100, "1002": 100, "1003": 100, "1004": 0}
    cells = {
        c.metadata.nbgrader.grade_id: c
        for c in nbformat.read(course.autograded("1001") / FILE, 4).cells
        if "nbgrader" in c.metadata
    }
    assert "torch.arange" in cells["ex1-create_dataset"].source
    assert cells["ex1-plot_data"].outputs[0].data["image/png"]


def test_a_killed_run_goes_on(new: Course, tmp_path: Path) -> None:
    """kill -9, with ALL at several moments: in the end everyone has their grades, once."""
    course = courses.copied(new, tmp_path / "course")
    kinds = {100: courses.modules(), 77: courses.modules(MISTAKE.change), 0: courses.stubs()}
    expected = {}
    for number in range(6):
        name, points = f"student-{number}", list(kinds)[number % 3]
        courses.submit(course, name, courses.notebook_of(course, kinds[points]))
        expected[name] = points
    for enough in (1, 3) if corpus.ALL else (2,):
        command = [sys.executable, "-m", "grading", "course", "autograde", str(course.root)]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        run = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **quiet)
        patience = time.monotonic() + 120
        while len(list(course.root.glob("autograded/*"))) < enough:
            assert run.poll() is None
            assert time.monotonic() < patience
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    courses.warm_kit("course", "autograde", course.root)
    assert scores(course) == expected
    cells = len(courses.points(course)["student-0"])
    rows = courses.gradebook(f"sqlite:///{course.root}/gradebook.db")
    assert sum(kind == "Grade" for _, kind, *_ in rows) == 6 * cells
    assert sum(kind == "SubmittedNotebook" for _, kind, *_ in rows) == 6


def test_an_intake_that_was_killed_goes_on(new: Course, tmp_path: Path) -> None:
    """The clean notebook is there, and what was handed in still beside it: that is not read a second time."""
    course = courses.copied(new, tmp_path / "course")
    folder = corpus.write(course.submitted("ann"))
    template = course.template()
    taken = intake.take(course, "ann", template)
    assert taken.submission.modules
    for file in (course.kept("ann") / "1").iterdir():
        file.rename(folder / file.name)
    assert intake.take(course, "ann", template) == taken
    assert os.listdir(folder) == [FILE]
    assert (course.kept("ann") / "2" / "ex1_dataset.py").is_file()


def test_a_second_run_has_nothing_to_do(graded: Class) -> None:
    printed = courses.warm_kit("course", "autograde", graded.course.root)
    assert "Graded: 0." in printed
    assert all(student(name) in printed.partition("Could not be read")[2] for name in unread())


def test_what_has_changed_is_graded_again(new: Course, tmp_path: Path) -> None:
    """A time that is written or taken away, points, the gradebook itself; and nothing else."""
    course = courses.copied(new, tmp_path / "course")
    courses.submit(course, "ann", courses.notebook_of(course, courses.modules()))
    courses.submit(course, "bob", b"{no")  # costs nothing to grade
    assert regraded(course) == {"ann", "bob"}
    when = received.place(course.root, ASSIGNMENT, "bob")
    when.write_text("2026-03-01 14:00")
    assert regraded(course) == {"bob"}
    assert handed_in_at(course)["bob"] == datetime(2026, 3, 1, 14)
    when.write_text("yesterday")
    printed = courses.warm_kit("course", "autograde", course.root, expect=1)
    assert "holds no time, but 'yesterday'" in printed and "will be tried again next time: bob" in printed
    when.unlink()
    assert regraded(course) == {"bob"}
    assert handed_in_at(course)["bob"] is None

    source = course.root / "source" / ASSIGNMENT / FILE
    notebook = nbformat.read(source, as_version=4)
    next(c for c in notebook.cells if c.id == "ex3").metadata.nbgrader.points = 50
    nbformat.write(notebook, source)
    courses.warm_nbgrader(course.root, "generate_assignment", ASSIGNMENT, "--force")
    assert regraded(course) == {"ann", "bob"}
    assert scores(course) == {"ann": 125, "bob": 0}

    (course.root / "gradebook.db").unlink()
    said = courses.warm_nbgrader(course.root, "autograde", ASSIGNMENT, expect=2)
    assert "the gradebook knows no pytorch-workflow" in said
    courses.warm_nbgrader(course.root, "generate_assignment", ASSIGNMENT, "--force")
    assert regraded(course) == {"ann", "bob"}
    assert scores(course) == {"ann": 125, "bob": 0}


def regraded(course: Course) -> set[str]:
    """Whose graded notebook is another one after `nbgrader autograde`."""

    def files() -> dict[str, int]:
        found = {student: course.autograded(student) / FILE for student in course.students()}
        return {student: file.stat().st_mtime_ns for student, file in found.items() if file.exists()}

    before = files()
    courses.warm_nbgrader(course.root, "autograde", ASSIGNMENT)
    return {student for student, time in files().items() if time != before.get(student)}


def handed_in_at(course: Course) -> dict[str, datetime | None]:
    with Gradebook(f"sqlite:///{course.root}/gradebook.db") as gradebook:
        return {s.student.id: s.timestamp for s in gradebook.find_assignment(ASSIGNMENT).submissions}


def broken_off(course: Course, result: Callable[..., object], *arguments: str) -> int:
    """The exit status of `nbgrader autograde` when this happens where a submission's result should come."""

    def main() -> None:
        GradingExporter.result = result  # type: ignore[method-assign,assignment]
        with contextlib.suppress(SystemExit):
            NbGraderApp.launch_instance()
        descriptor = os.open(course.kept("ann") / "graded", os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # formgrader's server lives on: no lock may
        sys.exit(7)

    command = ["nbgrader", "autograde", ASSIGNMENT, *arguments]
    return commands.forked(main, command, course.root, **courses.ENVIRONMENT).returncode or 0


def test_a_forced_run_that_was_killed_goes_on(new: Course, tmp_path: Path) -> None:
    """Also with those whom it had not come to yet."""
    course = courses.copied(new, tmp_path / "course")
    for name in ("ann", "bob"):
        courses.submit(course, name, b"{no")
    assert regraded(course) == {"ann", "bob"}
    assert broken_off(course, lambda *_: os._exit(9), "--force") == 9
    assert regraded(course) == {"ann", "bob"}
    assert regraded(course) == set()


def test_a_run_that_failed_holds_nobody_up(new: Course, tmp_path: Path) -> None:
    course = courses.copied(new, tmp_path / "course")
    courses.submit(course, "ann", b"{no")

    def fail(*_: object) -> None:
        raise RuntimeError("the disk is full")

    assert broken_off(course, fail) == 7
    assert regraded(course) == {"ann"}


def test_notebooks_validate(new: Course) -> None:
    """The source runs from top to bottom with all its solutions; the release shows what is still to be done."""
    printed = courses.nbgrader(new.root / "source" / ASSIGNMENT, "validate", FILE)
    assert "Success! Your notebook passes all the tests." in printed
    printed = courses.nbgrader(new.root / "release" / ASSIGNMENT, "validate", FILE)
    assert "FAILED ON 6 CELL(S)" in printed.upper() or "VALIDATION FAILED" in printed.upper()


@pytest.mark.parametrize(
    ("old", "changed", "words"),
    [
        ("import configure", "import nothing", "Stopped: the exercise kit can't be used from"),
        ("c = get_config()", "c = get_config(", "No notebooks were matched"),  # nbgrader says why above that
    ],
    ids=["no kit", "a typing error"],
)
def test_without_the_kit_nothing_is_run(
    old: str, changed: str, words: str, new: Course, tmp_path: Path
) -> None:
    """nbgrader goes on after an error in its configuration: it would run the students' code, as the instructor."""
    course = courses.copied(new, tmp_path / "course")
    notebook = json.loads(courses.notebook_of(course, courses.modules()))
    source = f"open({str(tmp_path / 'ran')!r}, 'w')"
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
    notebook["cells"].insert(0, cell)
    courses.submit(course, "solved", json.dumps(notebook))
    config = course.root / "nbgrader_config.py"
    config.write_text(config.read_text().replace(old, changed))
    assert words in courses.warm_nbgrader(course.root, "autograde", ASSIGNMENT, expect=1)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("grading", "nothing in it can be read, so nothing was imported"),
        ("nowhere", "can't be read"),
        ("..", "holds the course itself"),
        ("kept", "is the course's own folder"),
        ("one", "is one submission, not those of a class"),
    ],
)
def test_a_wrong_folder_is_not_imported(path: str, words: str, new: Course, tmp_path: Path) -> None:
    course = courses.copied(new, tmp_path / "course")
    corpus.write(course.kept("ann"))
    (tmp_path / "Ann Lee_1001_assignsubmission_file").mkdir()
    (tmp_path / "Ann Lee_1001_assignsubmission_file" / FILE).write_text("{}")
    wrong = {"..": course.root / "..", "kept": course.root / "kept", "one": next(tmp_path.glob("Ann*"))}.get(
        path, ROOT / path
    )
    assert words in courses.warm_kit("course", "import", course.root, wrong, expect=2)
    assert not (course.root / "submissions").exists()


def test_a_course_is_never_written_over(new: Course) -> None:
    assert "is not empty" in courses.warm_kit("course", "init", new.root, expect=2)


def test_cells_that_nobody_would_run_are_refused(new: Course, tmp_path: Path) -> None:
    """nbgrader gives full marks to an autograded cell without output."""
    course = courses.copied(new, tmp_path / "course")
    file = course.root / "release" / ASSIGNMENT / FILE
    notebook = nbformat.read(file, as_version=4)
    own = copy.deepcopy(
        next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "ex1")
    )
    own.metadata.nbgrader.grade_id = own.id = "my-own-test"
    notebook.cells.append(own)
    nbformat.write(notebook, file)
    courses.submit(course, "solved", courses.notebook_of(course, courses.modules()))
    for printed in (
        courses.warm_kit("course", "autograde", course.root, expect=2),
        courses.warm_nbgrader(course.root, "autograde", ASSIGNMENT, expect=2),
    ):
        assert "my-own-test" in printed
        assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda root: (root / "course.key").unlink(), "course key"),
        (lambda root: shutil.rmtree(root / "release"), "generate_assignment"),
        (lambda root: (root / "nbgrader_config.py").unlink(), "is no course"),
        (lambda root: shutil.rmtree(root / "submissions"), "nothing is submitted"),
    ],
    ids=["no key", "not released", "no course", "nothing submitted"],
)
def test_what_is_missing_is_said(break_it: Any, words: str, new: Course, tmp_path: Path) -> None:
    course = courses.copied(new, tmp_path / "course")
    courses.submit(course, "solved", courses.notebook_of(course, courses.modules()))
    break_it(course.root)
    printed = courses.warm_kit("course", "autograde", course.root, expect=2)
    assert words in printed
    assert "Traceback" not in printed


@pytest.fixture(autouse=True, scope="module")
def nothing_is_left_running() -> Iterator[None]:
    """Of ours, known by their environment: other tests may be grading at the same time."""
    mark = f"TEST_COURSE={os.getpid()}"
    os.environ.update([mark.split("=")])
    yield
    del os.environ["TEST_COURSE"]

    def left() -> list[Path]:
        graders = [p for p in Path("/proc").glob("[0-9]*") if b"grading.worker" in _read(p / "cmdline")]
        return [p for p in graders if mark.encode() in _read(p / "environ").split(b"\0")]

    assert wait_until(lambda: not left())


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
