"""The gradebook's way out: a table for people, and the files that Canvas and Moodle take back."""

import csv
import datetime
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nbgrader.api import Gradebook
from nbgrader.apps import ExportApp
from nbgrader.coursedir import CourseDirectory

from grading import lms, spreadsheet
from grading.course import canvas, moodle
from grading.course.export import GradesExport, Table
from grading.course.intake import Course, Taken
from grading.notebooks import FILE
from grading.submissions import Submission
from grading.tests import reports
from grading.tests.reports import part
from tests.coach.report import to_json

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
WORK, BOOK = "pytorch-workflow", "pytorch_workflow"
POINTS = {"ex1": 20, "ex2": 15, "ex3": 25, "ex4": 15, "ex5": 15, "workflow": 10}
MANUAL = ("why-it-converges", "ex4-plot_predictions", "ex1-plot_data")
DUE = datetime.datetime(2025, 3, 1, 12)
EVIL = "=cmd|' /C calc'!A0"
STUDENTS = {
    "100001": {"last_name": 'O"Neil, Jr', "first_name": "Zoë\nÄnne", "email": "+49@example.org"},
    "100002": {"last_name": EVIL, "first_name": "+49", "email": "=1@example.org"},
    "100003": {"last_name": "'t Hooft", "first_name": "back\\slash\\", "email": None},
    "jdoe;=1+1": {"last_name": None, "first_name": None, "email": None},
}
Line = dict[str, str]

# nbgrader's own, in add_submission.
pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course whose 100001 was late and 100002 handed in nothing; 100003 and jdoe wait for a grade by hand."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "nbgrader_config.py").write_text(
        'c = get_config()\nc.ExportApp.plugin_class = "grading.course.export.Table"\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        # A new gradebook runs `alembic` to ask for its version: two seconds, for a number that nothing here reads.
        patch.setattr("nbgrader.api.get_alembic_version", lambda: "")
        with Gradebook(f"sqlite:///{folder}/gradebook.db") as gradebook:
            _fill(gradebook)
    report = folder / "kept" / "100001" / WORK / "report.json"
    report.parent.mkdir(parents=True)
    report.write_bytes(
        to_json(reports.report(part("ex1", "passed", "passed"), part("ex3", "passed", "failed")))
    )
    return folder


def _fill(gradebook: Gradebook) -> None:
    gradebook.add_assignment(WORK, duedate=DUE)
    gradebook.add_notebook(BOOK, WORK)
    for name in MANUAL:
        gradebook.add_grade_cell(name, BOOK, WORK, max_score=5, cell_type="markdown")
    for name, points in reversed(POINTS.items()):
        gradebook.add_grade_cell(name, BOOK, WORK, max_score=points, cell_type="code")
    for student, names in STUDENTS.items():
        gradebook.add_student(student, **names)
    for student in STUDENTS:
        if student != "100002":
            late = datetime.timedelta(hours=2 if student == "100001" else -1)
            work = gradebook.add_submission(WORK, student, timestamp=DUE + late)
            _grade(work.notebooks[0], student)
    gradebook.db.commit()


def _grade(notebook: Any, student: str) -> None:
    for grade in notebook.grades:
        if grade.name in POINTS:
            grade.auto_score = {"100001": POINTS[grade.name], "100003": 0, "jdoe;=1+1": 1}[student]
            grade.needs_manual_grade = False
        elif student == "100001" or grade.name.startswith("ex1"):
            grade.manual_score, grade.needs_manual_grade = 3.5, False
    if student == "100001":
        notebook.late_submission_penalty = 10 / 3
    if student == "100003":
        notebook.late_submission_penalty = 50


def plugin(kind: type[GradesExport], course: Path, to: Path, **chosen: list[object]) -> GradesExport:
    app = ExportApp()
    app.coursedir = CourseDirectory(parent=app, root=str(course))
    return kind(parent=app, to=str(to), log=logging.getLogger("export"), **chosen)


def export(kind: type[GradesExport], course: Path, to: Path, **chosen: list[object]) -> Path:
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        plugin(kind, course, to, **chosen).export(gradebook)
    assert [file.name for file in to.parent.iterdir()] == [to.name], "nothing stays beside it"
    return to


def read(file: Path) -> list[Line]:
    with file.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle, strict=True))


