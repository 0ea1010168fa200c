"""Collecting: the time that counts is not the student's to choose, and no file of a submission does harm."""

import os
import re
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.utils import parse_utc

from grading.course import collect, received
from grading.submissions import MODULES, Refused, read
from grading.tests import commands
from grading.tests.test_classes import METADATA
from grading.tests.test_submissions import BODY, NOTEBOOK, zipped

KIT = Path(__file__).resolve().parents[2]
EX1, EX2 = MODULES[:2]
PS = "pytorch-workflow"
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
CONFIG = f"""
import sys
sys.path.insert(0, {str(KIT)!r})
c = get_config()
c.CourseDirectory.course_id = "kurs"
c.Exchange.root = {{root!r}}
c.ExchangeFactory.collect = "grading.course.collect.Collect"
c.ExchangeCollect.check_owner = False
c.ZipCollectApp.extractor_plugin = "grading.course.zip_collect.Extractor"
c.ZipCollectApp.collector_plugin = "grading.course.zip_collect.Collector"
"""


class Course:
    """A course with an exchange beside it."""

    def __init__(self, where: Path) -> None:
        self.root = where / "course"
        self.inbound = where / "exchange" / "kurs" / "inbound"
        self.archive = self.root / "downloaded" / PS / "archive"
        for folder in (self.inbound, self.archive):
            folder.mkdir(parents=True)
        (self.root / "nbgrader_config.py").write_text(CONFIG.format(root=str(where / "exchange")))

    def submit(self, student: str, when: str = "2001-01-01 00:00:00.000000 UTC", random: str = "abc") -> Path:
        """What `nbgrader submit` leaves in the exchange, at a time of the student's choice."""
        folder = self.inbound / f"{student}+{PS}+{when}+{random}"
        folder.mkdir()
        (folder / "work.ipynb").write_bytes(NOTEBOOK)
        (folder / "timestamp.txt").write_text(when)
        for path in (folder / "work.ipynb", folder / "timestamp.txt", folder):
            os.utime(path, (978307200, 978307200))
        return folder

    def run(self, *command: str) -> str:
        """What an nbgrader command says; it must succeed."""
        done = commands.nbgrader(self.root, *command, PS)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def submitted(self, student: str) -> Path:
        return self.root / "submitted" / student / PS

    def files(self, student: str) -> list[str]:
        folder = self.submitted(student)
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())

    def students(self) -> list[str]:
        return sorted(path.name for path in (self.root / "submitted").iterdir())

    def stamp(self, student: str) -> datetime:
        """The time that nbgrader reads; the same is remembered."""
        naive = parse_utc((self.submitted(student) / "timestamp.txt").read_text())
        assert received.when(self.root, PS, student) == naive.replace(tzinfo=UTC)
        return naive.replace(tzinfo=UTC)


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    monkeypatch.setenv(
        "PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    )  # nbgrader calls alembic
    return Course(tmp_path)


# From the exchange


def test_collecting_from_the_exchange(course: Course, tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("SECRET")
    started = datetime.now(UTC) - timedelta(seconds=1)  # the clock of files is a little behind
    course.submit("forged")
    course.submit("junkname", "whenever I like")
    (course.submit("junkstamp") / "timestamp.txt").write_bytes(b"\xff\0 next week")
    (course.submit("plus+sign")).joinpath("more").mkdir()
    linked = course.submit("linked")
    (linked / "ex1_dataset.py").symlink_to(secret)
    (linked / "home").symlink_to(tmp_path)
    (linked / "timestamp.txt").unlink()
    (linked / "timestamp.txt").symlink_to(secret)
    pipe = course.submit("pipe")
    os.mkfifo(pipe / "ex2_model.py")
    (pipe / "timestamp.txt").unlink()
    os.mkfifo(pipe / "timestamp.txt")
    (course.submit("folder") / "timestamp.txt").unlink()
    (course.inbound / f"folder+{PS}+2001-01-01 00:00:00.000000 UTC+abc" / "timestamp.txt").mkdir()
    (course.inbound / f"file+{PS}+x+y").write_text("no folder")
    (course.inbound / f"all+{PS}+x+y").symlink_to(tmp_path)
    (course.inbound / f"[x]+{PS}+x+y").mkdir()
    (course.submit("huge") / "data").open("wb").truncate(200 << 20)

    said = course.run("collect")
    good = ["folder", "forged", "junkname", "junkstamp", "linked", "pipe", "plus+sign"]
    assert course.students() == good
    for student in good:
        assert course.files(student) == ["timestamp.txt", "work.ipynb"]
        assert started < course.stamp(student) < datetime.now(UTC)
        assert (course.submitted(student) / "work.ipynb").read_bytes() == NOTEBOOK
    assert secret.read_text() == "SECRET"
    for name in ("file+", "all+", "[x]+", "huge+"):
        assert f"Not collected: '{name}" in said
    assert "'data' is larger than" in said
    assert "'forged+" in said and "counts as received at" in said  # its files are dated 2001
    for name in ("ex1_dataset.py", "home", "timestamp.txt"):
        assert f"Left out: '{name}' in 'linked+" in said
    assert "Left out: 'ex2_model.py' in 'pipe+" in said

    # Nobody handed in again, then one did: under an older name, and with an older stamp.
    before = {student: course.stamp(student) for student in good}
    again = course.submit("forged", "1999-01-01 00:00:00.000000 UTC", "xyz")
    (again / EX1).write_bytes(BODY)
    said = course.run("collect", "--update")
    assert course.files("forged") == [EX1, "timestamp.txt", "work.ipynb"]
    assert before["forged"] < course.stamp("forged") < datetime.now(UTC)
    assert all(course.stamp(student) == before[student] for student in good if student != "forged")
    assert re.findall("Collecting submission: (\\w+)", said) == ["forged", "huge"]
    assert not list((course.root / "submitted" / "forged").glob(".*"))

    # Due between the two: the one before counts. What is collected first is not touched by a plain `collect`.
    due = before["forged"] + (course.stamp("forged") - before["forged"]) / 2
    with Gradebook(f"sqlite:///{course.root}/gradebook.db", "kurs") as gradebook:
        gradebook.add_assignment(PS, duedate=due.replace(tzinfo=None))
    course.submit("late", "1999-01-01 00:00:00.000000 UTC")
    course.run("collect", "--before-duedate")
    assert course.stamp("forged") == before["forged"]
    assert course.files("forged") == ["timestamp.txt", "work.ipynb"]
    assert course.stamp("late") > due


def test_a_change_after_submitting_is_received_late(course: Course) -> None:
    folder = course.submit("s")
    early = collect.times(folder).changed
    time.sleep(0.02)
    deep = folder / "a"
    deep.mkdir()
    (deep / EX1).write_bytes(BODY)
    os.utime(deep / EX1, (978307200, 978307200))
    second = collect.times(folder).changed
    time.sleep(0.02)
    (deep / EX1).rename(deep / EX2)
    third = collect.times(folder).changed
    time.sleep(0.02)
    shutil.rmtree(deep)
    assert early < second < third < collect.times(folder).changed
    moved = folder.rename(folder.with_name("t"))
    assert collect.times(moved).dated < datetime.now(UTC)
    os.utime(moved, (1 << 33, 1 << 33))
    assert collect.times(moved).changed < datetime.now(UTC) < collect.times(moved).dated


def test_a_tree_without_end_or_on_another_file_system_is_refused(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = course.submit("s")
    monkeypatch.setattr("grading.trees.MOST_ENTRIES", 1)
    with pytest.raises(Refused, match="more than 1 files"):
        collect.times(folder)
    monkeypatch.undo()
    stat = os.stat
    monkeypatch.setattr(
        os, "stat", lambda path, **options: stat("/proc" if path == course.inbound else path, **options)
    )
    with pytest.raises(Refused, match="another file system"):
        collect.times(folder)


# From an export


def test_a_moodle_export_with_hostile_files_in_it(course: Course, tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "bomb.zip", {EX1: bytes(50 << 20)}).read_bytes()
    zipped(
        course.archive / "Kurs-Exercise-77.zip",
        {
            **{f"Jane Doe_12_assignsubmission_file_/{name}": BODY for name in MODULES},
            "Jane Doe_12_assignsubmission_file_/timestamp.txt": b"2001-01-01 00:00:00 UTC",
            "Jane Doe_12_assignsubmission_onlinetext_/onlinetext.html": b"<p>done</p>",
            "Jim Roe_13_assignsubmission_file_/my work.ipynb": NOTEBOOK,
            f"Jim Roe_13_assignsubmission_file_/../../{EX1}": BODY,
            "Joe Poe_14_assignsubmission_file_/bomb.zip": bomb,
            f"Lea Loe_15_assignsubmission_file_/{EX1}": bytes(50 << 20),
            f"Lea Loe_15_assignsubmission_file_/{EX2}": BODY,
            "Mia Moe_16_assignsubmission_file_/report.pdf": b"%PDF",
            "Noe\x1b[2J_17_assignsubmission_file_/a\x1b[2J/b.ipynb": NOTEBOOK,
        },
    )
    received.record(course.root, PS, "12", LONG_AGO)
    said = course.run("zip_collect")
    assert course.students() == ["12", "13", "14", "15", "17"]
    assert course.files("12") == [f"Jane Doe_12_assignsubmission_file_/{name}" for name in MODULES]
    assert course.files("13") == ["my work.ipynb"]
    assert course.files("15") == [EX2]
    assert course.files("17") == ["a_[2J/b.ipynb"]
    with pytest.raises(Refused, match="larger than 1 MB"):
        read(course.submitted("14"))
    assert received.when(course.root, PS, "12") is None
    assert "leads out of the zip" in said
    assert "larger than 1 MB" in said
    assert "no module, no notebook and no zip" in said
    assert "\x1b[2J" not in said


def test_a_canvas_export_unpacked(course: Course, tmp_path: Path) -> None:
    for i, name in enumerate(MODULES):
        (course.archive / f"doejane_LATE_42_{70000 + i}_{name[:-3]}-{i}.py").write_bytes(BODY)
    for name in (f"roejim_43_80000_{EX1}", f"roejim_43_80001_{EX1[:-3]}-1.py", "poejoe_44_90000_x.ipynb"):
        (course.archive / name).write_bytes(NOTEBOOK)
    (course.archive / f"moe_45_90001_{EX1}").symlink_to(tmp_path / "course" / "nbgrader_config.py")
    os.mkfifo(course.archive / f"moe_45_90002_{EX2}")
    said = course.run("zip_collect")
    assert course.students() == ["42", "43", "44"]
    assert course.files("42") == [*MODULES]
    assert course.files("44") == ["x.ipynb"]
    with pytest.raises(Refused, match="is there twice"):
        read(course.submitted("43"))
    assert "is a symbolic link" in said
    assert "a device, a pipe or a socket" in said


def test_a_gradescope_export_says_when(course: Course) -> None:
    files = {f"assignment_9_export/submission_{number}/{EX1}": BODY for number in (111, 222, 333)}
    zipped(
        course.archive / "submissions.zip", files | {"assignment_9_export/submission_metadata.yml": METADATA}
    )
    course.run("zip_collect")
    assert course.stamp("111") == datetime(2026, 4, 26, 17, 34, 0, 861687, UTC)
    assert course.stamp("222") == datetime(2026, 4, 26, 18, tzinfo=UTC)
    assert course.files("333") == [EX1]
    assert received.when(course.root, PS, "333") is None


# What is remembered


def test_times_are_remembered_in_utc(tmp_path: Path) -> None:
    when = datetime.fromisoformat("2026-05-01T12:00:00.5+02:00")
    assert received.when(tmp_path, PS, "s") is None
    received.record(tmp_path, PS, "s", when)
    assert (tmp_path / "kept" / "s" / PS / "received.txt").read_text() == "2026-05-01T10:00:00.500000+00:00\n"
    assert received.when(tmp_path, PS, "s") == when
    received.record(tmp_path, PS, "s", datetime(2026, 6, 1))
    assert received.when(tmp_path, PS, "s") == datetime(2026, 6, 1, tzinfo=UTC)
    received.forget(tmp_path, PS, "s")
    received.forget(tmp_path, PS, "s")
    assert received.when(tmp_path, PS, "s") is None


@pytest.mark.parametrize(
    "text", ["", "junk", "\0", "2026-13-01", "0001-01-01T00:00:00+23:00", "é", "2026-05-01T10:00\n\nx"]
)
def test_a_damaged_time_is_said(tmp_path: Path, text: str) -> None:
    received.record(tmp_path, PS, "s", LONG_AGO)
    file = received.place(tmp_path, PS, "s")
    file.write_text(text)
    with pytest.raises(Refused, match=r"received.txt holds no time, but .* Write 2026-"):
        received.when(tmp_path, PS, "s")
    received.record(tmp_path, PS, "s", LONG_AGO)
    assert received.when(tmp_path, PS, "s") == LONG_AGO
    file.unlink()
    file.mkdir()
    assert received.when(tmp_path, PS, "s") is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-01 12:00+02:00",
        "2026-05-01T10:00:00Z\n",
        "2026-05-01 10:00",
        "2026-05-01 10:00:00.000000 UTC",
    ],
)
def test_a_time_may_be_written_by_hand(tmp_path: Path, text: str) -> None:
    received.record(tmp_path, PS, "s", LONG_AGO)
    received.place(tmp_path, PS, "s").write_text(text)
    assert received.when(tmp_path, PS, "s") == datetime(2026, 5, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("student", ["", "..", "../x", "a/b", "a\0b", ".x"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, student: str) -> None:
    with pytest.raises(Refused):
        received.record(tmp_path, PS, student, LONG_AGO)
    with pytest.raises(Refused):
        received.when(tmp_path, student, "s")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["none", "file", "link", "dangling", "folder", "pipe", "hard link"])
def test_the_stamp_replaces_whatever_is_there(tmp_path: Path, kind: str) -> None:
    folder, secret = tmp_path / "s", tmp_path / "secret"
    folder.mkdir()
    secret.write_text("SECRET")
    file = folder / "timestamp.txt"
    for when in (None, LONG_AGO, None):
        if file.exists():
            file.unlink()
        make = {
            "none": lambda: None,
            "file": lambda: file.write_bytes(b"\xff"),
            "link": lambda: file.symlink_to(secret),
            "dangling": lambda: file.symlink_to(tmp_path / "nowhere"),
            "folder": lambda: (file / "a" / "b").mkdir(parents=True),
            "pipe": lambda: os.mkfifo(file),
            "hard link": lambda: os.link(secret, file),
        }
        make[kind]()
        received.stamp(folder, when)
        assert os.path.lexists(file) == (when is not None)
        if when:
            assert file.read_text() == "2001-01-01 00:00:00.000000 UTC"
            assert parse_utc(file.read_text()) == datetime(2001, 1, 1)
    assert secret.read_text() == "SECRET"
    assert sorted(os.listdir(tmp_path)) == ["s", "secret"]
