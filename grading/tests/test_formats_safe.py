"""What a student wrote is text in every format, and never a command, a tag or a link to whatever reads it."""

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from markdown_it import MarkdownIt
from markdown_it.token import Token

from grading.formats import FORMATS
from grading.tests.reports import (
    POINTS,
    REPORTS,
    alike,
    part,
    payload,
    report,
    validator,
    with_text,
    written,
    xsd,
)
from tests.coach.report import Report


def commands(text: str) -> Iterator[tuple[str, str]]:
    """What GitHub's runner would obey: "::name values::data" at a line's start, "##[name]data" anywhere in it."""
    for line in re.split(r"\r\n|\r|\n", text):
        if found := re.match(r"\s*::(\S*?)(?: .*?)?::(.*)", line) or re.search(
            r"##\[([^\] ]*)[^\]]*\](.*)", line
        ):
            yield found[1], found[2]


def test_this_reads_commands_as_the_runner_does() -> None:
    text = "x ::a::b\n  ::error file=a::b::c\nsay ##[add-mask x=1]d\r::add-mask::e"
    assert [*commands(text)] == [("error", "b::c"), ("add-mask", "d"), ("add-mask", "e")]


@pytest.mark.parametrize("of", REPORTS)
def test_no_format_holds_a_command_for_a_runner_that_prints_it(of: Report) -> None:
    for name in ("text", "json", "junit", "gradescope", "classroom", "markdown", "codequality"):
        assert not [*commands(written(name, of))]
    for test in payload(of)["tests"]:  # as the reporter prints them
        assert not [*commands(f"❌ {test['name']}\nError: {test.get('message')}")]
    for test in json.loads(FORMATS["gradescope"](of))["tests"]:
        assert not [*commands(test["output"])]


@pytest.mark.parametrize("of", REPORTS)
def test_github_gets_errors_and_one_notice_and_nothing_else(of: Report) -> None:
    lines = written("github", of).splitlines()
    found = [name for line in lines for name, _ in commands(line)]
    failing = sum(
        test.status in ("failed", "error", "timeout") for each in of.exercises for test in each.tests
    )
    assert found == ["error"] * min(10, failing) + ["notice"]
    for line in lines[:-1]:
        assert re.fullmatch(r"::error (?:(file|line|title)=[^:,]*(,(?!:)|(?=::)))+::.*", line)
        assert not [
            *commands(line.rpartition("::")[2].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%"))
        ]
    assert f"{of.score} of 100 points" in lines[-1]


def test_github_annotates_the_students_lines() -> None:
    of = report(
        part("ex1", "passed"),
        part("ex2", "failed", text="50% off:\nno, really"),
        part("ex3", "failed", cell=4),
    )
    assert FORMATS["github"](of).splitlines() == [
        "::error file=exercises/ex2.py,line=11,title=Exercise 2 · The model%3A lesson 1::50%25 off:%0Ano, really",
        "::error file=exercises/ex3.py,title=Exercise 3 · Training%3A lesson 1 (exercises/ex3.py%2C cell 4%2C line 11)"
        "::failed 1%0Aexercises/ex3.py, cell 4, line 11: line 1",
        "::notice title=Exercises::20 of 100 points",
    ]


def test_github_shows_the_first_failure_of_each_exercise_before_any_second() -> None:
    lines = FORMATS["github"](alike("failed", "failed", "failed")).splitlines()
    numbers = [re.search(r"lesson (\d)", line)[1] for line in lines[:-1]]  # type: ignore[index]
    assert numbers == ["1"] * 6 + ["2"] * 4
    assert lines[-1] == "::notice title=Exercises::0 of 100 points; 8 more tests fail than are annotated"


def tokens(text: str) -> list[Token]:
    parsed = MarkdownIt("commonmark").enable("table").parse(text)
    return [*parsed, *(child for token in parsed for child in token.children or ())]


def prose(of: list[Token]) -> str:
    return "".join(token.content for token in of if token.type == "text")


@pytest.mark.parametrize("of", REPORTS)
def test_markdown_keeps_the_students_text_in_code(of: Report) -> None:
    found = tokens(written("markdown", of))
    kinds = {token.type for token in found}
    assert not kinds & {
        "html_block",
        "html_inline",
        "link_open",
        "image",
        "code_block",
        "bullet_list_open",
        "hr",
    }
    failing = [
        test for each in of.exercises for test in each.tests if test.status in ("failed", "error", "timeout")
    ]
    assert sum(token.type == "fence" for token in found) == len(failing)
    assert sum(token.type == "heading_open" for token in found) == 1 + len(failing)
    assert sum(token.type == "tr_open" for token in found) == 7
    assert sum(token.type == "code_inline" for token in found) == 1
    assert not re.search(r"[@#<>\[\]!]|teacher|xxx", prose(found))


def test_a_step_summary_fits_however_much_there_is() -> None:
    of = report(*(part(of, *["failed"] * 100, text="語" * 5000) for of in POINTS))
    text = FORMATS["markdown"](of)
    assert len(text.encode()) < 1_000_000
    assert re.search(r"No room here for \d+ more", text)


@settings(
    max_examples=40, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.text(st.characters() | st.sampled_from("\n\r:#[]`|<>&@%\ud800\x1b\0"), max_size=60))
def test_any_text_is_only_text(text: str) -> None:
    of = with_text(text, most=2)
    validator("report").validate(json.loads(written("json", of)))
    validator("gradescope").validate(json.loads(written("gradescope", of)))
    validator("classroom").validate(payload(of))
    xsd().assertValid(etree.fromstring(written("junit", of).encode()))
    validator("codequality").validate(json.loads(written("codequality", of)))
    for name in ("text", "json", "junit", "gradescope", "markdown", "codequality"):
        assert not [*commands(written(name, of))]
    assert [name for name, _ in commands(written("github", of))] == ["error"] * 10 + ["notice"]
    innocent = tokens(written("markdown", with_text("ok", most=2)))
    found = tokens(written("markdown", of))
    assert [token.type for token in found] == [token.type for token in innocent]
    assert prose(found) == prose(innocent)