@pytest.fixture(scope="module")
def table(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(Table, course, tmp_path_factory.mktemp("table") / "grades.csv")


@pytest.fixture
def lines(table: Path) -> dict[str, Line]:
    return {line["student id"]: line for line in read(table)}


def test_the_columns_follow_the_curriculum(table: Path) -> None:
    with table.open(encoding="utf-8-sig") as handle:
        headings = handle.readline().replace('"', "").strip().split(",")
    assert ", ".join(headings[:15]) == (
        "assignment, student id, last name, first name, email, due date, submitted at, seconds late, "
        "raw score, late penalty, score, max score, needs manual grade, flags, notes"
    )
    assert ", ".join(headings[15:-4:2]) == (
        "ex1, ex1-plot_data, ex2, ex3, ex4, ex4-plot_predictions, ex5, workflow, why-it-converges"
    )
    assert headings[16:-4:2] == [f"{name} max" for name in headings[15:-4:2]]
    assert headings[-4:] == ["ex1.lesson_1", "ex1.lesson_2", "ex3.lesson_1", "ex3.lesson_2"]


def test_a_graded_student_has_everything(lines: dict[str, Line]) -> None:
    line = lines["100001"]
    assert line["due date"] == "2025-03-01 12:00:00 UTC"
    assert line["submitted at"] == "2025-03-01 14:00:00 UTC"
    assert (line["seconds late"], line["needs manual grade"]) == ("7200", "no")
    sums = ("raw score", "late penalty", "score", "max score")
    assert [line[name] for name in sums] == ["110.5", "3.3333", "107.1667", "115"]
    assert (line["ex3"], line["ex3 max"], line["why-it-converges"]) == ("25", "25", "3.5")
    assert [line[f"ex{n}.lesson_{m}"] for n in (1, 3) for m in (1, 2)] == ["1", "19", "1", "0"]


def test_a_penalty_never_takes_more_than_there_is(lines: dict[str, Line]) -> None:
    assert (lines["100003"]["raw score"], lines["100003"]["score"]) == ("3.5", "0")


def test_a_cell_that_nobody_graded_is_empty_and_not_0(lines: dict[str, Line]) -> None:
    line = lines["100003"]
    assert line["needs manual grade"] == "yes"
    assert (line["ex1"], line["ex1-plot_data"]) == ("0", "3.5")
    assert (line["why-it-converges"], line["why-it-converges max"]) == ("", "5")
    assert line["ex1.lesson_1"] == "", "there is no report"


def test_who_handed_in_nothing_has_0(lines: dict[str, Line]) -> None:
    line = lines["100002"]
    assert [line[name] for name in ("submitted at", "raw score", "score", "max score")] == [
        "",
        "0",
        "0",
        "115",
    ]
    assert (line["needs manual grade"], line["ex1"], line["ex1 max"]) == ("no", "", "")


def test_names_come_through_and_formulas_do_not_run(lines: dict[str, Line], table: Path) -> None:
    first, second, third = (lines[id] for id in ("100001", "100002", "100003"))
    assert (first["last name"], first["first name"]) == ('O"Neil, Jr', "Zoë\nÄnne")
    assert (second["last name"], second["first name"]) == (f"'{EVIL}", "'+49")
    assert (first["email"], second["email"]) == ("'+49@example.org", "'=1@example.org")
    assert (third["last name"], third["email"]) == ("'t Hooft", "")
    assert lines["jdoe;'=1+1"]["last name"] == ""
    assert b'"O""Neil, Jr"' in table.read_bytes()


def test_rows_are_sorted_by_name(table: Path) -> None:
    assert [line["student id"] for line in read(table)] == ["jdoe;'=1+1", "100003", "100002", "100001"]


def test_excel_and_rfc_4180_are_content(table: Path) -> None:
    data = table.read_bytes()
    assert data.startswith(b'\xef\xbb\xbf"assignment",')
    assert data.endswith(b"\r\n")
    assert b",110.5,3.3333,107.1667,115," in data, "numbers are not in quotes"


def test_only_what_was_chosen(course: Path, tmp_path: Path) -> None:
    file = export(Table, course, tmp_path / "x.csv", student=[100001, "100002"], assignment=[WORK])
    assert {line["student id"] for line in read(file)} == {"100001", "100002"}


@pytest.mark.parametrize(
    ("kind", "chosen", "said"),
    [
        (Table, {"assignment": ["pytorch"]}, "no assignment pytorch. It has: pytorch-workflow."),
        (moodle.Grades, {"student": ["7"]}, "no student 7. It has: 100001, 100002, 100003, jdoe;=1+1."),
    ],
)
def test_a_misspelt_choice_is_said(
    kind: type[GradesExport],
    chosen: dict[str, list[object]],
    said: str,
    course: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(SystemExit, match="1"):
        export(kind, course, tmp_path / "x.csv", **chosen)
    assert said in caplog.text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [canvas.Grades, moodle.Feedback])
@pytest.mark.parametrize("to", ["missing/x.csv", "folder", "file/x.csv", "."])
def test_a_place_that_cannot_be_written_is_said(
    kind: type[GradesExport], to: str, course: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit, match="1"):
        export(kind, course, tmp_path / to)
    assert "can't be written to" in caplog.records[-1].getMessage()
    assert "Name another place with --to." in caplog.records[-1].getMessage()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [canvas.Grades, moodle.Feedback])
