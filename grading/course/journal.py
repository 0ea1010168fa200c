"""Which submission is being converted: nbgrader skips what has a folder in autograded/, finished or not.

A marker in kept/ is there and locked while a student's notebook is converted. One that nobody holds was left behind
by a run that was killed: its half-made folder goes, so that the submission is graded again.
"""

import fcntl
import os
from pathlib import Path

from nbgrader.utils import rmtree

from grading.course.intake import Course

_held: list[int] = []  # the marker's descriptor: one converter in one process, one student at a time


def begin(assignment: str, student: str, notebooks: list[str]) -> None:
    """nbgrader's pre_convert_hook. `notebooks` has the path of the student's notebook; the others may be patterns."""
    _release()  # of one that failed
    marker = _marker(notebooks)
    descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    _held.append(descriptor)


def end(assignment: str, student: str, notebooks: list[str]) -> None:
    """nbgrader's post_convert_hook."""
    _marker(notebooks).unlink(missing_ok=True)
    _release()


def _release() -> None:
    while _held:
        os.close(_held.pop())


def _marker(notebooks: list[str]) -> Path:
    folder = Path(notebooks[0]).absolute().parent  # ROOT/submitted/STUDENT/ASSIGNMENT
    return Course(folder.parents[2], folder.name).kept(folder.parent.name) / "converting"


def recover(course: Course, student: str) -> bool:
    """Take away what a killed run left half made. Whether there was anything."""
    marker = course.kept(student) / "converting"
    try:
        descriptor = os.open(marker, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # another run is at it right now
        return False
    else:
        if course.autograded(student).exists():
            rmtree(str(course.autograded(student)))
        marker.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)
