"""A real nbgrader course in a temporary folder, driven by the real commands."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import nbformat
from nbgrader.api import Gradebook

from grading.course import form
from grading.course.intake import Course
from grading.course.source import ASSIGNMENT
from grading.jail import ROOT
from grading.notebooks import FILE
from grading.submissions import Submission
from grading.tests import commands, corpus
from tests.coach.report import Report

NBGRADER = Path(sys.executable).with_name("nbgrader")
ENVIRONMENT = {"JUPYTER_CONFIG_DIR": "/nonexistent", "HOME": "/nonexistent", "NO_COLOR": "1"}


def kit(*arguments: object, expect: int = 0) -> str:
    """`python -m grading …`; returns all that it prints."""
    return "".join(_run([sys.executable, "-m", "grading", *map(str, arguments)], ROOT, expect))


def nbgrader(course: Path, *arguments: object, expect: int = 0) -> str:
    """`nbgrader …` in the course's folder; returns all that it prints."""
    return "".join(_run([str(NBGRADER), *map(str, arguments)], course, expect))


def _run(command: list[str], folder: Path, expect: int) -> tuple[str, str]:
    environment = os.environ | ENVIRONMENT
    return _expected(
        subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900),
        expect,
    )


def warm_kit(*arguments: object, expect: int = 0) -> str:
    """As `kit`, without the seconds that starting takes: commands.py."""
    return "".join(_expected(commands.grading(*arguments, **ENVIRONMENT), expect))


def warm_nbgrader(course: Path, *arguments: object, expect: int = 0) -> str:
    """As `nbgrader`, without the seconds that starting takes."""
    return "".join(_expected(commands.nbgrader(course, *arguments, **ENVIRONMENT), expect))


def _expected(done: "subprocess.CompletedProcess[str]", expect: int) -> tuple[str, str]:
    assert done.returncode == expect, f"{done.args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout, done.stderr


def create(root: Path) -> Course:
    """A new course whose assignment is released. Only its key isn't its own: every course of this process has it."""
    return copied(Course(Path(_created().name) / "course", ASSIGNMENT), root)


@functools.cache
def _created() -> "tempfile.TemporaryDirectory[str]":
    """By the real commands, once: that takes seven seconds."""
    folder = tempfile.TemporaryDirectory(prefix="course-")
    course = Path(folder.name) / "course"
    kit("course", "init", course)
    nbgrader(course, "generate_assignment", ASSIGNMENT)
    return folder


def copied(course: Course, root: Path) -> Course:
    """The same course somewhere else."""
    shutil.copytree(course.root, root, symlinks=True)
    return Course(root, course.assignment)


def notebook_of(course: Course, modules: dict[str, str]) -> str:
    """The released notebook with a student's modules typed into it, as a file's text."""
    sources = {name: text.encode() for name, text in modules.items()}
    return str(nbformat.writes(form.fill(course.template(), Submission("typed", None, sources)).notebook))


def modules(*changes: corpus.Change) -> dict[str, str]:
    """The solved modules with changes."""
    files = {f"{name}.py": (corpus.SOLUTIONS / f"{name}.py").read_text() for name in corpus.MODULES}
    for change in changes:
        files[f"{change.module}.py"] = change.apply(files[f"{change.module}.py"])
    return files


def stubs() -> dict[str, str]:
    return {f"{name}.py": (ROOT / "exercises" / f"{name}.py").read_text() for name in corpus.MODULES}


def submit(course: Course, student: str, notebook: str | bytes, name: str = FILE) -> Path:
    """What collection leaves in the submitted folder."""
    file = course.submitted(student) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(notebook.encode() if isinstance(notebook, str) else notebook)
    return file


def imported(course: Course, handed: Path, changed: corpus.Change) -> str:
    """Import three students' work and an essay, and grade it: what stands on the terminal."""
    handed.mkdir()
    corpus.write(handed / "Ann Lee_1001_assignsubmission_file")
    corpus.write(handed / "Bo Ek_1002_assignsubmission_file", changed)
    (handed / "Cy Roy_1003_assignsubmission_file").mkdir()
    notebook = notebook_of(course, modules())
    (handed / "Cy Roy_1003_assignsubmission_file" / "my notebook.ipynb").write_text(notebook)
    (handed / "Di Wu_1004_assignsubmission_file").mkdir()
    (handed / "Di Wu_1004_assignsubmission_file" / "essay.txt").write_text("I did not understand this.")
    screen = ""
    for expect, command, arguments in ((1, "import", [handed]), (0, "autograde", [])):
        done = commands.grading("course", command, course.root, *arguments, **ENVIRONMENT)
        shown = " ".join([command, ".", *(each.name for each in arguments)])
        screen += f"$ python -m grading course {shown}\n{_expected(done, expect)[0]}"
    return screen


def points(course: Course) -> dict[str, dict[str, float | None]]:
    """The automatic points of each graded cell, by student, as the gradebook has them."""
    with Gradebook(f"sqlite:///{course.root}/gradebook.db") as gradebook:
        return {
            submission.student.id: {grade.name: grade.auto_score for grade in submission.notebooks[0].grades}
            for submission in gradebook.find_assignment(course.assignment).submissions
        }


def report(course: Course, student: str) -> Report:
    return msgspec.json.decode((course.kept(student) / "report.json").read_bytes(), type=Report)


def gradebook(db_url: str) -> list[tuple[object, ...]]:
    """All that a database knows of students' work, sorted: submissions, grades and comments. Nothing is written."""
    # These take seconds to import, and few tests need them.
    from nbgrader.api import Comment, Grade, SubmittedAssignment, SubmittedNotebook
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    kinds = {
        SubmittedAssignment: ("timestamp", "extension"),
        SubmittedNotebook: ("late_submission_penalty", "flagged"),
        Grade: ("auto_score", "manual_score", "extra_credit", "needs_manual_grade"),
        Comment: ("auto_comment", "manual_comment"),
    }
    engine = create_engine(db_url)
    with Session(engine) as session:
        rows = [
            (row.student.id, kind.__name__, row.name, *(getattr(row, column) for column in columns))
            for kind, columns in kinds.items()
            for row in session.query(kind)
        ]
    engine.dispose()
    return sorted(rows, key=str)


def graded_again(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The same gradebook after `nbgrader autograde --force`, as nbgrader does it: marks and comments made by hand stay.

    A cell that had a mark made by hand, or never gets another, is to be looked at again.
    """
    again = []
    for row in rows:
        if row[1] == "Grade":
            *cell, auto, manual, extra, _ = row
            row = (*cell, auto, manual, extra, auto is None or manual is not None)
        again.append(row)
    return sorted(again, key=str)
