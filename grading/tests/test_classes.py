"""A whole class is read one by one, whatever it lies in, and one broken submission stops none of the others."""

import os
import time
import tracemalloc
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grading import classes, submissions
from grading.classes import Handed, each
from grading.submissions import MODULES, Refused
from grading.tests.test_submissions import BODY, NOTEBOOK, member, zipped

EX1, EX2 = MODULES[:2]
FIVE = dict.fromkeys(MODULES, BODY)
UNNAMED_7 = "unnamed-589ffd3acf52"  # "[7]" can be no student's id
UNNAMED_UP = "unnamed-5ec1f7e700f3"  # nor can ".."


def laid_out(where: Path, files: Mapping[str, bytes]) -> list[Path]:
    """The same files as a folder and as a zip."""
    folder = where / "class"
    for name, body in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return [folder, zipped(where / "export.zip", files)]


def below(folder: str, files: Mapping[str, bytes] = FIVE) -> dict[str, bytes]:
    return {f"{folder}/{name}": body for name, body in files.items()}


def packed(where: Path, files: Mapping[str, bytes] = FIVE) -> bytes:
    return zipped(where / "packed.zip", files).read_bytes()


def by_student(path: Path) -> dict[str, Handed]:
    handed = list(each(path))
    assert [one.student for one in handed] == sorted({one.student for one in handed})
    assert all(classes.path_part(one.student) for one in handed)
    assert all(bool(one.refused) == (one.submission is None) for one in handed)
    return {one.student: one for one in handed}


def modules(handed: Handed) -> list[str]:
    assert handed.submission, handed.refused
    assert handed.submission.student == handed.student
    return list(handed.submission.modules)


# Every layout


def test_a_folder_a_zip_or_a_notebook_for_each_student(tmp_path: Path) -> None:
    files = {
        **below("zoe/exercises"),
        "adam.zip": packed(tmp_path),
        "mia.ipynb": NOTEBOOK,
        "17/deep/er/ex1_dataset.py": BODY,
        ".DS_Store": b"",
        "__MACOSX/adam.zip": b"",
    }
    for path in laid_out(tmp_path, files):
        found = by_student(path)
        assert list(found) == ["17", "adam", "mia", "zoe"]
        assert modules(found["zoe"]) == modules(found["adam"]) == list(MODULES)
        assert modules(found["17"]) == [EX1]
        assert found["mia"].submission and found["mia"].submission.cells
        assert all(one.received is None for one in found.values())


def test_what_is_read_is_what_would_be_read_alone(tmp_path: Path) -> None:
    files = {**below("zoe", {"a/ex1_dataset.py": BODY, "a/b/ex1_dataset.py": b"", "my ex2_model.py": BODY})}
    alone = submissions.read(laid_out(tmp_path, files)[0] / "zoe")
    for path in (tmp_path / "class", tmp_path / "export.zip"):
        (handed,) = each(path)
        assert handed.submission
        assert (handed.submission.name, handed.submission.notes) == (alone.name, alone.notes)
        assert handed.submission.modules == alone.modules


def test_canvas_files_side_by_side(tmp_path: Path) -> None:
    files = {f"doejane_LATE_42_{70000 + i}_{name[:-3]}-{i}.py": BODY for i, name in enumerate(MODULES)}
    files |= {"roejim_43_80000_homework.zip": packed(tmp_path), "roejim_43_80001_report.pdf": b"%PDF"}
    files |= {"poejoe_44_90000_work.ipynb": NOTEBOOK, "loelea_45_90001_ex2_model.py": BODY}
    for path in laid_out(tmp_path, files):
        found = by_student(path)
        assert {student: len(modules(one)) for student, one in found.items()} == {
            "42": 5, "43": 5, "44": 0, "45": 1,
        }  # fmt: skip
        assert found["42"].submission and found["42"].submission.name == "42"


def test_moodle_folders_and_files(tmp_path: Path) -> None:
    files = below("Jane Doe_12_assignsubmission_file_")
    files["Jane Doe_12_assignsubmission_onlinetext_/onlinetext.html"] = b"<p>done</p>"
    files |= {f"Jim Roe_13_assignsubmission_file_{name}": BODY for name in MODULES}
    files["Joe Poe_14_assignsubmission_file_/homework.zip"] = packed(tmp_path)
    for path in laid_out(tmp_path, files):
        assert {student: len(modules(one)) for student, one in by_student(path).items()} == {
            "12": 5, "13": 5, "14": 5,
        }  # fmt: skip


METADATA = b"""\
submission_111:
  :submitters:
  - :name: Jane Doe
    :sid: '4711'
  :created_at: 2026-04-26 17:34:00.861687000 Z
  :results:
    output: |-
      submission_222:
        :created_at: 2020-01-01 00:00:00.000000000 Z
  :history:
  - :id: 110
    :created_at: 2026-04-01 10:00:00.000000000 Z
submission_222:
  :created_at: '2026-04-26 20:00:00 +02:00'
submission_333:
  :created_at: yesterday
submission_444:
  :created_at: 2026-04-27
"""


def test_gradescope_says_when(tmp_path: Path) -> None:
    files = {f"assignment_9_export/submission_{number}/{EX1}": BODY for number in (111, 222, 333, 555)}
    files["assignment_9_export/submission_222/submission_metadata.yml"] = METADATA.replace(b"2026", b"1999")
    files["assignment_9_export/submission_metadata.yml"] = METADATA
    for path in laid_out(tmp_path, files):
        found = by_student(path)
        assert {student: one.received for student, one in found.items()} == {
            "111": datetime(2026, 4, 26, 17, 34, 0, 861687, UTC),
            "222": datetime(2026, 4, 26, 18, tzinfo=UTC),
            "333": None,
            "555": None,
        }
        assert all(modules(one) == [EX1] for one in found.values())


