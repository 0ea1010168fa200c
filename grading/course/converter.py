"""What takes the place of execution in `nbgrader autograde`.

The exporter is made once, before nbgrader looks at any submission: it makes the submitted folders clean and starts
the graders. The preprocessor puts their reports, points and pictures where the outputs of a run would be.
"""

import base64
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Protocol, cast

from nbconvert.exporters import NotebookExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.api import Assignment, Gradebook, Student, SubmittedAssignment
from nbgrader.preprocessors import NbGraderPreprocessor
from sqlalchemy.exc import SQLAlchemyError
from traitlets import Enum, Integer

from grading.course import journal, received
from grading.course.intake import Course, Taken, take
from grading.formats.common import tidy
from grading.grade import Pictures
from grading.jail import Isolation
from grading.key import KEY, read_key
from grading.notebooks import FILE
from grading.pool import Pool
from grading.submissions import Refused
from grading.warm import CannotGrade
from grading.worker import Graded
from tests.coach import curriculum
from tests.coach.files import replace
from tests.coach.pictures import CAPTIONS
from tests.coach.report import ExerciseResult, Report, to_json
from tests.coach.table import table

EXERCISES = tuple(exercise.id for exercise in curriculum.load())
ALT = "The plot that this function draws"
AHEAD = 2  # submissions a grader has in hand while nbgrader writes


class Watch(Protocol):
    """Who wants to know how far a run is, and has the graders for it."""

    pool: Pool

    def expect(self, students: list[str], unread: list[str]) -> None:
        """These will be graded; nothing could be read of those, now or before."""

    def done(self, student: str, report: Report | None) -> None:
        """This one is; None: nothing of it could be read."""


