"""`python -m grading course init DIR`: a complete nbgrader course."""

import shutil
import tempfile
from pathlib import Path

import nbformat

from grading.course import CONFIG_FILE
from grading.course.source import ASSIGNMENT, NOTEBOOK, notebook, released_files, requirements
from grading.jail import ROOT
from grading.key import KEY, write_key
from grading.submissions import Refused

CONFIG = '''\
"""The configuration of this course, read by every nbgrader command that is run in this folder."""

import sys
from pathlib import Path

KIT = {kit!r}  # the exercise kit, which grades: change this line when it has moved

c = get_config()
try:
    sys.path.insert(0, KIT)
    from grading.course.config import configure

    configure(c, Path(__file__).resolve().parent)
except Exception as error:  # never go on: without the kit, nbgrader would run the students' code
    sys.exit(
        f"Stopped: the exercise kit can't be used from {{KIT}} ({{type(error).__name__}}: {{error}}). "
        f"Has it moved? Change KIT in {{__file__}}. Is its environment not active? Activate it."
    )

# Your own settings go below.
# c.GradingExporter.jobs = 2  # how many submissions `nbgrader autograde` grades at the same time
# c.CourseDirectory.db_url = "postgresql+psycopg://USER@HOST/DATABASE"  # instead of gradebook.db
'''

IGNORED = """\
# Not for git: the key that the secret numbers are made from, and what is about students.
course.key
gradebook.db*
submissions/
autograded/
feedback/
kept/
downloaded/
.nbgrader.log
"""


def create(course: Path) -> None:
    """Write the course into a folder that is empty or not there yet. Raises Refused, OSError."""
    if course.exists() and (not course.is_dir() or any(course.iterdir())):
        raise Refused(f"{course} is not empty: a course is never written over. Name a new folder.")
    course = course.resolve()
    course.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{course.name}.", dir=course.parent))
    try:
        _write(beside)
        course.mkdir(exist_ok=True)
        for entry in sorted(
            beside.iterdir(), key=lambda entry: entry.name == CONFIG_FILE
        ):  # without it, it is no course
            entry.rename(course / entry.name)
    finally:
        shutil.rmtree(beside)


def _write(course: Path) -> None:
    source = course / "source" / ASSIGNMENT
    source.mkdir(parents=True)
    nbformat.write(notebook(), source / f"{NOTEBOOK}.ipynb")
    (source / "requirements.txt").write_text(requirements(), encoding="utf-8")
    for file in released_files():
        target = source / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    (course / CONFIG_FILE).write_text(CONFIG.format(kit=str(ROOT)), encoding="utf-8")
    (course / ".gitignore").write_text(IGNORED, encoding="utf-8")
    write_key(course / KEY)