def test_a_folder_made_into_a_zip_has_one_more_folder(tmp_path: Path) -> None:
    path = zipped(tmp_path / "monday.zip", {f"monday/{name}": BODY for name in (f"a/{EX1}", f"b/{EX1}")})
    assert list(by_student(path)) == ["a", "b"]
    path = zipped(tmp_path / "tuesday.zip", {f"adam/{name}": BODY for name in (f"one/{EX1}", f"two/{EX2}")})
    assert modules(by_student(path)["adam"]) == [EX1, EX2]


# Broken ones


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_broken_submissions_stop_none_of_the_others(tmp_path: Path) -> None:
    bomb = packed(tmp_path, {EX1: bytes(50 << 20)})
    files = {
        **below("good"),
        "bomb.zip": bomb,
        "junk.zip": b"junk",
        "climbs.zip": packed(tmp_path, {f"../../{EX1}": BODY}),
        "broken.ipynb": b"{",
        f"two/a/{EX1}": BODY,
        f"two/b/{EX1}": BODY,
        "report.pdf": b"%PDF",  # nobody's
        "twice.ipynb": NOTEBOOK,
        "twice.zip": packed(tmp_path),
        f"[7]/{EX1}": BODY,
        f"large/{EX1}": bytes(2 << 20),
    }
    says = {
        "good": "",
        "bomb": "larger than 1 MB",
        "junk": "damaged, or no zip",
        "climbs": "leads out of the zip",
        "broken": "is not a notebook",
        "two": f"{EX1} is there twice: 'a/{EX1}' and 'b/{EX1}'",
        "twice": "'twice' is there more than once: 'twice.ipynb', 'twice.zip'",
        UNNAMED_7: "'[7]' holds one of",
        "large": "larger than 1 MB",
    }
    for path in laid_out(tmp_path, files):
        found = by_student(path)
        assert found.keys() == says.keys()
        assert all(says[student] in one.refused for student, one in found.items())
        assert modules(found["good"]) == list(MODULES)


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    folder, _ = laid_out(tmp_path, below("good"))
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / EX1).write_text("SECRET")
    (folder / "linked").symlink_to(secret)
    (folder / "link.ipynb").symlink_to(secret / EX1)
    (folder / "inside").mkdir()
    (folder / "inside" / EX1).symlink_to(secret / EX1)
    os.mkfifo(folder / "pipe.zip")
    found = by_student(folder)
    assert "Symbolic links are not followed" in found["linked"].refused
    assert "is a symbolic link" in found["link"].refused
    assert "is a symbolic link" in found["inside"].refused
    assert "a device, a pipe or a socket" in found["pipe"].refused
    assert modules(found["good"]) == list(MODULES)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_no_lms_makes(tmp_path: Path) -> None:
    members = [
        member(f"../{EX1}"),
        member("./"),
        member(f"/etc/{EX1}"),
        member("mia.ipynb", body=NOTEBOOK),
        member("mia.ipynb", body=NOTEBOOK),
        member(f"adam/{EX1}", 0o120777),
        member(f"good/{EX1}"),
        member("good", body=b"a file of that name as well"),
    ]
    found = by_student(zipped(tmp_path / "export.zip", members))
    assert found.keys() == {UNNAMED_UP, "etc", "mia", "adam", "good"}
    assert "starts with a dot" in found[UNNAMED_UP].refused
    assert "has an absolute path" in found["etc"].refused
    assert "more than once" in found["mia"].refused
    assert "is a symbolic link" in found["adam"].refused
    assert modules(found["good"]) == [EX1]


def test_what_is_no_class_is_refused_in_words(tmp_path: Path) -> None:
    one, one_zipped = laid_out(tmp_path, FIVE)
    (tmp_path / "kit" / "exercises").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(one)
    (tmp_path / "junk.zip").write_bytes(b"junk")
    os.mkfifo(tmp_path / "pipe.zip")
    for name, why in (
        (one.name, "one submission"),
        (one_zipped.name, "one submission"),
        ("kit", "one submission"),
        ("empty", "holds no submissions"),
        ("link", "is no class"),
        ("pipe.zip", "is no class"),
        ("junk.zip", "damaged, or no zip"),
        ("nowhere", "can't be read: No such file"),
        ("a\0b", "is no path"),
        ("\ud800", "is no path"),
    ):
        with pytest.raises(Refused, match=why):
            list(each(tmp_path / name))


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "a/b", "a\0b", "a\nb", "*", " a", "x" * 201, "ä" * 101]
)
def test_what_can_be_no_part_of_a_path(name: str) -> None:
    with pytest.raises(Refused) as refused:
        classes.path_part(name)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["17", "Jane Doe", "anon_x7", "jürgen+1", "a..b", "x" * 200, "O'Neill"])
def test_what_can_be_part_of_a_path(name: str) -> None:
    assert classes.path_part(name) == name


# Large classes


def test_two_thousand_are_read_quickly_one_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "class"
    for number in range(2000):
        (folder / f"{number:04}").mkdir(parents=True)
        for name in MODULES:
            (folder / f"{number:04}" / name).touch()
    body = b"#" * 100_000
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(2000):
            archive.writestr(f"{number:04}/{EX1}", body)
    started = time.process_time()
    assert sum(len(modules(one)) for one in each(folder)) == 10_000
    assert time.process_time() - started < 5
    tracemalloc.start()
    count = sum(
        1 for one, _ in zip(each(tmp_path / "export.zip"), range(1000), strict=False) if one.submission
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 1000
    assert peak < 40 << 20  # the modules have 100 MB; what stays is the zip's directory
