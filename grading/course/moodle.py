"""For Moodle: `nbgrader export --exporter=grading.course.moodle.Grades --to=moodle.csv`, and …moodle.Feedback."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grading.course.export import GradesExport, is_number, line, time
from grading.course.results import Result
from grading.course.source import NOTEBOOK
from grading.spreadsheet import Cell, number
from grading.submissions import few
from tests.coach.files import whole


class Grades(GradesExport):
    """The grading worksheet that Moodle's assignment takes back under Upload grading worksheet.

    Read in moodle/moodle, mod/assign/feedback/offline (importgradeslib.php, locallib.php) and lib/csvlib.class.php:

    - Have Moodle in English while you upload: headings and "Participant " are compared in the language of the page.
      Identifier, Grade and "Last modified (grade)" must be there; the rest is for people. Encoding UTF-8, separator
      comma. A byte order mark is taken off.
    - Participants are numbers (those in the names of Moodle's downloads), so a student with another id has no line.
      In a team assignment the number is the group's, and Moodle can't find it.
    - "Last modified (grade)" is empty, which is older than any grade. So a grade that Moodle already has stays, unless
      you tick «Allow updating records that have been modified more recently in Moodle than in the spreadsheet»:
      tick it to upload a second time, or when somebody graded in Moodle before.
    - An empty grade changes nothing: that is what students get who handed in nothing.
    - Points are taken as they are, with a decimal point in any language. Those above the assignment's own maximum
      grade are left out without a word: set the maximum in Moodle to the one here.
    - There is no "Feedback comments" on purpose: an empty one would delete what was written there.
    - PHP's fgetcsv takes a backslash before a quote for an escape, and would lose its place: names have none.
    """

    file = "moodle.csv"
    HEADINGS = (
        "Identifier",
        "Full name",
        "Email address",
        "Status",
        "Grade",
        "Maximum grade",
        "Grade can be changed",
        "Last modified (submission)",
        "Last modified (grade)",
    )

    def rows(self, assignments: list[Any], results: list[Result]) -> list[Sequence[Cell]]:
        most = number(self.one(assignments).max_score)
        table: list[Sequence[Cell]] = [self.HEADINGS]
        for result in results:
            student, submission = result.student, result.submission
            if not is_number(student.id):
                continue
            name = line(" ".join(filter(None, (student.first_name, student.last_name))))
            who = [text.replace("\\", "/") for text in (name, line(student.email or ""))]
            status = "Submitted for grading" if submission else "No submission"
            grade, handed_in = (result.score, time(submission.timestamp)) if submission else (None, None)
            table.append([f"Participant {student.id}", *who, status, grade, most, "Yes", handed_in, None])
        if nameless := len(results) + 1 - len(table):
            self.log.warning("%d students are left out: their ids are no participant numbers.", nameless)
        self.log.info(
            "Moodle leaves out grades above the assignment's maximum grade: set it to %s there.", most
        )
        return table


class Feedback(GradesExport):
    """The pages of `nbgrader generate_feedback`, for Moodle's «Upload multiple feedback files in a zip».

    Moodle knows a file's owner by the participant's number in its name, and takes what comes after it for the name
    that the student sees (mod/assign/feedback/file/importziplib.php in moodle/moodle). «Feedback files» has to be
    switched on in the assignment's settings. Students without a page, or a number, are left out, and named.
    """

    file = "feedback.zip"
    what = "The feedback"

    def write(self, destination: Path, assignments: list[Any], results: list[Result]) -> None:
        """Raises OSError."""
        course = self.course(self.one(assignments).name)
        left_out = []
        with whole(destination) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            for student in (result.student.id for result in results):
                page = course.feedback(student) / f"{NOTEBOOK}.html"
                if is_number(student) and page.is_file():
                    archive.write(page, f"Participant_{student}_assignsubmission_file_{page.name}")
                else:
                    left_out.append(student)
        if left_out:
            self.log.warning(
                "%s left out: no feedback page (`nbgrader generate_feedback`), or an id that is no participant number.",
                few(left_out),
            )
