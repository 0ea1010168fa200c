"""What a class costs in an nbgrader course: with these graders, and with nbgrader's own, which run the notebooks."""

from pathlib import Path

from grading.bench.classroom import Student
from grading.bench.clock import Cost, measured
from grading.course.intake import Course
from grading.course.source import ASSIGNMENT
from grading.tests import courses
from tests.coach import curriculum

# Instead of the course's own configuration: nbgrader as it is, but for the folder's name.
PLAIN = """\
import os, sys
os.environ["PATH"] = os.path.dirname(sys.executable) + ":" + os.environ["PATH"]
c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.submitted_directory = "submissions"
"""


def plain(course: Course, students: list[Student], root: Path) -> Cost:
    """Of each notebook: nbgrader's autograde with its own graders, in a copy of the course; without its start."""
    copy = plain_course(course, root)
    cost = _autograded(copy, students)
    exercises = {exercise.id: exercise.points for exercise in curriculum.load()}
    for student in students:
        points = courses.points(copy)[f"more-{student.name}"]
        assert all(points[id] == worth for id, worth in exercises.items()) == student.right, (
            "it ran the suite"
        )
    return cost


def plain_course(course: Course, root: Path) -> Course:
    """A copy of the course that nbgrader grades as it comes."""
    copy = courses.copied(course, root)
    (root / "nbgrader_config.py").write_text(PLAIN.format(root=str(root)))
    return copy


def with_ours(course: Course, students: list[Student], root: Path) -> Cost:
    """Of each notebook: the same command with these graders, in a copy of the course; without its start."""
    return _autograded(courses.copied(course, root), students)


def _autograded(course: Course, students: list[Student]) -> Cost:
    """nbgrader grades one after another, whoever grades."""
    for name in ("few-0", "more-0"):  # what is taken off with the start
        courses.submit(course, name, students[0].notebook)
    for student in students:
        courses.submit(course, f"more-{student.name}", student.notebook)
    few, more = (
        measured(lambda: courses.nbgrader(course.root, "autograde", ASSIGNMENT, f"--student={names}"))  # noqa: B023
        for names in ("few*", "more*")
    )
    return more.less(few).each(len(students))


def at_once(course: Course, students: list[Student]) -> Cost:
    """Of each notebook: `python -m grading course autograde` with two jobs; its start is counted."""
    for student in students:
        courses.submit(course, student.name, student.notebook)
    cost = measured(lambda: courses.kit("course", "autograde", course.root, "--jobs", 2))
    reports = {student: courses.report(course, student.name) for student in students}
    assert all(report.done == student.right for student, report in reports.items()), "graded all, and rightly"
    return cost.each(len(students))
