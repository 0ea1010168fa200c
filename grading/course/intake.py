"""From what was collected to what nbgrader may see: in every student's submitted folder one clean notebook, made by us.

nbgrader copies a submitted folder, follows its links and believes its timestamp.txt, before any preprocessor runs.
So what was handed in is moved to DIR/kept/STUDENT/ASSIGNMENT/1, 2, …, read with care, and laid into the released
notebook. Killed at any moment, the next run goes on: nothing is removed before a copy of it lies in kept/.
"""

import hashlib
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import msgspec
import nbformat
from nbformat import NotebookNode

from grading import submissions
from grading.classes import path_part
from grading.course import form, insist_on_a_course, received
from grading.notebooks import FILE, MOST_BYTES
from grading.submissions import Refused, Submission
from grading.trees import read_file
from tests.coach.files import replace

# Not nbgrader's own name for it: where this course's configuration fails, nbgrader goes on without, and must find nothing to run.
SUBMITTED = "submissions"


class Taken(msgspec.Struct, frozen=True):
    """A submission as it was read, once.

    clean: sha256 of the notebook that we made of it. typed: of all that is in it, words too.
    """

    clean: str
    submission: Submission
    refused: str = ""  # why nothing of it could be read
    typed: str = ""


class Course:
    """Where things lie in a course, for one assignment."""

    def __init__(self, root: Path, assignment: str) -> None:
        self.root = root
        self.assignment = assignment

    def submitted(self, student: str) -> Path:
        return self.root / SUBMITTED / student / self.assignment

    def autograded(self, student: str) -> Path:
        return self.root / "autograded" / student / self.assignment

    def feedback(self, student: str) -> Path:
        return self.root / "feedback" / student / self.assignment

    def kept(self, student: str) -> Path:
        return self.root / "kept" / student / self.assignment

    def students(self, pattern: str = "*") -> Iterator[str]:
        """Those with a folder for this assignment, whatever is in it."""
        try:
            names = sorted(os.listdir(self.root / SUBMITTED))
        except FileNotFoundError:
            return
        for name in names:
            folder = self.submitted(name)
            if fnmatchcase(name, pattern) and folder.is_dir() and not _is_link(folder):
                yield name

    def template(self) -> NotebookNode:
        """The released notebook. Raises Refused with what to do."""
        insist_on_a_course(self.root)
        file = self.root / "release" / self.assignment / FILE
        try:
            released: NotebookNode = nbformat.read(file, as_version=4)
        except FileNotFoundError:
            raise Refused(
                f"{file} is missing: run `nbgrader generate_assignment {self.assignment}` first."
            ) from None
        return released

    @cached_property
    def worth(self) -> str:
        """A sha256 of what the released notebook's cells are worth: it changes when their points do. Raises Refused."""
        marks = [cell.metadata.get("nbgrader", {}) for cell in self.template().cells]
        points = sorted((mark["grade_id"], mark["points"]) for mark in marks if mark.get("grade"))
        return hashlib.sha256(repr(points).encode()).hexdigest()

    def taken(self, student: str) -> Taken | None:
        """What is known of the submission; None when it is new, or was changed by hand."""
        try:
            taken = msgspec.json.decode((self.kept(student) / "taken.json").read_bytes(), type=Taken)
        except (OSError, msgspec.DecodeError):
            return None
        return taken if _sha256(self.submitted(student) / FILE) == taken.clean else None


def _is_link(folder: Path) -> bool:
    return folder.is_symlink() or folder.parent.is_symlink()


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(read_file(file, MOST_BYTES, file.name)).hexdigest()
    except (Refused, OSError):
        return ""


def take(course: Course, student: str, template: NotebookNode) -> Taken:
    """Make the submitted folder of a student clean, unless it is. Raises OSError and Refused where that can't be done."""
    path_part(student)
    taken = course.taken(student)
    if taken is None:
        taken = put(course, student, template, *_read(course.submitted(student)))
    elif set(os.listdir(course.submitted(student))) - {
        FILE,
        received.STAMP,
    }:  # killed before the folder was clear
        _clear(course.submitted(student), _keep(course.kept(student), course.submitted(student)))
    received.stamp(course.submitted(student), received.when(course.root, course.assignment, student))
    return taken


def put(
    course: Course, student: str, template: NotebookNode, submission: Submission, refused: str = ""
) -> Taken:
    """Write a clean notebook for a submission, in the place of all that is in its folder. Raises OSError."""
    folder, place = course.submitted(student), course.kept(student)
    for new in (folder, place):
        new.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700 | folder.stat().st_mode)
    kept = _keep(place, folder) if course.taken(student) is None and os.listdir(folder) else None
    filled, everything = form.fill(template, submission), typed(submission)
    text = nbformat.writes(filled.notebook).encode()
    submission = msgspec.structs.replace(submission, notes=(*submission.notes, *filled.notes), texts=())
    taken = Taken(hashlib.sha256(text).hexdigest(), submission, refused, everything)
    replace(place / "taken.json", msgspec.json.encode(taken))  # first: without its notebook it counts as none
    replace(folder / FILE, text)
    if kept:
        _clear(folder, kept)
    return taken


def typed(submission: Submission) -> str:
    """A sha256 of code and words."""
    return hashlib.sha256(
        submissions.digest(submission).encode() + msgspec.json.encode(submission.texts)
    ).hexdigest()


def _read(folder: Path) -> tuple[Submission, str]:
    """The submission in a folder; or an empty one, and why it can't be read."""
    try:
        return submissions.read(folder / FILE if os.path.lexists(folder / FILE) else folder), ""
    except Refused as error:
        return Submission(folder.parent.name, None, {}), str(error)


def _keep(place: Path, folder: Path) -> Path:
    """A new folder for all that was handed in, with the notebook in it, which the clean one will replace."""
    number = 1 + max((int(name) for name in os.listdir(place) if name.isdecimal()), default=0)
    kept = place / str(number)
    kept.mkdir()
    if (folder / FILE).is_dir() and not (folder / FILE).is_symlink():
        os.rename(folder / FILE, kept / FILE)
    elif os.path.lexists(folder / FILE):
        os.link(
            folder / FILE, kept / FILE, follow_symlinks=False
        )  # killed now, it is still in its own place too
    return kept


def _clear(folder: Path, kept: Path) -> None:
    """Move away what nobody graded: nbgrader would copy it, with whatever a link in it points to."""
    for name in os.listdir(folder):
        if name != FILE:
            os.rename(folder / name, kept / name)
