"""`python -m grading course init | import | autograde`."""

import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from grading.course import insist_on_a_course
from grading.key import KEY, read_key
from grading.options import Isolation
from grading.pool import Pool
from grading.submissions import Refused

# nbgrader takes two seconds to import: each command imports what it needs.

app = typer.Typer(help="An nbgrader course: notebooks in, gradebook out, no student code in between.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="the course's folder")]

NEXT = """\
{course} is ready. Its source is source/{assignment}/{notebook}.ipynb: change the texts as you like. Then

  {activate}cd {course}
  nbgrader generate_assignment {assignment}     # release/{assignment}: what students get"""


@app.command("init")
def init(course: Folder) -> None:
    """Make a complete nbgrader course in a new folder: source notebook, configuration, course key."""
    from grading.course.create import create
    from grading.course.source import ASSIGNMENT, NOTEBOOK

    try:
        create(course)
    except Refused as error:
        raise _stopped(f"Not created: {error}") from None
    except OSError as error:
        raise _stopped(f"Not created: {course} can't be written ({error.strerror}).") from None
    bin = Path(sys.executable).parent
    active = shutil.which("nbgrader") == str(bin / "nbgrader") or not (bin / "activate").exists()
    activate = "" if active else f"source {shlex.quote(str(bin / 'activate'))}\n  "
    print(NEXT.format(activate=activate, course=course, assignment=ASSIGNMENT, notebook=NOTEBOOK))


@app.command("import")
def import_(
    course: Folder,
    submissions: Annotated[Path, typer.Argument(help="a folder or zip with the submissions of a class")],
) -> None:
    """Put a class's submissions, notebooks or modules, into the course: a folder of them, or the zip of an LMS."""
    from grading.course.importing import import_class

    try:
        status = import_class(course, submissions)
    except Refused as error:
        raise _stopped(f"Not imported: {error}") from None
    except OSError as error:
        raise _stopped(f"Not imported: {error.filename} can't be written ({error.strerror}).") from None
    raise typer.Exit(status)


def _stopped(words: str) -> typer.Exit:
    print(words, file=sys.stderr)
    return typer.Exit(2)


@app.command("autograde")
def autograde_(
    course: Folder,
    jobs: Annotated[int, typer.Option(min=1, help="how many submissions at the same time")] = os.cpu_count()
    or 1,
    student: Annotated[str, typer.Option(help="only these students; * and ? are patterns")] = "*",
    isolation: Annotated[
        Isolation, typer.Option(help="process: only in a container that is thrown away afterwards")
    ] = Isolation.bubblewrap,
    force: Annotated[bool, typer.Option("--force", help="grade again what is graded")] = False,
) -> None:
    """Grade what is submitted and not graded yet. Exit status: 0, 1 some were left out, 2 nothing could be graded."""
    insist_on_a_course(course)
    with contextlib.closing(Pool(jobs, isolation.value, read_key(course / KEY), pictures=True)) as pool:
        from grading.course.autograde import autograde  # the graders start meanwhile
        from grading.course.source import ASSIGNMENT

        watch = autograde(course, ASSIGNMENT, pool, student, force)
    print(f"Graded: {len(watch.graded)}.")
    if watch.unread:
        print(f"Could not be read, no points: {', '.join(watch.unread)}. Their feedback says why.")
    if watch.flagged:
        print(
            f"To be looked at, for what stands in their source: {', '.join(watch.flagged)}. See flags in kept/STUDENT/{ASSIGNMENT}/report.json."
        )
    if watch.failed:
        print(f"Left out, and will be tried again next time: {', '.join(watch.failed)}.")
        raise typer.Exit(1)
