"""Reports of every kind, some with hostile texts of a student's, and what checks a written one."""

import base64
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from lxml import etree
from referencing import Registry, Resource

from grading.formats import FORMATS
from tests.coach.report import ExerciseResult, Flag, Location, Report, Status, TestResult, exercise

SCHEMAS = Path(__file__).parents[1] / "schemas"
POINTS = {"ex1": 20, "ex2": 15, "ex3": 25, "ex4": 15, "ex5": 15, "workflow": 10}
TITLES = ("The data", "The model", "Training", "Predictions", "Saving and loading", "The workflow")
HOSTILE = [
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J",
    "a\0b\x08\x7f",
    "\ud800 alone, \udfff alone",
    "\u202eevil\u2066\u200b\ufeff\ufffe\U0010ffff",
    "x" * 1_000_000,
    "\n" * 5000 + "end",
    "::set-output name=score::100",
    "one\n \t ::add-mask::e\r::stop-commands::x\r\n::error::y\v::debug::z",
    "\u2028::error::a\x85::error::b\u3000::error::c\x0c::error::d",
    "said ##[add-mask]e and #\x1b[0m#[set-output name=score]100",
    "%0A::set-output name=score::100%25",
    "\x1b[0m::notice title=Autograding complete::Points 100/100",
    "]]></failure></testcase><testcase name='x'/>&amp;<!--",
    "```\n````\n~~~\n# heading\n</details><script>alert(1)</script>",
    "`` ` ``` | a | b |\n|---|---|\n@teacher #1 <b>x</b> [x](javascript:alert(1)) ![](https://e.example/p.png)",
    "file=a,line=1,title=b::c:d,e",
    "\t" * 3000,
    "",
    "   ",
]


def lesson(
    of: str, number: int, status: Status, score: int, text: str = "", cell: int | None = None
) -> TestResult:
    if status == "passed":
        return TestResult(f"{of}.lesson_{number}", f"lesson {number}", status, score, score)
    place = (
        Location(f"exercises/{of}.py", 10 + number, cell, f"line {number}") if status != "blocked" else None
    )
    return TestResult(
        f"{of}.lesson_{number}", f"lesson {number}", status, 0, score, text or f"{status} {number}", place
    )


def part(of: str, *statuses: Status, text: str = "", cell: int | None = None) -> ExerciseResult:
    """An exercise with one point a test, and the rest of its points on the last."""
    worth = [1] * (len(statuses) - 1) + [POINTS[of] - len(statuses) + 1]
    tests = (
        lesson(of, number, status, score, text, cell)
        for number, (status, score) in enumerate(zip(statuses, worth, strict=True), 1)
    )
    return exercise(of, TITLES[list(POINTS).index(of)], tuple(tests))


def report(
    *parts: ExerciseResult, notes: tuple[str, ...] = (), flags: tuple[Flag, ...] = (), **other: Any
) -> Report:
    score = sum(each.score for each in parts)
    given = {
        "submission": "alice",
        "digest": "0" * 64,
        "isolation": "bubblewrap",
        "variant": "secret",
        **other,
    }
    return Report(
        schema=1,
        score=score,
        max_score=100,
        duration_s=1.25,
        notes=notes,
        flags=flags,
        exercises=parts,
        **given,
    )


def alike(*statuses: Status, **other: Any) -> Report:
    return report(*(part(of, *statuses) for of in POINTS), **other)


def with_text(text: str, most: int = 4, **other: Any) -> Report:
    """A report in which everything of the student's is `text`."""
    place = Location(text, -5, None, text), Location(text, 10**30, 3, text)
    parts = [part(of, "passed", *["failed"] * most, text=text) for of in POINTS]
    parts = [
        msgspec.structs.replace(
            each,
            tests=tuple(
                test if test.status == "passed" else msgspec.structs.replace(test, location=place[n % 2])
                for n, test in enumerate(each.tests)
            ),
        )
        for each in parts
    ]
    flag = Flag("exit", text, -1, f"uses {text}")
    return report(*parts, submission=text, notes=(text,) * 300, flags=(flag,) * 300, **other)


FULL = alike("passed", "passed")
STUB = alike("todo", "todo", "todo")
MIXED = report(
    part("ex1", "passed", "passed"),
    part("ex2", "passed", "failed", "blocked"),
    part("ex3", "timeout", "blocked", "todo"),
    part("ex4", "error", "passed", cell=3),
    part("ex5", "passed", "todo"),
    part("workflow", "blocked", "blocked"),
    notes=("ex9_more.py was left out",),
    flags=(Flag("exit", "exercises/ex3_training.py", 7, "uses os._exit"), Flag("differs", "", 0, "2 tests")),
)  # fmt: skip
ALL_STATUSES = alike("failed", "error", "timeout", "todo", "blocked", "passed")
ORDINARY = {
    "full": FULL,
    "stub": STUB,
    "mixed": MIXED,
    "all": ALL_STATUSES,
    "waiting": alike("passed", "blocked"),
}
REPORTS = [
    *(pytest.param(value, id=name) for name, value in ORDINARY.items()),
    *(pytest.param(with_text(text), id=f"hostile {number}") for number, text in enumerate(HOSTILE)),
    pytest.param(with_text("".join(HOSTILE[:3] + HOSTILE[5:])), id="hostile all"),
]


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    schemas = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in SCHEMAS.glob("*.json")}
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    registry: Registry[Any] = Registry().with_resources(
        (k, Resource.from_contents(v)) for k, v in schemas.items()
    )
    return jsonschema.Draft202012Validator(schemas[f"{name}.schema.json"], registry=registry)


@cache
def xsd() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMAS / "junit.xsd"))


def written(name: str, of: Report) -> str:
    """What a writer makes of a report: text that ends with a line's end and can be encoded."""
    text = FORMATS[name](of)
    assert text.endswith("\n")
    assert len(text.encode()) < 1 << 20
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    return text


def payload(of: Report) -> Any:
    return json.loads(base64.b64decode(written("classroom", of), validate=False))
