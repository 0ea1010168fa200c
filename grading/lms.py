"""The names that a learning management system gives to what it exports: whose work it is, and the file's own name.

The student is known by the number that the system itself uses, never by the display name, which is not unique
and which some systems let students change. Only what the system put *before* the student's own text counts.

Moodle (moodle/moodle, mod/assign/classes/downloader.php; with a "_" at the end up to 4.0, without it later)
    "Jane Doe_123456_assignsubmission_file_" as a folder, or followed by the file's name when the teacher's
    preference «download in folders» is off. The number is the participant's in this one assignment, the one
    that the grading worksheet has; in a team assignment it is the group's. An underscore in a name becomes a space.
Canvas (instructure/canvas-lms, lib/content_zipper.rb and app/models/quizzes/quiz_submission_zipper.rb)
    "doejane_12345_67890_ex1_dataset.py", "doejane_LATE_12345_67890_ex1_dataset-1.py": the user, then the upload.
    In anonymous grading "anon_Xy12Z_67890_…", in a quiz "doe_jane12345_question_777_67890_…". A file that was
    handed in before gets "-1" (make_unique_filename in app/models/attachment.rb).
Gradescope («Download Submissions», described in ProvenanceTools/provenance-gradescope-gateway and read by otter-grader)
    "submission_123456789" beside a submission_metadata.yml. The number is the submission's: a later one has another.
"""

import re

import msgspec

_MOODLE = re.compile(
    r"[^_]+_(?P<student>[0-9]{1,20})_assignsubmission_[a-z0-9]+(?:_(?P<file>.*)|\.zip)?", re.DOTALL
)
# Five digits at least for the upload, so that a date ("week_2024_05_…") is not taken for a student and an upload.
_CANVAS = re.compile(
    r"(?:\w+?_)??(?:LATE_)?(?P<student>[0-9]{1,20}|anon_[0-9A-Za-z]{1,20})_[1-9][0-9]{4,20}_(?P<file>.+)",
    re.DOTALL,
)
_CANVAS_QUIZ = re.compile(r"[\w-]*?(?P<student>[0-9]{1,20})_question_[0-9]+_[0-9]+_(?P<file>.+)", re.DOTALL)
_GRADESCOPE = re.compile(r"submission_(?P<student>[0-9]{1,20})(?:\.zip)?")
_AGAIN = re.compile(r"-[0-9]+(?=\.\w+$)")


class Export(msgspec.Struct, frozen=True):
    """What an exported name says. `file` is the name that the student gave; "" for a folder."""

    student: str
    file: str = ""


def parse(name: str) -> Export | None:
    """Take the name of an exported folder or file apart; None when no known system gave it."""
    if found := _MOODLE.fullmatch(name):
        return Export(found["student"], found["file"] or "")
    if found := _CANVAS_QUIZ.fullmatch(name) or _CANVAS.fullmatch(name):
        return Export(found["student"], _AGAIN.sub("", found["file"]))
    if found := _GRADESCOPE.fullmatch(name):
        return Export(found["student"])
    return None
