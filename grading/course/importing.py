"""`python -m grading course import DIR SUBMISSIONS`: a class's submissions, notebooks or modules, into the course."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from grading.classes import Handed, each
from grading.course import insist_on_a_course, received
from grading.course.intake import SUBMITTED, Course, put, typed
from grading.course.source import ASSIGNMENT
from grading.submissions import Refused, Submission

OWN = (SUBMITTED, "autograded", "feedback", "kept", "release", "source")  # a course's own folders


def import_class(root: Path, path: Path) -> int:
    """Write a clean notebook for each; say what was new. Exit status: 0, or 1 when some could not be read.

    A submission that is there already, the same one, is left as it is. Raises Refused.
    """
    insist_on_a_course(root)
    if root.resolve().is_relative_to(path.resolve()):
        raise Refused(f"{path} holds the course itself. Name the folder or the zip with the submissions.")
    for name in OWN:
        if path.resolve().is_relative_to((root / name).resolve()):
            raise Refused(f"{path} is the course's own folder. Name what was downloaded.")
    course, say = Course(root, ASSIGNMENT), Console(highlight=False, soft_wrap=True, markup=False)
    template = course.template()
    counts = {"new": 0, "changed": 0, "unchanged": 0, "unread": 0}
    changed = []
    for handed in _readable(path):
        before = course.taken(handed.student)
        submission = handed.submission or Submission(handed.student, handed.student, {})
        if handed.refused:
            say.print(f"{handed.student}: {handed.refused}", style="red")
        if before and (before.typed, before.refused) == (typed(submission), handed.refused):
            counts["unchanged"] += 1  # its time may have been corrected by hand
            continue
        counts["unread" if handed.refused else "changed" if before else "new"] += 1
        if before:
            changed.append(handed.student)
        for note in submission.notes:
            say.print(f"{handed.student}: {note}")
        put(course, handed.student, template, submission, handed.refused)
        if handed.received:
            received.record(root, ASSIGNMENT, handed.student, handed.received)
        else:
            received.forget(root, ASSIGNMENT, handed.student)
        received.stamp(course.submitted(handed.student), handed.received)
    say.print(", ".join(f"{number} {kind}" for kind, number in counts.items() if number) + ".")
    if changed:
        say.print(f"Handed in again: {', '.join(changed)}.")
    return 1 if counts["unread"] else 0


def _readable(path: Path) -> Iterator[Handed]:
    """A class of which something can be read: otherwise it is the wrong folder. Raises Refused."""
    unread: list[Handed] = []
    handed = each(path)
    for first in handed:
        unread.append(first)
        if not first.refused:
            yield from unread
            yield from handed
            return
    raise Refused(
        f"{path}: nothing in it can be read, so nothing was imported. The first: {unread[0].refused}"
    )
