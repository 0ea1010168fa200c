"""The intake takes the modules or the notebook out of whatever is handed in, and nothing else, at no risk."""

import io
import json
import os
import struct
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grading import lms, submissions, trees
from grading.submissions import MODULES, Refused, Submission, digest
from grading.tests import corpus
from grading.trees import plain, shown
from tests.coach import run
from tests.harness.student import FUNCTIONS

EX1, EX2 = MODULES[:2]
BODY = b"def pick_device():\n    return 'cpu'\n"
NOTEBOOK = json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": "x = 1"}]}).encode()
SETTINGS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow],
)


def tree(folder: Path, *names: str, body: bytes = BODY) -> Path:
    """A folder with these files. Returns the folder."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


def zipped(file: Path, members: Mapping[str, bytes] | Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    """A zip of these members. Returns the file."""
    pairs = members.items() if isinstance(members, Mapping) else members
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in pairs:
            archive.writestr(name, body)
    return file


def member(name: str, mode: int = 0, body: bytes = BODY) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info, body


def words(path: Path) -> str:
    """What the refusal of a submission says."""
    with pytest.raises(Refused) as refused:
        submissions.read(path)
    assert is_clear(str(refused.value))
    return str(refused.value)


def is_clear(message: str) -> bool:
    lines = message.splitlines()
    return 1 <= len(lines) <= 3 and all(line.isprintable() for line in lines) and len(message) < 1500


# What is taken


def test_the_modules_are_those_of_the_exercises() -> None:
    assert tuple(f"{module}.py" for module in FUNCTIONS) == MODULES


@pytest.mark.parametrize(
    ("inside", "told"), [("", ""), ("exercises/", None), ("repo-main/exercises/", "repo-main/exercises")]
)
def test_modules_are_found_anywhere_in_a_folder_or_a_zip(
    tmp_path: Path, inside: str, told: str | None
) -> None:
    folder = tree(tmp_path / "work", *(f"{inside}{name}" for name in MODULES), "README.md")
    file = zipped(tmp_path / "work.zip", {f"{inside}{name}": BODY for name in MODULES})
    for path in (folder, file):
        found = submissions.read(path)
        assert found == Submission(path.name, None, dict.fromkeys(MODULES, BODY), folder=told)


def test_a_copy_in_exercises_is_the_one_that_is_meant(tmp_path: Path) -> None:
    names = [f"{folder}/{name}" for folder in ("backup", "exercises") for name in MODULES]
    found = submissions.read(tree(tmp_path / "work", *names))
    assert found.modules.keys() == set(MODULES)
    assert (
        f"'exercises/{EX1}' is graded, copies of it in other folders are not: 'backup/{EX1}'" in found.notes
    )


def test_the_digest_is_that_of_the_practice_report(tmp_path: Path) -> None:
    part = tree(tmp_path / "part", EX2)
    for folder in (corpus.SOLUTIONS, part):
        assert digest(submissions.read(folder)) == run.digest(folder)


def test_a_notebook_has_a_digest_of_its_cells(tmp_path: Path) -> None:
    digests = set()
    for source in ("x = 1", "x = 2"):
        file = tmp_path / "n.ipynb"
        file.write_bytes(NOTEBOOK.replace(b"x = 1", source.encode()))
        digests.add(digest(submissions.read(file)))
    assert len(digests) == 2


def test_a_missing_module_is_absent(tmp_path: Path) -> None:
    assert list(submissions.read(tree(tmp_path / "a", EX2)).modules) == [EX2]


@pytest.mark.parametrize(
    "carried",
    [".git", ".venv", "venv", "node_modules", "__pycache__", "__MACOSX", ".ipynb_checkpoints", "tests", ".coach",
     "lib/site-packages"],
)  # fmt: skip
def test_what_is_carried_along_is_ignored(tmp_path: Path, carried: str) -> None:
    names = (
        f"deep/er/than/that/{EX1}",
        f"{carried}/{EX1}",
        f"{carried}/{EX2}",
        f"deep/._{EX1}",
        "deep/._x.ipynb",
    )
    folder = tree(tmp_path / "work", *names)
    for path in (folder, zipped(tmp_path / "work.zip", dict.fromkeys(names, BODY))):
        found = submissions.read(path)
        assert list(found.modules) == [EX1]
        assert found.notes == ()


def test_solutions_beside_exercises_are_not_the_students(tmp_path: Path) -> None:
    folder = tree(tmp_path / "kit", f"exercises/{EX1}", f"solutions/{EX1}", f"solutions/{EX2}")
    assert list(submissions.read(folder).modules) == [EX1]
    alone = tree(tmp_path / "other", f"solutions/{EX1}")
    assert list(submissions.read(alone).modules) == [EX1]
    assert list(submissions.read(folder / "solutions").modules) == [EX1, EX2]


def test_the_shallowest_copy_counts(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", f"a/{EX1}", f"a/b/{EX1}", f"a/b/c/{EX1}", body=b"deep")
    (folder / "a" / EX1).write_bytes(BODY)
    found = submissions.read(folder)
    assert found.modules == {EX1: BODY}
    assert found.notes == (
        f"'a/{EX1}' is graded, copies of it in other folders are not: 'a/b/{EX1}', 'a/b/c/{EX1}'",
    )


def test_two_copies_equally_deep_are_refused(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", f"a/{EX1}", f"b/{EX1}", EX2)
    assert f"'a/{EX1}' and 'b/{EX1}'" in words(folder)
    file = zipped(tmp_path / "work.zip", [(f"a/{EX1}", b""), (f"b/{EX1}", b"")])
    assert f"'a/{EX1}' and 'b/{EX1}'" in words(file)


def test_another_case_is_accepted_where_it_is_alone(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", "EX1_Dataset.py")
    found = submissions.read(folder)
    assert found.modules == {EX1: BODY}
    assert found.notes == (f"'EX1_Dataset.py' is graded as {EX1}",)
    tree(folder, EX1)
    assert f"{EX1} is there twice" in words(folder)


def test_a_file_under_another_name_is_pointed_out(tmp_path: Path) -> None:
    found = submissions.read(tree(tmp_path / "work", EX2, "ex1_dataset (1).py"))
    assert list(found.modules) == [EX2]
    assert found.notes == (f"no {EX1} was handed in. 'ex1_dataset (1).py': not graded under that name",)


def test_what_is_not_utf8_is_passed_on_with_a_note(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", EX1, body=b"x = '\xe9'\n")
    (folder / EX2).write_bytes(b"\0 def (")
    found = submissions.read(folder)
    assert found.modules == {EX1: b"x = '\xe9'\n", EX2: b"\0 def ("}
    assert found.notes == (f"'{EX1}' is not UTF-8 text: its exercise can't be graded",)


def test_nothing_to_grade_says_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    said = words(tree(tmp_path / "work", "a.txt", "b.txt", "c.txt", "d.txt"))
    assert "ex1_dataset.py … ex5_persistence.py" in said
    assert "'a.txt', 'b.txt', 'c.txt' and 1 more" in said
    assert "it is empty" in words(tree(tmp_path / "empty"))
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "exercises").symlink_to(tmp_path / "work")
    assert "Symbolic links are not followed" in words(tmp_path / "links")


# Notebooks and zips within


def test_one_notebook_is_taken_where_there_are_no_modules(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", "a/mine.ipynb", ".ipynb_checkpoints/mine.ipynb", body=NOTEBOOK)
    file = zipped(tmp_path / "work.zip", {"a/mine.ipynb": NOTEBOOK})
    for path in (folder, file, folder / "a" / "mine.ipynb"):
        found = submissions.read(path)
        assert found.modules == {}
        assert found.cells == (submissions.Cell(1, "x = 1"),)
        assert found.name == "mine.ipynb"


def test_two_notebooks_are_refused_and_modules_go_first(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", "a.ipynb", "b.ipynb", body=NOTEBOOK)
    assert "'a.ipynb', 'b.ipynb'" in words(folder)
    found = submissions.read(tree(folder, EX1))
    assert found.cells is None
    assert found.notes == ("not opened, since other files are graded: 'a.ipynb', 'b.ipynb'",)


def test_of_two_notebooks_the_one_that_was_handed_out_is_taken(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", "pytorch_workflow.ipynb", "pytorch_workflow_old.ipynb", body=NOTEBOOK)
    found = submissions.read(folder)
    assert found.name == "pytorch_workflow.ipynb"
    assert found.notes == ("not opened, since other files are graded: 'pytorch_workflow_old.ipynb'",)


def test_the_one_zip_of_a_folder_is_opened_but_no_zip_of_a_zip(tmp_path: Path) -> None:
    folder = tree(tmp_path / "Jane Doe_12_assignsubmission_file_", "report.pdf")
    zipped(folder / "homework.zip", {EX1: BODY, "another.zip": b""})
    found = submissions.read(folder)
    assert (found.name, found.student, found.modules) == (folder.name, "12", {EX1: BODY})
    zipped(folder / "more.zip", {EX1: BODY})
    assert "'homework.zip', 'more.zip'" in words(folder)
    inner = (folder / "homework.zip").read_bytes()
    assert "'homework.zip'" in words(zipped(tmp_path / "outer.zip", {"homework.zip": inner}))


# Learning management systems


@pytest.mark.parametrize(
    ("name", "student", "file"),
    [
        ("Jane Doe_123456_assignsubmission_file_", "123456", ""),
        ("Jane Doe_123456_assignsubmission_file", "123456", ""),
        ("Jane Doe_123456_assignsubmission_onlinetext_", "123456", ""),
        ("Jane Doe_123456_assignsubmission_file_ex1.zip", "123456", "ex1.zip"),
        ("Participant_77_assignsubmission_file_ex1_dataset.py", "77", EX1),
        ("Jane Doe_5_assignsubmission_file_doe_12_34567_x.zip", "5", "doe_12_34567_x.zip"),
        ("doejane_12345_67890_ex1_dataset.py", "12345", EX1),
        ("doejane_12345_67890_ex1_dataset-1.py", "12345", EX1),
        ("doejane_LATE_12345_67890_homework.zip", "12345", "homework.zip"),
        ("doejane_12345_67890_Roe_99_assignsubmission_file_x.zip", "12345", "Roe_99_assignsubmission_file_x.zip"),
        ("anon_Xy12Z_67890_ex1_dataset.py", "anon_Xy12Z", EX1),
        ("LATE_anon_Xy12Z_67890_ex1_dataset.py", "anon_Xy12Z", EX1),
        ("doe_jane12345_question_777_67890_ex1_dataset-2.py", "12345", EX1),
        ("submission_123456789", "123456789", ""),
        ("submission_123456789.zip", "123456789", ""),
    ],
)  # fmt: skip
def test_exported_names_tell_the_student(name: str, student: str, file: str) -> None:
    assert lms.parse(name) == lms.Export(student, file)


@pytest.mark.parametrize(
    "name", ["ex1_dataset.py", "homework", "week_2024_05_17_final", "hw_3_2024_jane", "submission_metadata.yml", ""]
)  # fmt: skip
def test_other_names_tell_none(name: str) -> None:
    assert lms.parse(name) is None


def test_canvas_files_of_one_student_make_a_submission(tmp_path: Path) -> None:
    names = [f"doejane_LATE_42_{70000 + i}_{name[:-3]}-{i}.py" for i, name in enumerate(MODULES)]
    folder = tree(tmp_path / "download", *names)
    found = submissions.read(folder)
    assert (found.student, tuple(found.modules)) == ("42", MODULES)
    assert found.notes[0] == f"'{names[0]}' is graded as {EX1}"
    tree(folder, f"roejim_43_80000_{EX1}")
    assert "the work of 2 students (42, 43)" in words(folder)


def test_a_whole_export_is_refused(tmp_path: Path) -> None:
    folder = tree(
        tmp_path / "class", f"A_1_assignsubmission_file_/{EX1}", f"B_2_assignsubmission_file_/{EX2}"
    )
    assert "the work of 2 students (1, 2)" in words(folder)
    other = "lecture_03_20261012_slides.ipynb"  # Canvas's way to name things, by chance
    assert submissions.read(tree(tmp_path / "one", EX1, other)).student is None
    mixed = tree(
        tmp_path / "mixed", f"A_1_assignsubmission_file_/{EX1}", "B_2_assignsubmission_file_/n.ipynb"
    )
    assert "the work of 2 students (1, 2)" in words(mixed)


def test_the_outermost_name_tells_the_student(tmp_path: Path) -> None:
    inside = f"Roe_99_assignsubmission_file_/{EX1}"
    assert submissions.read(tree(tmp_path / "submission_7", inside)).student == "7"
    assert submissions.read(tree(tmp_path / "plain", f"submission_7/{inside}")).student == "7"
    assert submissions.read(zipped(tmp_path / "doe_12_34567_x.zip", {inside: BODY})).student == "12"


# What is refused in a folder


def test_a_link_in_place_of_a_module_is_refused(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", EX2)
    secret = tmp_path / "secret.py"
    secret.write_text("SECRET")
    (folder / EX1).symlink_to(secret)
    assert f"'{EX1}' is a symbolic link" in words(folder)
    notebook = tmp_path / "notebook"
    notebook.mkdir()
    (notebook / "n.ipynb").symlink_to(secret)
    assert "'n.ipynb' is a symbolic link" in words(notebook)


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tree(tmp_path / "elsewhere", EX1)
    folder = tree(tmp_path / "work", EX2)
    (folder / "exercises").symlink_to(elsewhere)
    (folder / "loop").symlink_to(folder)
    found = submissions.read(folder)
    assert list(found.modules) == [EX2]
    assert found.notes == ("symbolic links are not followed: 'exercises', 'loop'",)


def test_a_link_to_a_submission_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree(tmp_path / "work", EX1))
    assert "is a symbolic link" in words(tmp_path / "link")


def test_a_pipe_or_a_folder_in_place_of_a_module_is_refused(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", EX2)
    os.mkfifo(folder / EX1)
    assert f"'{EX1}' is a device, a pipe or a socket" in words(folder)
    (tmp_path / "other" / EX1).mkdir(parents=True)
    assert f"'{EX1}' is a folder" in words(tmp_path / "other")


def test_devices_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="a device, a pipe or a socket"):
        trees.read_file("/dev/zero", 10, "zero")
    assert "can't be graded" in words(Path("/dev/null"))
    assert "can't be graded" in words(tree(tmp_path / "work", EX1) / EX1)


@pytest.mark.parametrize(
    ("swap", "why"), [(os.symlink, "can't be read"), (os.link, "changed while it was read")]
)
def test_a_file_swapped_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path, Path], None], why: str
) -> None:
    module = tree(tmp_path / "work", EX1) / EX1
    secret = tree(tmp_path / "outside", "secret") / "secret"
    lstat = os.lstat

    def look_then_swap(path: str, **options: int) -> os.stat_result:
        status = lstat(path, **options)
        if path == EX1:
            module.unlink()
            swap(secret, module)
        return status

    monkeypatch.setattr(os, "lstat", look_then_swap)
    assert f"'{EX1}' {why}" in words(tmp_path / "work")


def test_a_file_that_grows_while_it_is_read_is_refused() -> None:
    with pytest.raises(Refused, match="changed while it was read"):
        trees.read_file("/proc/self/status", 1 << 20, "status")


@pytest.mark.parametrize("path", ["nowhere", "a\0b", "\ud800", "no/where", ""])
def test_a_path_that_does_not_exist_is_refused(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words(Path(path))


def test_a_large_module_is_refused(tmp_path: Path) -> None:
    folder = tree(tmp_path / "work", EX1, body=b"#" * (1 << 20))
    assert len(submissions.read(folder).modules[EX1]) == 1 << 20
    (folder / EX1).write_bytes(b"#" * ((1 << 20) + 1))
    assert f"'{EX1}' is larger than 1 MB" in words(folder)
    assert f"'{EX1}' in 'w.zip' is larger than 1 MB" in words(
        zipped(tmp_path / "w.zip", {EX1: bytes(2 << 20)})
    )


def test_no_more_than_so_many_entries_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MOST_ENTRIES", 10)
    folder = tree(tmp_path / "work", EX1, *(f"d/{i}" for i in range(8)))
    file = zipped(tmp_path / "w.zip", {EX1: BODY} | {f"d/{i}": b"" for i in range(9)})
    assert list(submissions.read(folder).modules) == list(submissions.read(file).modules) == [EX1]
    tree(folder, "d/e")
    assert "more than 10 files and folders" in words(folder)
    assert "more than 10 files and folders" in words(
        zipped(file, {EX1: BODY} | {f"d/{i}": b"" for i in range(10)})
    )


def test_what_is_ignored_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MOST_ENTRIES", 10)
    tree(tmp_path / "work", EX1, *(f".git/{i}" for i in range(20)))
    assert list(submissions.read(tmp_path / "work").modules) == [EX1]


def test_what_lies_too_deep_is_not_looked_at(tmp_path: Path) -> None:
    names = [f"{'d/' * depth}{EX1}" for depth in (20, 21)]
    assert EX1 in submissions.read(tree(tmp_path / "a", names[0])).modules
    assert EX1 in submissions.read(zipped(tmp_path / "a.zip", {names[0]: BODY})).modules
    words(tree(tmp_path / "b", names[1]))
    words(zipped(tmp_path / "b.zip", {names[1]: BODY}))


# What is refused in a zip


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (f"../{EX1}", "leads out of the zip"),
        (f"a/../../{EX1}", "leads out of the zip"),
        (f"/{EX1}", "has an absolute path"),
        (f"a\\{EX1}", "has backslashes"),
        (f"..\\{EX1}", "has backslashes"),
        (f"C:/{EX1}", "starts with a drive letter"),
        (f"c:{EX1}", "starts with a drive letter"),
        ("../n.ipynb", "leads out of the zip"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str, why: str) -> None:
    assert why in words(zipped(tmp_path / "w.zip", {name: BODY}))


@pytest.mark.parametrize(
    ("mode", "why"),
    [(0o120777, "symbolic link"), (0o020666, "a device"), (0o010644, "a device"), (0o140644, "a device"),
     (0o040755, "a folder"), (0o170000, "a device")],
)  # fmt: skip
def test_members_that_are_no_files_are_refused(tmp_path: Path, mode: int, why: str) -> None:
    assert why in words(zipped(tmp_path / "w.zip", [member(EX1, mode), (EX2, BODY)]))
    fine = zipped(tmp_path / "w.zip", [member(EX1, 0o100644), member("a/", 0o040755), (f"./{EX2}", BODY)])
    assert list(submissions.read(fine).modules) == [EX1, EX2]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_in_a_zip_twice_is_refused(tmp_path: Path) -> None:
    file = zipped(tmp_path / "w.zip", [(EX1, b"a"), (EX1, b"b")])
    assert f"{EX1} is there twice" in words(file)


def patched(file: Path, *patches: tuple[bytes, int, bytes]) -> Path:
    """Write bytes over a zip: so far behind every place where a signature stands."""
    data = bytearray(file.read_bytes())
    for signature, offset, new in patches:
        at = data.find(signature)
        while at >= 0:
            data[at + offset : at + offset + len(new)] = new
            at = data.find(signature, at + 1)
    file.write_bytes(data)
    return file


LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    file = patched(zipped(tmp_path / "w.zip", {EX1: BODY}), (LOCAL, 6, b"\1"), (CENTRAL, 8, b"\1"))
    assert "is encrypted" in words(file)


@pytest.mark.parametrize("method", [1, 9, 12, 14, 93, 99])
def test_unusual_compression_is_refused(tmp_path: Path, method: int) -> None:
    field = struct.pack("<H", method)
    file = patched(zipped(tmp_path / "w.zip", {EX1: BODY}), (LOCAL, 8, field), (CENTRAL, 10, field))
    assert "compressed in an unusual way" in words(file)


@pytest.mark.parametrize("lie", [0, 5, len(BODY) + 1, 1 << 20])
def test_a_size_that_lies_is_refused(tmp_path: Path, lie: int) -> None:
    size = struct.pack("<L", lie)
    file = patched(zipped(tmp_path / "w.zip", {EX1: BODY}), (LOCAL, 22, size), (CENTRAL, 24, size))
    assert "is damaged" in words(file)


def test_a_bomb_is_refused_at_little_memory(tmp_path: Path) -> None:
    file = zipped(tmp_path / "w.zip", {EX1: bytes(100 << 20)})
    said = (1000, 0xFFFFFF, 100 << 20)
    for lie in said:
        size = struct.pack("<L", lie)
        patched(file, (LOCAL, 22, size), (CENTRAL, 24, size))
        tracemalloc.start()
        words(file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 << 20


def test_entries_that_overlap_are_refused(tmp_path: Path) -> None:
    file = zipped(tmp_path / "w.zip", [("aaa/ex1_dataset.py", BODY), ("bbb/ex2_model_.py", BODY)])
    data = bytearray(file.read_bytes())
    second = data.find(CENTRAL, data.find(CENTRAL) + 1)
    data[second + 42 : second + 46] = struct.pack("<L", 0)
    file.write_bytes(data)
    assert "overlap" in words(file)


def test_a_directory_of_a_million_entries_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "w.zip"
    entry = CENTRAL + bytes(42)
    count = 600_000
    file.write_bytes(entry * count + END + struct.pack("<4H2LH", 0, 0, 0, 0, len(entry) * count, 0, 0))
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("parsed"))
    assert "more than 20,000" in words(file)


def test_a_large_zip_and_what_is_no_zip_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "w.zip"
    for content in (b"", b"PK", b"not a zip" * 100, END + bytes(18)[:10]):
        file.write_bytes(content)
        assert "damaged, or no zip" in words(file)
    with file.open("wb") as stream:
        stream.truncate((32 << 20) + 1)
    assert "larger than 32 MB" in words(file)


def test_nothing_else_of_a_zip_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [member("../../etc/passwd", 0o120777), member("a\\b", 0o020000), member("README.md")]
    file = zipped(tmp_path / "w.zip", [*others, (EX1, BODY)])
    opened, opens = [], zipfile.ZipFile.open

    def watched(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
        opened.append(info.filename)
        return opens(archive, info)

    monkeypatch.setattr(zipfile.ZipFile, "open", watched)
    assert submissions.read(file).modules == {EX1: BODY}
    assert opened == [EX1]


# Hostile names


@pytest.mark.parametrize(
    "name", ["a\nb", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "x" * 4000, "\udcff\udcfe", "it's", "\U000e0001" * 300]
)  # fmt: skip
def test_hostile_names_are_shown_safely(name: str, tmp_path: Path) -> None:
    assert shown(name).isprintable()
    assert len(plain(name)) <= 102
    assert plain(name).encode()
    if len(name) < 200 and "\U000e0001" not in name:
        folder = tree(tmp_path / name, f"a/{name}/{EX1}", f"b/{name}/{EX1}")
        words(folder)
        words(zipped(tmp_path / "w.zip", {f"{plain(name)}\n/{i}/{EX1}": BODY for i in "ab"}))


# Whatever is handed in

FILES = st.one_of(
    st.sampled_from(
        [*MODULES, "EX1_DATASET.PY", f"doe_1_23456_{EX1[:-3]}-1.py", "n.ipynb", "m.ipynb", "w.zip"]
    ),
    st.text(min_size=1, max_size=20),
)
FOLDERS = st.one_of(
    st.sampled_from(
        ["a", "b", "solutions", "exercises", ".git", "__MACOSX", "submission_1", "submission_2", EX1]
    ),
    st.text(min_size=1, max_size=20),
)
BELOW = st.lists(FOLDERS, max_size=3)
BODIES = st.one_of(st.sampled_from([BODY, NOTEBOOK, b"\xff\xfe", bytes(2 << 20)]), st.binary(max_size=50))
MODES = st.sampled_from([0, 0, 0, 0o100644, 0o120777, 0o040755, 0o020666, 0o010600, 0xFFFF])
STARTS = st.sampled_from(["", "", "", "", "./", "../", "/", "C:", "a\\", "//", "a/../"])
MEMBERS = st.tuples(BELOW, FILES, STARTS, MODES, BODIES)
METHODS = st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA])


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """A zip with members of any name, kind and content; every second one with some bytes changed or cut off."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for below, name, start, mode, body in draw(st.lists(MEMBERS, max_size=5)):
            info, _ = member(start + "/".join([*below, name]), mode)
            info.compress_type = draw(METHODS)
            archive.writestr(info, body)
    data = bytearray(buffer.getvalue())
    if draw(st.booleans()):
        return bytes(data)
    headers = [at for signature in (LOCAL, CENTRAL, END) if (at := data.rfind(signature)) >= 0]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.sampled_from(headers)) + draw(st.integers(4, 50))
        data[at : at + 2] = draw(st.binary(min_size=2, max_size=2) | st.binary(max_size=4))
    return bytes(data[: draw(st.sampled_from([len(data)] * 5 + [len(data) // 2, len(data) - 3]))])


def snapshot(folder: Path) -> list[tuple[str, int, int, int]]:
    """Everything below a folder, so that a change shows."""
    found = []
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            status = os.lstat(os.path.join(parent, name))
            found.append((os.path.join(parent, name), status.st_mode, status.st_size, status.st_mtime_ns))
    return sorted(found)


def judged(folder: Path, path: Path) -> None:
    """The promise: a submission of nothing but the modules or cells, or a refusal, and nothing written."""
    before = snapshot(folder), os.getcwd(), set(os.listdir("/proc/self/fd"))
    found, refusal = None, None
    try:
        found = submissions.read(path)
    except Refused as refused:
        refusal = str(refused)
    assert refusal is None or is_clear(refusal)
    if found:
        assert set(found.modules) <= set(MODULES)
        assert all(len(data) <= 1 << 20 for data in found.modules.values())
        assert found.modules or found.cells is not None
        assert all(note.isprintable() and len(note) < 1500 for note in (*found.notes, found.name))
        assert len(found.notes) <= 20
        assert len(digest(found)) == 64
    assert (snapshot(folder), os.getcwd(), set(os.listdir("/proc/self/fd"))) == before


@SETTINGS
@given(archives())
@example(b"PK\5\6" + bytes(18))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_zip_is_read_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "w.zip").write_bytes(data)
        judged(folder, folder / "w.zip")


KINDS = st.sampled_from(["file", "file", "file", "folder", "link", "folder link", "pipe", "zip"])
ON_DISK = st.binary(max_size=30).map(os.fsdecode)
LAYOUTS = st.lists(st.tuples(BELOW, FILES | ON_DISK, KINDS, BODIES), max_size=6)


def on_disk(name: str) -> str:
    """The name, or the nearest one that a file can have."""
    name = name.replace("/", "_").replace("\0", "_")
    return "x" if name in ("", ".", "..") else name


@SETTINGS
@given(LAYOUTS, archives())
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_folder_is_read_or_refused(
    layout: list[tuple[list[str], str, str, bytes]], archive: bytes
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = tree(Path(name) / "work")
        secret = tree(Path(name) / "outside", *MODULES, body=b"SECRET")
        for below, last, kind, body in layout:
            place(
                folder.joinpath(*map(on_disk, below), on_disk(last)),
                kind,
                archive if kind == "zip" else body,
                secret,
            )
        judged(Path(name), folder)


def place(path: Path, kind: str, body: bytes, elsewhere: Path) -> None:
    """Put one thing into a folder; where something else stands already, leave it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "folder":
            path.mkdir()
        elif kind == "link":
            path.symlink_to(elsewhere / EX1)
        elif kind == "folder link":
            path.symlink_to(elsewhere)
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(body)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        return


@SETTINGS
@given(st.text(max_size=30) | st.text(alphabet="_0123456789aLATE", max_size=60))
def test_any_name_is_parsed_and_shown(name: str) -> None:
    export = lms.parse(name)
    assert export is None or (export.student and export.student.isascii())
    assert shown(name).isprintable()
