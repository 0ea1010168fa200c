"""A term on a JupyterHub, with nbgrader's own commands: the student is another user, and all that joins them is the
exchange. And one student whose work came by an LMS."""

import os
import pwd
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbgrader.apps.nbgraderapp import NbGraderApp

from grading.course.source import ASSIGNMENT, NOTEBOOK
from grading.notebooks import FILE
from grading.tests import commands, corpus, courses

MISTAKE = next(mistake for mistake in corpus.mistakes() if mistake.name == "step_without_parentheses")
BY_LMS = "1002"
# As root, students are somebody else, as they are on a hub; otherwise there is nobody else to be.
USER = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


class Hub:
    """An instructor's course and a student's home, which only the student may enter."""

    def __init__(self, folder: Path) -> None:
        self.course = courses.create(folder / "course")
        self.home = folder / "home"
        self.home.mkdir(mode=0o700)
        exchange = f"c.Exchange.root = {str(folder / 'exchange')!r}\n"
        with (self.course.root / "nbgrader_config.py").open("a") as config:
            config.write(exchange)
        (self.home / "nbgrader_config.py").write_text(
            f"c = get_config()\n{exchange}c.CourseDirectory.course_id = {self.course.root.name!r}\n"
        )
        os.chown(self.home, USER.pw_uid, USER.pw_gid)

    @property
    def notebook(self) -> Path:
        return self.home / ASSIGNMENT / FILE

    def instructor(self, *command: str) -> str:
        return courses.warm_nbgrader(self.course.root, *command)

    def student(self, *command: str) -> str:
        """What an nbgrader command says to the student."""

        def main() -> object:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(USER.pw_gid)
                os.setuid(USER.pw_uid)
            return NbGraderApp.launch_instance()

        environment = courses.ENVIRONMENT | {
            "HOME": str(self.home),
            "JUPYTER_DATA_DIR": str(self.home / "data"),
        }
        done = commands.forked(main, ["nbgrader", *command], self.home, **environment)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def hand_in(self, *changes: corpus.Change) -> None:
        """The student types their functions into the notebook that they fetched, and submits it."""
        typed = courses.notebook_of(self.course, courses.modules(*changes))
        self.notebook.write_text(typed)
        assert "Submitted as" in self.student("submit", ASSIGNMENT)

    def grade(self) -> dict[str, float]:
        """Automatic points by student, after nbgrader's own commands."""
        self.instructor("collect", ASSIGNMENT, "--update")
        self.instructor("autograde", ASSIGNMENT)
        points = courses.points(self.course)
        return {student: sum(filter(None, cells.values())) for student, cells in points.items()}

    def feedback(self) -> tuple[str, list[str]]:
        """What `release_feedback` says, and the pages that the student has fetched by now."""
        self.instructor("generate_feedback", ASSIGNMENT, "--force")
        said = self.instructor("release_feedback", ASSIGNMENT)
        self.student("fetch_feedback", ASSIGNMENT)
        pages = (self.home / ASSIGNMENT / "feedback").glob(f"*/{NOTEBOOK}.html")
        return said, [page.read_text() for page in sorted(pages)]


@pytest.fixture
def hub() -> Iterator[Hub]:
    # pytest's own folders let nobody else in.
    with tempfile.TemporaryDirectory(prefix="hub-") as name:
        os.chmod(name, 0o755)
        umask = os.umask(0o022)
        try:
            yield Hub(Path(name))
        finally:
            os.umask(umask)


def test_from_release_to_feedback_and_once_more(hub: Hub) -> None:
    hub.instructor("release_assignment", ASSIGNMENT)
    assert ASSIGNMENT in hub.student("list")
    hub.student("fetch_assignment", ASSIGNMENT)
    released = hub.course.root / "release" / ASSIGNMENT
    assert nbformat.read(hub.notebook, 4) == nbformat.read(released / FILE, 4)
    assert files(hub.home / ASSIGNMENT) == files(released)

    hub.hand_in(MISTAKE.change)
    assert USER.pw_name in hub.instructor("list", ASSIGNMENT, "--inbound")
    assert hub.grade() == {USER.pw_name: 77}
    _, (page,) = hub.feedback()
    assert "optimizer.step()` called, with its parentheses" in page.replace("&quot;", '"')

    hub.hand_in()
    by_lms(hub)
    assert hub.grade() == {USER.pw_name: 100, BY_LMS: 77}
    said, (first, second) = hub.feedback()
    assert (first, "not right yet" in second) == (page, False)
    assert f"{BY_LMS} did not hand in with `nbgrader submit`" in said
    hub.instructor("export")
    exported = (hub.course.root / "grades.csv").read_text(encoding="utf-8-sig")
    assert sum(USER.pw_name in line or BY_LMS in line for line in exported.splitlines()) == 2


def by_lms(hub: Hub) -> None:
    """A notebook in the zip that Moodle makes, brought in by `zip_collect`."""
    archive = hub.course.root / "downloaded" / ASSIGNMENT / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "downloads.zip", "w") as moodle:
        notebook = courses.notebook_of(hub.course, courses.modules(MISTAKE.change))
        moodle.writestr(f"Bo Ek_{BY_LMS}_assignsubmission_file/{FILE}", notebook)
    hub.instructor("zip_collect", ASSIGNMENT)


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
