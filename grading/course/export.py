"""The gradebook as a table for people and programs: what `nbgrader export` writes here. For Canvas and Moodle: see
grading.course.canvas and grading.course.moodle.

Run it in the course's folder. `--exporter` is read before the course's configuration can say where the kit is, so the
kit must be on Python's path for the others (`make instructor` sees to that). `--assignment` and `--student` narrow it
down, `--to` names the file. Headings are English.

A score is what nbgrader has, less the penalty for being late, never below 0. A student who handed in nothing has 0 in
the table. The files for Canvas and Moodle leave such a student's grade there as it is: an excuse or an extension
that was entered there is worth more than our 0.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from nbgrader.api import Gradebook
from nbgrader.plugins import ExportPlugin

from grading.course.intake import Course
from grading.course.results import Result, exercise_of, graded_cells, place
from grading.spreadsheet import Cell, number, write
from grading.submissions import few
from tests.coach.report import Report


class GradesExport(ExportPlugin):  # type: ignore[misc]
    """What the exports have in common: whose grades, the words about them, and the file.

    Not called Exporter: traitlets configures by the name of a class, and `c.Exporter` is the autograder's.
    """

    file = "grades.csv"  # without --to
    what = "The grades"
    mark = True  # a byte order mark, for Excel

    def export(self, gradebook: Gradebook) -> None:
        """Write the file. SystemExit(1), after one line that says why, where that can't be done."""
        assignments = self._chosen("assignment", self.assignment, {a.name: a for a in gradebook.assignments})
        students = self._chosen("student", self.student, {s.id: s for s in gradebook.students})
        students.sort(key=lambda s: ((s.last_name or "").casefold(), (s.first_name or "").casefold(), s.id))
        results = [
            Result(gradebook, assignment, student) for assignment in assignments for student in students
        ]
        destination = Path(self.to or self.file)
        try:
            self.write(destination, assignments, results)
        except OSError as error:
            reason = error.strerror or error
            self._fail(
                f"{self.what} can't be written to {destination}: {reason}. Name another place with --to."
            )
        self._remind(results)
        if not self.student:
            self._miss(gradebook, assignments)
        self.log.info("Written: %s", destination.resolve())

    def write(self, destination: Path, assignments: list[Any], results: list[Result]) -> None:
        """Raises OSError."""
        write(destination, self.rows(assignments, results), self.mark)

    def rows(self, assignments: list[Any], results: list[Result]) -> list[Sequence[Cell]]:
        """All lines of the file, headings first."""
        raise NotImplementedError

    def course(self, assignment: str) -> Course:
        return Course(
            Path(self.parent.coursedir.root), assignment
        )  # ExportApp makes its plugin with parent=self

    def one(self, assignments: list[Any]) -> Any:
        """The only assignment: a file for Canvas or Moodle is about one."""
        if len(assignments) != 1:
            names = ", ".join(assignment.name for assignment in assignments) or "none yet"
            self._fail(f"This file is for one assignment: choose it with --assignment. There are: {names}.")
        return assignments[0]

    def _chosen(self, kind: str, wanted: Iterable[object], known: dict[str, Any]) -> list[Any]:
        names = [str(name) for name in wanted] or list(known)  # --student '[17]' gives a number
        if unknown := [name for name in names if name not in known]:
            has = f"It has: {', '.join(sorted(known))}." if len(known) <= 20 else f"It has {len(known)}."
            self._fail(f"The gradebook has no {kind} {', '.join(unknown)}. {has}")
        return [known[name] for name in known if name in names]

    def _remind(self, results: list[Result]) -> None:
        waiting = [result for result in results if result.ungraded]
        if waiting:
            self.log.warning(
                "%d answers of %d students still wait to be graded by hand: their points are missing from this file. "
                "Grade them in the formgrader (in Jupyter: Nbgrader, Formgrader, Manual Grading), then export again.",
                sum(result.ungraded for result in waiting),
                len({result.student.id for result in waiting}),
            )
        again = [result.student.id for result in results if result.outdated]
        if again:
            self.log.warning(
                "What %s handed in was graded again after a person had marked it: those marks are in this file. "
                "If the work has changed since, look at it once more in the formgrader.",
                few(again),
            )

    def _miss(self, gradebook: Gradebook, assignments: list[Any]) -> None:
        for name in (assignment.name for assignment in assignments):
            known = {submission.student.id for submission in gradebook.assignment_submissions(name)}
            if missing := [student for student in self.course(name).students() if student not in known]:
                self.log.warning("Handed in, and not in the gradebook: %s. Autograde first.", few(missing))

    def _fail(self, message: str) -> NoReturn:
        # What nbgrader's own apps do in `NbGrader.fail`: ExportApp would show a traceback for any exception.
        self.log.error(message)
        raise SystemExit(1)