def test_no_folder_is_written_over(
    kind: type[GradesExport],
    course: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="1"):
        export(kind, course, Path("."))
    assert "it is a folder. Name another place with --to." in caplog.text


def test_a_file_that_was_there_stays_when_writing_fails(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("the old grades")

    def rows() -> Iterator[list[spreadsheet.Cell]]:
        yield ["half"]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        spreadsheet.write(file, rows(), mark=True)
    assert file.read_text() == "the old grades"
    assert list(tmp_path.iterdir()) == [file]


def test_missing_grades_are_said(course: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    export(Table, course, tmp_path / "x.csv")
    warning = next(record for record in caplog.records if record.levelno == logging.WARNING)
    assert warning.getMessage().startswith("4 answers of 2 students still wait to be graded by hand")
    assert "formgrader" in warning.getMessage()


def test_marks_from_before_the_work_was_graded_again_are_said(
    course: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        grade = gradebook.find_grade(MANUAL[0], BOOK, WORK, "100001")
        assert grade.manual_score == 3.5
        grade.needs_manual_grade = True
        gradebook.db.commit()
        lines = {line["student id"]: line for line in read(export(Table, course, tmp_path / "x.csv"))}
        grade.needs_manual_grade = False
        gradebook.db.commit()
    assert {name: line["needs manual grade"] for name, line in lines.items()} == {
        "100001": "again", "100002": "no", "100003": "yes", "jdoe;'=1+1": "yes"
    }  # fmt: skip
    assert "What 100001 handed in was graded again after a person had marked it" in caplog.text


def test_what_could_not_be_read_and_who_is_not_graded_is_said(
    course: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = Course(course, WORK)
    for student in ("100003", "newcomer"):
        ours.submitted(student).mkdir(parents=True)
    taken = Taken(hashlib.sha256(b"clean").hexdigest(), Submission("x", None, {}), "It is no notebook.")
    (ours.submitted("100003") / FILE).write_bytes(b"clean")
    ours.kept("100003").mkdir(parents=True, exist_ok=True)
    (ours.kept("100003") / "taken.json").write_bytes(msgspec.json.encode(taken))
    try:
        lines = {line["student id"]: line for line in read(export(Table, course, tmp_path / "x.csv"))}
    finally:
        shutil.rmtree(course / "submissions")
        shutil.rmtree(ours.kept("100003"))
    assert {name: line["notes"] for name, line in lines.items()} == dict.fromkeys(lines, "") | {
        "100003": "It is no notebook."
    }
    assert "Handed in, and not in the gradebook: newcomer. Autograde first." in caplog.text


@pytest.mark.parametrize("content", [b"{", b'{"schema": 1}', b"\xff"])
def test_a_broken_report_leaves_its_columns_empty(
    content: bytes, course: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = course / "kept" / "100003" / WORK / "report.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_bytes(content)
    try:
        lines = {line["student id"]: line for line in read(export(Table, course, tmp_path / "x.csv"))}
    finally:
        report.unlink()
    assert lines["100003"]["ex1.lesson_1"] == ""
    assert lines["100001"]["ex1.lesson_1"] == "1"
    assert f"{report} can't be read" in caplog.text


def test_canvas_finds_its_columns_and_its_students(course: Path, tmp_path: Path) -> None:
    """As lib/gradebook_importer.rb checks them: by position, and the ID with `to_i`."""
    file = export(canvas.Grades, course, tmp_path / "canvas.csv")
    assert file.read_bytes().startswith(b'"Student","ID","SIS User ID","SIS Login ID","Section",')
    with file.open(encoding="utf-8", newline="") as handle:
        head, most, *students = csv.reader(handle, strict=True)
    assert head[5:] == [WORK]
    assert most == ["    Points Possible", "", "", "", "", "115"]
    assert students == [
        ["jdoe;'=1+1", "", "jdoe;'=1+1", "jdoe;'=1+1", "", "9.5"],
        ["'t Hooft, back\\slash\\", "100003", "", "", "", "0"],
        ['O"Neil, Jr, Zoë Änne', "100001", "", "", "", "107.1667"],
    ], "no line for a student without a submission: an empty cell would delete, a 0 replace what Canvas has"


def test_moodle_finds_its_columns_and_its_participants(course: Path, tmp_path: Path) -> None:
    lines = read(export(moodle.Grades, course, tmp_path / "moodle.csv"))
    assert {"Identifier", "Grade", "Last modified (grade)"} < set(lines[0])
    assert "Feedback comments" not in lines[0], "an empty one would delete what was written in Moodle"
    keys = ("Identifier", "Grade", "Maximum grade", "Last modified (grade)")
    assert [[line[key] for key in keys] for line in lines] == [
        ["Participant 100003", "0", "115", ""],
        ["Participant 100002", "", "115", ""],
        ["Participant 100001", "107.1667", "115", ""],
    ]
    assert [line["Full name"] for line in lines] == [
        "back/slash/ 't Hooft",
        f"'+49 {EVIL}",
        'Zoë Änne O"Neil, Jr',
    ]
    assert [line["Status"] for line in lines][:2] == ["Submitted for grading", "No submission"]


def test_moodle_says_who_is_left_out(course: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    export(moodle.Grades, course, tmp_path / "moodle.csv")
    assert "1 students are left out: their ids are no participant numbers." in caplog.text
    assert "set it to 115 there" in caplog.text


def test_feedback_goes_back_to_moodle_by_its_names(
    course: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As is_valid_filename_for_import takes them apart; our own reading of Moodle's names does the same."""
    pages = {"100001": "<p>Zoë: well done</p>", "jdoe;=1+1": "<p>no participant</p>"}
    for student, text in pages.items():
        page = Course(course, WORK).feedback(student) / f"{BOOK}.html"
        page.parent.mkdir(parents=True)
        page.write_text(text)
    try:
        with zipfile.ZipFile(export(moodle.Feedback, course, tmp_path / "feedback.zip")) as archive:
            found = {name: archive.read(name).decode() for name in archive.namelist()}
    finally:
        shutil.rmtree(course / "feedback")
    (name,) = found
    assert (lms.parse(name), found[name]) == (lms.Export("100001", f"{BOOK}.html"), pages["100001"])
    assert "jdoe;=1+1, 100003, 100002 left out" in caplog.text


def test_canvas_says_who_is_left_out(course: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    export(canvas.Grades, course, tmp_path / "canvas.csv")
    assert "1 students handed in nothing and are left out: their grades in Canvas stay." in caplog.text


@pytest.mark.parametrize("kind", [canvas.Grades, moodle.Grades])
def test_one_assignment_a_file(
    kind: type[GradesExport], course: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "course"
    copy.mkdir()
    (copy / "gradebook.db").write_bytes((course / "gradebook.db").read_bytes())
    with Gradebook(f"sqlite:///{copy}/gradebook.db") as gradebook:
        gradebook.add_assignment("another")
    to = tmp_path / "out" / "x.csv"
    to.parent.mkdir()
    with pytest.raises(SystemExit, match="1"):
        export(kind, copy, to)
    assert "choose it with --assignment. There are: another, pytorch-workflow." in caplog.text
    assert export(kind, copy, to, assignment=[WORK]).exists()


def test_the_command(course: Path, tmp_path: Path) -> None:
    command = [BIN / "nbgrader", "export", "--exporter=grading.course.canvas.Grades"]
    run = subprocess.run(
        [*command, "--to", tmp_path / "canvas.csv", "--assignment", WORK, "--student", "100001"],
        cwd=course,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "Written: " in run.stderr
    assert [line["ID"] for line in read(tmp_path / "canvas.csv")] == ["", "100001"]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(st.one_of(st.text(), st.integers()), min_size=2, max_size=2)))
@example([["\r\n=1+1", "＝1"], ["a;=1", ' "=1'], ["\t-1", "\n"], ["x\n@y", ""]])
def test_any_text_comes_back_and_none_is_a_formula(rows: list[list[str | int]]) -> None:
    file = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp", f"export-{os.getpid()}.csv")
    try:
        spreadsheet.write(file, rows, mark=True)
        with file.open(encoding="utf-8-sig", newline="") as handle:
            back = list(csv.reader(handle, strict=True))
    finally:
        file.unlink(missing_ok=True)
    for row, fields in zip(rows, back, strict=True):
        for cell, field in zip(row, fields, strict=True):
            if isinstance(cell, int):
                assert field == str(cell)
            else:
                assert field.replace("'", "") == cell.replace("'", ""), "only apostrophes are added"
                assert not field.startswith(tuple("=+-@\t\r\n\0＝＋－＠"))
                assert not any(part.lstrip(' "').startswith(tuple("=+-@")) for part in field.split(";"))