class GradingExporter(NotebookExporter):
    """Writes notebooks as nbgrader's own exporter does. `parent` is nbgrader's Autograde converter."""

    watch: ClassVar[Watch | None] = None

    jobs = Integer(1, help="how many submissions are graded at the same time").tag(config=True)
    isolation = Enum(("bubblewrap", "process"), "bubblewrap", help="the jail").tag(config=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        converter: Any = self.parent
        self._converter = converter
        converter.convert_notebooks = self._closing(converter.convert_notebooks)
        directory = converter.coursedir
        self.course = Course(Path(directory.root), directory.assignment_id)
        self._graded: dict[str, Future[Graded]] = {}
        self._taken: dict[str, Taken] = {}
        self._waiting: list[str] = []
        self._pool = self.watch.pool if self.watch else None
        try:
            self._prepare(directory.student_id)
        except (CannotGrade, Refused) as error:
            self.stop(str(error))
        except SQLAlchemyError as error:
            what = str(error).partition("\n")[0]
            self.stop(f"the gradebook can't be used ({what}). Does `nbgrader db upgrade` help?")
        except BaseException:
            self._close()
            raise

    def _closing(self, convert: Callable[[], None]) -> Callable[[], None]:
        """In formgrader's server, which goes on, no grader may outlive its run."""

        def convert_and_close() -> None:
            try:
                convert()
            finally:
                journal.release()
                self._close()

        return convert_and_close

    def _close(self) -> None:
        if self._pool and not self.watch:
            self._pool.close()
            self._pool = None

    def stop(self, why: str) -> NoReturn:
        """End the run with words: this is nobody's submission's fault."""
        self._close()
        self.log.error("Not graded: %s", why)
        sys.exit(2)

    def _prepare(self, pattern: str) -> None:
        template = self.course.template()
        strange = [name for name in autograded(template) if name not in EXERCISES]
        if strange:
            raise Refused(
                f"{', '.join(strange)}: these cells of {FILE} are to be graded automatically, and no code is run in "
                "the notebook. Grade them by hand, or take them out, and run `nbgrader generate_assignment` again."
            )
        found, expected = {}, []
        times = self._graded_as_of()
        excluded = self._converter.coursedir.student_id_exclude.split(",")
        for student in self.course.students(pattern):
            if student in excluded:
                continue
            try:
                taken = take(self.course, student, template)
            except (OSError, Refused) as error:
                self.log.error("%s: left out, since %s", self.course.submitted(student), error)
                expected.append(student)  # in vain
                continue
            self._taken[student] = taken
            when = received.naive(received.when(self.course.root, self.course.assignment, student))
            if self._converter.force or student not in times or times[student] != when:
                journal.forget(self.course, student)
            if times.get(student) and not when:
                self._forget_time(student)
            if self._converter.force or not journal.is_graded(self.course, student, taken.clean):
                if taken.refused:
                    self.log.warning("%s can't be read: %s", student, taken.refused)
                self._waiting.append(student)
                expected.append(student)
                self._look_ahead()  # the graders begin while others are still read
            folder = str(self.course.submitted(student))
            found[folder] = [os.path.join(folder, FILE)]
        self._converter.assignments = found
        if self.watch:
            self.watch.expect(expected, [name for name, taken in self._taken.items() if taken.refused])

    def _graded_as_of(self) -> dict[str, datetime | None]:
        """Whom the gradebook has work of, and when it thinks that was received: in UTC, as it says it, without a zone."""
        columns = Student.id, SubmittedAssignment.timestamp
        with self._gradebook() as gradebook:
            if self.course.assignment not in [assignment.name for assignment in gradebook.assignments]:
                raise Refused(
                    f"the gradebook knows no {self.course.assignment}. Is it a new or another one? Then run "
                    f"`nbgrader generate_assignment {self.course.assignment} --force`."
                )
            rows = gradebook.db.query(*columns).join(
                SubmittedAssignment, SubmittedAssignment.student_id == Student.id
            )
            rows = rows.join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
            return dict(rows.filter(Assignment.name == self.course.assignment).all())

    def _forget_time(self, student: str) -> None:
        """nbgrader itself only ever replaces a time by another."""
        with self._gradebook() as gradebook:
            gradebook.find_submission(self.course.assignment, student).timestamp = None
            gradebook.db.commit()

    def _gradebook(self) -> Gradebook:
        directory = self._converter.coursedir
        return Gradebook(directory.db_url, directory.course_id)

    def _look_ahead(self) -> None:
        """Keep the graders busy while nbgrader writes."""
        running = sum(not future.done() for future in self._graded.values())
        while self._waiting and running < AHEAD * (self._pool.jobs if self._pool else self.jobs):
            self._start(self._waiting.pop(0))
            running += 1

    def _start(self, student: str) -> None:
        if student in self._graded or self._taken[student].refused:
            return
        if self._pool is None:
            key = read_key(self.course.root / KEY)
            self._pool = Pool(self.jobs, cast(Isolation, self.isolation), key, pictures=True)
        self._graded[student] = self._pool.start(self._taken[student].submission, student)

    def result(self, student: str) -> Graded | None:
        """The report and the pictures; None for a submission that could not be read."""
        if self._taken[student].refused:
            return None
        try:
            self._start(student)
            self._look_ahead()
            assert self._pool
            self._pool.wait_until_ready()
            graded = self._graded[student].result()
        except CannotGrade as error:
            self.stop(str(error))
        del self._graded[student]
        self._look_ahead()
        return graded

    def refused(self, student: str) -> str:
        return self._taken[student].refused

    def keep(self, student: str, report: Report | None) -> None:
        """The report lies where nothing is ever sent to students from: the flags in it aren't for them."""
        file = self.course.kept(student) / "report.json"
        if report:
            replace(file, to_json(report))
        else:
            file.unlink(missing_ok=True)
        if self.watch:
            self.watch.done(student, report)


class Judge(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader is untyped
    """Puts the points into the exercises' locked cells, each with the table of its lessons, and plots under their cells.

    nbgrader takes the first result of a locked cell, as a number, for its points.
    """

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        student = resources["nbgrader"]["student"]
        graded = self.parent.result(student)
        report, found = None, dict[str, ExerciseResult]()
        notes: tuple[str, ...] = (self.parent.refused(student),)
        pictures: Pictures = {}
        if graded:
            report, pictures = tidy(graded.report), graded.pictures
            found = {exercise.id: exercise for exercise in report.exercises}
            notes = report.notes
        self.parent.keep(student, report)
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                marks = cell.metadata.get("nbgrader", {})
                if marks.get("grade_id") in EXERCISES:
                    cell.outputs = [_verdict(marks, found.get(marks["grade_id"]), notes)]
                    notes = () if graded else notes  # once
                elif marks.get("solution") and (picture := pictures.get(function_of(marks["grade_id"]))):
                    cell.outputs = [_picture(picture), *_caption(function_of(marks["grade_id"]))]
        return nb, resources


def _verdict(marks: NotebookNode, exercise: ExerciseResult | None, notes: tuple[str, ...]) -> NotebookNode:
    if exercise is None:
        why = escape("\n".join(notes))
        return _result(0.0, f"<strong>Not graded: no points.</strong><pre>{why}</pre>")
    return _result(marks["points"] * exercise.score / exercise.max_score, table(exercise, notes))


def _result(points: float, html: str) -> NotebookNode:
    data = {"text/plain": f"{points:g}", "text/html": html}
    made: NotebookNode = new_output("execute_result", data, execution_count=None)
    return made


def _caption(function: str) -> list[NotebookNode]:
    words = CAPTIONS.get(function)
    return [new_output("display_data", {"text/plain": words})] if words else []


def function_of(grade_id: str) -> str:
    """The function that a cell is for: "ex1-plot_data" is for `plot_data`, whatever else is defined in it."""
    return grade_id.partition("-")[2]


def _picture(png: bytes) -> NotebookNode:
    data = {"image/png": base64.b64encode(png).decode()}
    made: NotebookNode = new_output("display_data", data, metadata={"image/png": {"alt": ALT}})
    return made


def autograded(template: NotebookNode) -> list[str]:
    """The cells that nbgrader expects a result from."""
    marks = [cell.metadata.get("nbgrader", {}) for cell in template.cells if cell.cell_type == "code"]
    return [mark["grade_id"] for mark in marks if mark.get("grade") and not mark.get("solution")]
