"""`python -m grading grade PATH`: grade a submission. `doctor`: can this machine do that? `course`: grade a class.
`bundle`, `gradescope`: the zip for students, and the one for Gradescope. `render`: a report in another format.

Exit status of grade: 0 full marks, 1 less than that, 2 could not be graded; never anything else.
"""

import contextlib
import enum
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from grading import bundle, doctor
from grading.batch.cli import batch
from grading.course.cli import app as course
from grading.formats import FORMATS
from grading.grade import Pictures, grade
from grading.key import read_key
from grading.options import Isolation
from grading.submissions import Refused, Submission, read
from grading.variants import derive
from grading.warm import CannotGrade, Helper
from tests.coach.files import replace
from tests.coach.report import Report

Format = enum.Enum("Format", {name: name for name in FORMATS})  # type: ignore[misc]  # typer asks for an Enum
TEXT = Format("text")
Out = Annotated[Path, typer.Option(help="the folder that the zip is written into")]


app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Grade submissions: what runs a student's code never decides a mark.",
)


app.add_typer(course, name="course")
app.command("batch")(batch)


@app.command("grade")
def grade_one(
    path: Annotated[
        Path,
        typer.Argument(help="a folder with the five modules anywhere in it, a zip of one, or a notebook"),
    ],
    student: Annotated[
        str,
        typer.Option(
            help="the student's id; where PATH's name tells it, as an LMS export's does, not needed"
        ),
    ] = "",
    secret_file: Annotated[
        Path | None,
        typer.Option(help="the course key: the points then come from numbers that nobody can know"),
    ] = None,
    format: Annotated[Format, typer.Option(help="how to write the report")] = TEXT,
    out: Annotated[Path | None, typer.Option(help="write it to this file, not to the terminal")] = None,
    isolation: Annotated[
        Isolation, typer.Option(help="process: only in a container that is thrown away afterwards")
    ] = Isolation.bubblewrap,
) -> None:
    """Grade one submission. Exit status: 0 full marks, 1 less, 2 could not be graded."""
    key = read_key(secret_file) if secret_file else None
    submission = read(path)
    whose = student or submission.student or ""
    if key and not whose:
        raise CannotGrade("--student is missing: with a course key, every student has numbers of their own.")
    reports: list[Report] = []

    def done(graded: Submission, report: Report, pictures: Pictures) -> None:
        reports.append(report)

    with Helper(isolation.value) as helper:
        grade([(submission, derive(key, whose) if key else None)], done, helper)
    _show(reports[0], format, out)
    raise typer.Exit(0 if reports[0].done else 1)


@app.command("render")
def render(
    report: Annotated[Path, typer.Argument(help="what `grade --format json` wrote")],
    format: Annotated[Format, typer.Option(help="how to write it now")] = TEXT,
    out: Annotated[Path | None, typer.Option(help="write it to this file, not to the terminal")] = None,
) -> None:
    """Write a report in another format, without grading again. Exit status: 0, or 2 when there is none."""
    with _or_not_written():
        try:
            found = msgspec.json.decode(report.read_bytes(), type=Report)
        except OSError as error:
            raise CannotGrade(f"{report} can't be read ({error.strerror}).") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CannotGrade(f"{report} is no report of `grade --format json` ({error}).") from None
        _show(found, format, out)


@app.command("doctor")
def check() -> None:
    """Try what grading needs on this machine, and say how to mend what is missing."""
    raise typer.Exit(doctor.main())


@app.command("bundle")
def bundle_(
    with_ci: Annotated[
        str, typer.Option(metavar="github|gitlab", help="with the workflow that grades every push")
    ] = "",
    kit: Annotated[
        str,
        typer.Option(metavar="OWNER/REPOSITORY@COMMIT", help="what CI grades with; else this checkout"),
    ] = "",
    out: Out = Path("dist"),
) -> None:
    """Write the students' copy of the kit, as a zip without solutions and graders."""
    with _or_not_written():
        files = bundle.for_students(with_ci, kit)
        print(bundle.write(out / f"{bundle.TOP}.zip", files), bundle.NEXT[with_ci], sep="\n")


@app.command("gradescope")
def gradescope_(
    secret_file: Annotated[
        Path | None,
        typer.Option(help="the course key: the points then come from numbers that nobody can know"),
    ] = None,
    out: Out = Path("dist"),
) -> None:
    """Write the autograder that Gradescope asks for, as a zip."""
    with _or_not_written():
        key = read_key(secret_file) if secret_file else None
        print(bundle.write(out / "gradescope.zip", bundle.for_gradescope(key), private=key is not None))
        print(bundle.WITH_KEY if key else bundle.WITHOUT_KEY)


@contextlib.contextmanager
def _or_not_written() -> Iterator[None]:
    try:
        yield
    except (bundle.NotWritten, CannotGrade) as error:
        _say(f"Not written: {error}")
    except OSError as error:
        _say(f"Not written: {error.filename} ({error.strerror}).")
    else:
        return
    raise typer.Exit(2)


def _show(report: Report, format: Format, out: Path | None) -> None:
    text = FORMATS[format.value](report)
    if out:
        _write(out, text)
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def _write(file: Path, text: str) -> None:
    try:
        replace(file, text.encode())
    except OSError as error:
        raise CannotGrade(f"--out {file}: can't be written ({error.strerror}).") from None


def main() -> NoReturn:
    """Everything that ends the program goes through here: 0, 1 or 2, and words in place of a traceback."""
    signal.signal(signal.SIGTERM, _stop)
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a report has ✓ in it, whatever the locale
    sys.exit(_status(app))


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _status(command: Callable[..., Any]) -> int:
    try:
        return int(command(standalone_mode=False) or 0)
    except typer.TyperException as error:  # misused
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        _say(f"Not graded: {said}\nThe same command with --help says how it is used.")
    except (Refused, CannotGrade) as error:
        _say(f"Not graded: {error}")
    except (KeyboardInterrupt, typer.Abort):
        _say("Not graded: stopped.")
    except BrokenPipeError:
        _say("Not graded: nobody reads the report any more.")
    except Exception as error:
        _say(f"Not graded: the grader itself failed ({type(error).__name__}: {error}). Please report this.")
    return 2


def _say(words: str) -> None:
    print(words, file=sys.stderr)
