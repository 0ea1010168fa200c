"""`nbgrader release_feedback`, for submitted folders that hold nothing of a student's any more."""

import os
import shutil
from pathlib import Path

from nbgrader.exchange.default import ExchangeReleaseFeedback
from nbgrader.utils import notebook_hash

from grading.course.intake import Course
from grading.course.source import NOTEBOOK
from grading.trees import Refused, read_file

SECRET = (
    "submission_secret.txt"  # written by `nbgrader submit`: the student's copy of it finds the feedback again
)
MOST_SECRET = 1000


class ReleaseFeedback(ExchangeReleaseFeedback):  # type: ignore[misc]  # nbgrader is untyped
    """Puts each student's feedback where the one who knows the submission's secret finds it."""

    def copy_files(self) -> None:
        course = Course(Path(self.coursedir.root), self.coursedir.assignment_id)
        excluded = set(self.coursedir.student_id_exclude.split(","))
        for student in course.students(self.coursedir.student_id):
            feedback = course.feedback(student) / f"{NOTEBOOK}.html"
            if student in excluded or not feedback.is_file():
                continue
            secret = _secret(course.kept(student))
            if not secret:
                self.log.warning(
                    "%s did not hand in with `nbgrader submit`, so can't fetch feedback with nbgrader. Send %s.",
                    *(student, feedback),
                )
                continue
            name = f"{notebook_hash(secret=secret, notebook_id=NOTEBOOK)}.html"
            beside = os.path.join(self.dest_path, f".{name}.new")
            shutil.copy(feedback, beside)
            os.replace(beside, os.path.join(self.dest_path, name))
            self.log.info("Feedback for %s is released", student)


def _secret(kept: Path) -> str:
    """That of the newest submission that has one; "" where there is none that can be read."""
    numbers = sorted((int(name) for name in os.listdir(kept) if name.isdecimal()), reverse=True)
    files = [kept / str(number) / SECRET for number in numbers]
    file = next((file for file in files if os.path.lexists(file)), None)
    try:
        return read_file(file, MOST_SECRET, SECRET).decode("ascii") if file else ""
    except (Refused, UnicodeDecodeError):
        return ""
