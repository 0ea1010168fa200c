"""Which notebook of a student's is graded: nbgrader skips what has a folder in autograded/, finished, outdated or not.

kept/STUDENT/ASSIGNMENT/graded holds the sha256 of the clean notebook that was graded last, and that of what its cells
were worth. It is empty, and locked, while one is being converted: a run that is killed leaves it empty, and the folder
that it half made is made again.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from nbgrader.utils import rmtree

from grading.course.intake import Course

# The descriptor, and what to write in the end: one student at a time in one process.
_held: list[tuple[int, bytes]] = []


def begin(assignment: str, student: str, notebooks: list[str]) -> None:
    """nbgrader's pre_convert_hook. `notebooks` has the path of the student's notebook; the others may be patterns."""
    release()  # of one that failed
    course, name = _whose(notebooks)
    taken = course.taken(name)
    descriptor = os.open(course.kept(name) / "graded", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.ftruncate(descriptor, 0)
    _held.append((descriptor, _mark(course, taken.clean) if taken else b""))


def end(assignment: str, student: str, notebooks: list[str]) -> None:
    """nbgrader's post_convert_hook."""
    course, name = _whose(notebooks)
    if course.feedback(name).exists():  # it tells of the points before
        rmtree(str(course.feedback(name)))
    for descriptor, mark in _held:
        os.write(descriptor, mark)
    release()


def release() -> None:
    """Whatever is being converted was left half done."""
    while _held:
        os.close(_held.pop()[0])


def _whose(notebooks: list[str]) -> tuple[Course, str]:
    folder = Path(notebooks[0]).absolute().parent  # ROOT/submissions/STUDENT/ASSIGNMENT
    return Course(folder.parents[2], folder.name), folder.parent.name


def is_graded(course: Course, student: str, clean: str) -> bool:
    """Whether this notebook has been graded. What is there of another one, or half made, is taken away."""
    if not course.autograded(student).exists():
        return False
    descriptor = os.open(course.kept(student) / "graded", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.read(descriptor, 200) == _mark(course, clean):
            return True
        rmtree(str(course.autograded(student)))
        return False
    except BlockingIOError:  # another run is at it right now
        return True
    finally:
        os.close(descriptor)


def forget(course: Course, student: str) -> None:
    """It is to be graded again, also if this run is killed before it comes to it."""
    with contextlib.suppress(FileNotFoundError, BlockingIOError):  # nothing known, or another run is at it
        descriptor = os.open(course.kept(student) / "graded", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)


def _mark(course: Course, clean: str) -> bytes:
    return f"{clean} {course.worth}".encode()
