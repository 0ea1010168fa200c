"""The lessons as HTML: any text of a student's is text, and what nbconvert lets through is all of it."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbconvert.filters import clean_html

from grading.formats.common import tidy
from grading.tests.reports import FULL, HOSTILE, MIXED, REPORTS, STUB, report, with_text
from tests.coach.report import ExerciseResult, Location, Report, TestResult, exercise
from tests.coach.table import table


class Page(HTMLParser):
    """What a browser makes of it: the tags, and the text in <pre> and outside."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[object] = []
        self.prose, self.verbatim = "", ""
        self._inside = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._inside = tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.verbatim += data
        else:
            self.prose += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def one(test: TestResult) -> ExerciseResult:
    return exercise("ex3", "Training", (test,))


def failing(message: str) -> ExerciseResult:
    place = Location("In [5]", 3, None, message)
    return one(TestResult("ex3.it_learns", "it learns", "failed", 0, 25, message, place))


def test_a_table_as_it_is_read() -> None:
    lessons = (
        TestResult("ex2.a", "the model is a module", "passed", 9, 9),
        TestResult(
            "ex2.b",
            "it answers",
            "failed",
            0,
            2,
            "2 < 3 & $x$\n\nIs it?",
            Location("In [5]", 3, None, "a = 1"),
        ),
        TestResult(
            "ex2.c", "no such function", "failed", 0, 1, "none", Location("the notebook", 1, None, "")
        ),
        TestResult("ex2.d", "on every device", "blocked", 0, 2, "waits for «it answers»"),
        TestResult("ex2.e", "and again", "todo", 0, 1, "still to be written"),
    )
    assert table(exercise("ex2", "The model", lessons), ["n.py was left out", "<x>"]) == (
        "<strong>Exercise 2 · The model: 9 / 15 points, not right yet</strong>\n"
        "<div>✓ the model is a module <em>9 / 9</em></div>\n"
        "<div>✗ <strong>it answers</strong> <em>0 / 2</em>"
        "<pre>2 &lt; 3 &amp; $x$\n\nIs it?\nIn [5], line 3: a = 1</pre></div>\n"
        "<div>✗ <strong>no such function</strong> <em>0 / 1</em><pre>none</pre></div>\n"
        "<div>○ on every device <em>0 / 2, waits</em></div>\n"
        "<div>○ and again <em>0 / 1, not started</em></div>\n"
        "<pre>n.py was left out\n&lt;x&gt;</pre>"
    )


def test_the_heading_says_how_far_it_is() -> None:
    heads = [table(e).splitlines()[0] for r in (FULL, STUB, MIXED) for e in r.exercises]
    assert heads[0] == "<strong>Exercise 1 · The data: 20 / 20 points, done</strong>"
    assert heads[6] == "<strong>Exercise 1 · The data: 0 / 20 points, not started</strong>"
    assert heads[11] == "<strong>The workflow: 0 / 10 points, waits for the others</strong>"
    assert heads[16] == "<strong>Exercise 5 · Saving and loading: 1 / 15 points, begun</strong>"


@pytest.mark.parametrize("of", REPORTS)
def test_every_text_is_text_in_pre(of: Report) -> None:
    for each in of.exercises:
        html = table(each, of.notes[:5])
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", html)
        page = Page(html)
        assert set(page.tags) <= {"strong", "div", "em", "pre"}
        assert page.tags.count("div") == len(each.tests)
        assert not page.attributes
        assert not re.search(r"[@#<>$\\`|]|script|teacher|xxx", page.prose)


@pytest.mark.parametrize("of", REPORTS)
def test_a_tidied_report_makes_the_same_table(of: Report) -> None:
    for fresh, tidied in zip(of.exercises, tidy(of).exercises, strict=True):
        assert table(tidied) == table(fresh)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "</pre></div><img src=x onerror=alert(1)>",
        "\" ' &amp; &lt;b&gt; <!-- -->",
        r"$x$ $$y$$ \(z\) \[w\] \begin{align}",
    ],
)
def test_markup_and_formulas_are_shown_as_they_are_written(text: str) -> None:
    page = Page(table(failing(text), [text]))
    assert page.verbatim == f"{text}\nIn [5], line 3: {text}{text}"
    assert page.prose == "Exercise 3 · Training: 0 / 25 points, not right yet\n✗ it learns 0 / 25\n"


def test_invisible_signs_are_gone_or_seen() -> None:
    page = Page(table(failing("\x1b[31mred\x1b[0m \u202etxet \u2066a\0b\ud800")))
    assert page.verbatim.splitlines()[0] == "red \ufffdtxet \ufffda\ufffdb\ufffd"


def test_it_stays_short() -> None:
    assert len(table(failing("x" * 1_000_000), ["y" * 1_000_000])) < 5000
    assert len(table(failing("\n".join(["x"] * 100_000))).splitlines()) < 60


# nbconvert


@pytest.mark.parametrize("of", [FULL, STUB, MIXED, *map(with_text, HOSTILE)])
def test_a_page_that_is_sanitized_has_all_of_it(of: Report) -> None:
    """As `HTMLExporter.sanitize_html` does it, in nbgrader's feedback and in formgrader."""
    for each in of.exercises:
        html = table(each, of.notes[:5])
        assert clean_html(html) == html


@settings(
    max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.text(st.characters() | st.sampled_from("\n\r<>&\"'$\\\ud800\x1b\0"), max_size=60))
def test_any_text_is_only_text(text: str) -> None:
    for each in report(failing(text)).exercises:
        html = table(each, [text])
        html.encode()
        assert clean_html(html) == html
        assert Page(html).prose == Page(table(failing("ok"), ["ok"])).prose
