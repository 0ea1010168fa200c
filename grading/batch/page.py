"""class.html: what an instructor opens when a class is graded.

One file that asks for nothing. Its policy (Content-Security-Policy) lets the one style and the one script in it be
used, by their hashes, and nothing else. Text of students' goes through `tidy` or `line`, then through autoescape.
"""

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import jinja2

from grading.batch.tally import Lesson, Look, Result, Tally
from grading.formats.common import STATUS, circumstances, heading, lessons, progress, said, tidy
from grading.formats.text import MARKS
from grading.grade import NO_KEY
from tests.coach.pictures import HEIGHT, WIDTH
from tests.coach.plain import line, paragraph
from tests.coach.report import ExerciseResult, Report, exercise

MOST_LISTED = 1000  # students on the page
MOST_NAMED = 20  # named at its top, of each kind; the list has all of them
MOST_TESTS = 10  # of the hardest that are seen at once
MOST_TOLD = 5  # messages of one test
HERE = Path(__file__).parent


class Bar(NamedTuple):
    """Of the distribution of marks. width: in percent, of the longest."""

    points: str
    students: int
    width: float


class Column(NamedTuple):
    """An exercise in the list of students. Where there is room, its name is before + short + after, and the title."""

    id: str
    before: str
    short: str
    after: str
    title: str


class Hard(NamedTuple):
    """A test that somebody fails. share: in percent of the graded. others: who read none of the words told."""

    lesson: Lesson
    exercise: str
    share: float
    told: list[tuple[str, int]]
    others: int


class Looks(NamedTuple):
    """Students worth a look for the same kind of reason: how many, and those that are named."""

    what: str
    students: int
    named: list[Look]


class Row(NamedTuple):
    """A student. parts: by the columns; None where there are no points. pictures: function, data: address."""

    anchor: str
    student: str
    look: Literal["", "flagged", "not graded"]
    why: str
    report: Report | None
    parts: list[ExerciseResult | None]
    pictures: list[tuple[str, str]]


def listed(tally: Tally) -> set[str] | None:
    """The students that the page lists; None: all. Of a class too large for a page, those worth a look."""
    return None if tally.students <= MOST_LISTED else {look.student for look in tally.looks}


def write(file: Path, tally: Tally, results: Iterable[Result], name: str) -> None:
    """Write the page, one student in memory at a time. The same class gives the same bytes. Raises OSError.

    results: of the students `listed`, in the order of their names. name: what was graded.
    """
    style, script = ((HERE / f"class.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    only = listed(tally)
    columns = [_column(id, title) for id, title in tally.exercises.items()]
    page = _environment().get_template("class.html.j2")
    parts = page.generate(
        name=line(name) or "unnamed",
        policy=_policy(style, script),
        style=style,
        script=script,
        tally=tally,
        no_key=NO_KEY,
        bars=_bars(tally),
        looks=_looks(tally),
        tests=[_hard(lesson, tally) for lesson in tally.hardest],
        columns=columns,
        on_page=tally.students if only is None else len(only),
        rows=(_row(result, columns) for result in results),
    )
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(parts)


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"line": line, "number": "{:,}".format, "heading": heading, "progress": progress}
    made.filters |= {"lessons": lessons, "said": said, "circumstances": circumstances, "anchor": _anchor}
    made.globals |= {"MARKS": MARKS, "STATUS": STATUS, "MOST_TESTS": MOST_TESTS}
    made.globals |= {"WIDTH": WIDTH, "HEIGHT": HEIGHT}
    return made


def _policy(style: str, script: str) -> str:
    """default-src covers every way to ask for something; links, forms and <base> are no asking."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script))
    allowed = "style-src 'sha256-{}'; script-src 'sha256-{}'".format(*hashes)
    return f"default-src 'none'; img-src data:; {allowed}; base-uri 'none'; form-action 'none'"


def _anchor(student: str) -> str:
    """The id of a student's row: the same whoever else is in the class, and nothing of the name's is in it."""
    return f"student-{hashlib.sha256(student.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _bars(tally: Tally) -> list[Bar]:
    """The marks in tenths of all points, and all points alone. Empty where nobody has a mark."""
    most = tally.max_score
    if not most:
        return []
    students = [0] * 11
    for score, number in tally.scores.items():
        students[min(max(score * 10 // most, 0), 10)] += number
    bounds = [-(-most * tenth // 10) for tenth in range(11)] + [most + 1]
    bars = []
    for low, high, number in zip(bounds[:-1], bounds[1:], students, strict=True):
        points = f"{low}" if high - low == 1 else f"{low}–{high - 1}"
        if high > low:  # tenths of less than 10 points: some hold none
            bars.append(Bar(points, number, _percent(number, max(students))))
    return bars


def _percent(number: int, of: int) -> float:
    return round(100 * number / max(1, of), 1)


def _column(id: str, title: str) -> Column:
    number = id.removeprefix("ex")
    if number.isdigit():
        return Column(id, "Ex ", number, "", title)
    return Column(id, "", id[:1].upper(), id[1:], "")


def _looks(tally: Tally) -> list[Looks]:
    kinds = ((tally.not_graded, False, "Could not be graded"), (tally.flagged, True, "Flagged"))
    return [
        Looks(what, number, [look for look in tally.looks if look.graded == graded][:MOST_NAMED])
        for number, graded, what in kinds
        if number
    ]


def _hard(lesson: Lesson, tally: Tally) -> Hard:
    id = lesson.id.partition(".")[0]
    of = heading(exercise(id, tally.exercises.get(id, id), ()))
    told = lesson.told[:MOST_TOLD]
    others = lesson.failed - sum(number for _, number in told)
    return Hard(lesson, of, _percent(lesson.failed, tally.graded), told, others)


def _row(result: Result, columns: list[Column]) -> Row:
    report = tidy(result.report) if result.report else None
    parts = {part.id: part for part in report.exercises} if report else {}
    return Row(
        anchor=_anchor(result.student),
        student=line(result.student) or "unnamed",
        look="not graded" if not report else "flagged" if report.flags else "",
        why=paragraph(result.why),
        report=report,
        parts=[parts.get(column.id) for column in columns],
        pictures=[(line(function), _address(png)) for function, png in sorted(result.pictures.items())],
    )


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
