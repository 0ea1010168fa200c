"""What the gradebook knows of each student's work, and the order in which it is told."""

from datetime import datetime
from functools import cache
from typing import Any

from nbgrader.api import MissingEntry

from grading.spreadsheet import Cell, number
from tests.coach import curriculum


class Result:
    """One student's work on one assignment, as the gradebook has it. Without a submission, all points are 0."""

    def __init__(self, gradebook: Any, assignment: Any, student: Any) -> None:
        self.assignment, self.student = assignment, student
        try:
            self.submission = gradebook.find_submission(assignment.name, student.id)
        except MissingEntry:
            self.submission = None
        notebooks = self.submission.notebooks if self.submission else []
        self.grades = {grade.cell_id: grade for notebook in notebooks for grade in notebook.grades}
        # Grading again sets needs_manual_grade once more, but the marks stay.
        waiting = [g.manual_score is None for g in self.grades.values() if g.needs_manual_grade]
        self.ungraded = waiting.count(True)
        self.outdated = waiting.count(False)
        self.raw = number(self.submission.score) if self.submission else 0
        self.penalty = number(self.submission.late_submission_penalty) if self.submission else 0
        self.score = number(max(0, self.raw - self.penalty))
        self.max_score = number(assignment.max_score)

    @property
    def due(self) -> datetime | None:
        """With this student's extension. nbgrader's own `duedate` fails on an extension of no date."""
        if self.submission and self.assignment.duedate:
            return self.submission.duedate  # type: ignore[no-any-return]
        return self.assignment.duedate  # type: ignore[no-any-return]

    def points(self, cell: Any) -> tuple[Cell, Cell]:
        """Score and maximum in a cell; empty where there is no submission, the score also before it is graded."""
        grade = self.grades.get(cell.id)
        if grade is None:
            return None, None
        graded = grade.auto_score is not None or grade.manual_score is not None
        return number(grade.score) if graded else None, number(cell.max_score)


def graded_cells(assignment: Any) -> dict[str, Any]:
    """The graded cells by name, with the notebook's name before it where there are several notebooks."""
    several = len(assignment.notebooks) > 1
    return {
        f"{notebook.name}/{cell.name}" if several else cell.name: cell
        for notebook in assignment.notebooks
        for cell in (*notebook.grade_cells, *notebook.task_cells)
    }


def place(cell: str) -> tuple[int, str]:
    """Cells in the order of the curriculum: ex1, ex1-plot_data, ex2 …; other cells last. (nbgrader stores no order.)"""
    return exercise_of(cell.replace("-", ".")), cell


def exercise_of(test: str) -> int:
    """Which exercise of the curriculum "ex3.gradients_are_cleared" belongs to."""
    of = test.partition(".")[0]
    return _exercises().index(of) if of in _exercises() else len(_exercises())


@cache
def _exercises() -> tuple[str, ...]:
    return tuple(exercise.id for exercise in curriculum.load())
