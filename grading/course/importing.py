"""`python -m grading course import DIR SUBMISSIONS`: a class's submissions, notebooks or modules, into the course."""

from pathlib import Path

from rich.console import Console

from grading.classes import each
from grading.course import received
from grading.course.intake import Course, put
from grading.course.source import ASSIGNMENT
from grading.submissions import Refused, Submission, digest


def import_class(root: Path, path: Path) -> int:
    """Write a clean notebook for each; say what was new. Exit status: 0, or 1 when some could not be read.

    A submission that is there already, the same one, is left as it is. Raises Refused.
    """
    course, say = Course(root, ASSIGNMENT), Console(highlight=False, soft_wrap=True, markup=False)
    template = course.template()
    counts = {"new": 0, "changed": 0, "unchanged": 0, "unread": 0}
    for handed in each(path):
        before = course.taken(handed.student)
        submission = handed.submission or Submission(handed.student, handed.student, {})
        if before and (digest(before.submission), before.refused) == (digest(submission), handed.refused):
            counts["unchanged"] += 1
        else:
            counts["unread" if handed.refused else "changed" if before else "new"] += 1
            put(course, handed.student, template, submission, handed.refused)
        if handed.refused:
            say.print(f"{handed.student}: {handed.refused}", style="red")
        if handed.received:
            received.record(root, ASSIGNMENT, handed.student, handed.received)
        else:
            received.forget(root, ASSIGNMENT, handed.student)
        received.stamp(course.submitted(handed.student), handed.received)
    if not sum(counts.values()):
        raise Refused(f"{path} holds no submissions.")
    say.print(", ".join(f"{number} {kind}" for kind, number in counts.items() if number) + ".")
    return 1 if counts["unread"] else 0
