"""When submissions were received, as collection saw it or the LMS recorded it: DIR/kept/STUDENT/ASSIGNMENT/received.txt.

Whether somebody is late is decided by nothing else. The timestamp.txt that comes with a submission is the student's
own word. An instructor who knows better than the clock may edit received.txt.
"""

import os
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

from grading.classes import path_part
from grading.trees import Refused, shown
from tests.coach.files import replace

STAMP = "timestamp.txt"
_FORMAT = "%Y-%m-%d %H:%M:%S.%f %Z"  # as nbgrader writes it and nbgrader.utils.parse_utc reads it


def record(course: Path, assignment: str, student: str, when: datetime) -> None:
    """Remember when a submission was received, in the place of what was known before. Raises Refused, OSError.

    A time without a zone is UTC, as everywhere in nbgrader.
    """
    file = place(course, assignment, student)
    file.parent.mkdir(parents=True, exist_ok=True)
    replace(file, f"{utc(when).isoformat()}\n".encode())


def forget(course: Path, assignment: str, student: str) -> None:
    """Nothing is known about when this submission was received. Raises Refused, OSError."""
    place(course, assignment, student).unlink(missing_ok=True)


def when(course: Path, assignment: str, student: str) -> datetime | None:
    """When the submission was received, in UTC; None where that isn't known.

    Raises Refused where somebody has written something there that is no time.
    """
    file = place(course, assignment, student)
    try:
        text = file.read_text("utf-8", errors="replace").strip()
    except OSError:
        return None
    try:
        return utc(datetime.fromisoformat(text.removesuffix(" UTC")))  # nbgrader's own way to write it
    except (ValueError, OverflowError):
        raise Refused(
            f"{file} holds no time, but {shown(text[:40])}. Write 2026-11-21 10:00 for UTC, or "
            "2026-11-21 10:00+01:00; or remove the file."
        ) from None


def stamp(folder: Path, when: datetime | None) -> None:
    """Make a submitted folder say when it was received, or nothing about it. Raises OSError.

    Whatever bore that name is removed; nothing is followed.
    """
    file = folder / STAMP
    if os.path.lexists(file):
        if stat.S_ISDIR(os.lstat(file).st_mode):
            shutil.rmtree(file)
        else:
            file.unlink()
    if when:
        with open(file, "x") as stream:  # never through a link
            stream.write(utc(when).strftime(_FORMAT))


def place(course: Path, assignment: str, student: str) -> Path:
    """Raises Refused for names that can't be parts of a path."""
    return course / "kept" / path_part(student) / path_part(assignment) / "received.txt"


def naive(when: datetime | None) -> datetime | None:
    """As nbgrader's gradebook has it: UTC, without saying so."""
    return utc(when).replace(tzinfo=None) if when else None


def utc(when: datetime) -> datetime:
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