class Table(GradesExport):
    """Everything, for people and programs: one line for each student and assignment.

    After the sums come the points of each graded cell, and then those of each single test, from the report that
    autograding left in the course's `kept` folder. Times are UTC.
    """

    HEADINGS = (
        "assignment",
        "student id",
        "last name",
        "first name",
        "email",
        "due date",
        "submitted at",
        "seconds late",
        "raw score",
        "late penalty",
        "score",
        "max score",
        "needs manual grade",
        "flags",
        "notes",
    )

    def rows(self, assignments: list[Any], results: list[Result]) -> list[Sequence[Cell]]:
        cells = {assignment.name: graded_cells(assignment) for assignment in assignments}
        columns = sorted({name for named in cells.values() for name in named}, key=place)
        reports = [self._report(result) for result in results]
        scores = [
            {t.id: t.score for e in report.exercises for t in e.tests} if report else {} for report in reports
        ]
        tests = sorted(dict.fromkeys(test for score in scores for test in score), key=exercise_of)
        headings = [*self.HEADINGS, *(f"{name}{what}" for name in columns for what in ("", " max")), *tests]
        table: list[Sequence[Cell]] = [headings]
        for result, report, score in zip(results, reports, scores, strict=True):
            named = cells[result.assignment.name]
            points = [result.points(named[name]) if name in named else (None, None) for name in columns]
            flags = ", ".join(sorted({flag.rule for flag in report.flags})) if report else ""
            about = (*_summary(result), flags, self._notes(result, report))
            table.append([*about, *(p for pair in points for p in pair), *map(score.get, tests)])
        return table

    def _notes(self, result: Result, report: Report | None) -> str:
        """What the student is told beside the lessons, or why nothing of the work could be read."""
        if report:
            return "; ".join(report.notes)
        taken = self.course(result.assignment.name).taken(result.student.id)
        return taken.refused if taken else ""

    def _report(self, result: Result) -> Report | None:
        file = self.course(result.assignment.name).kept(result.student.id) / "report.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=Report)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            self.log.warning(
                "%s can't be read (%s): the columns of its tests stay empty. Autograde %s again to renew it.",
                *(file, error, result.student.id),
            )
            return None


def _summary(result: Result) -> list[Cell]:
    student, submission = result.student, result.submission
    return [
        result.assignment.name,
        student.id,
        student.last_name,
        student.first_name,
        student.email,
        time(result.due),
        time(submission.timestamp) if submission else None,
        number(submission.total_seconds_late) if submission and result.due else 0,
        result.raw,
        result.penalty,
        result.score,
        result.max_score,
        "yes" if result.ungraded else "again" if result.outdated else "no",
    ]


def time(moment: datetime | None) -> str | None:
    """nbgrader stores UTC without saying so."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else None


def line(text: str) -> str:
    """On one line: importers read line by line before they read cell by cell."""
    return " ".join(text.split())


def is_number(id: str) -> bool:
    return id.isascii() and id.isdigit()
