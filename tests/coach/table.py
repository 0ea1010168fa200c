"""The lessons of an exercise as HTML: what is read in a notebook, in nbgrader's feedback and in formgrader.

Only tags and attributes that nbconvert's sanitizer lets through. It breaks a <table> (by a <tbody> of its own), and
Jupyter's style sheets align the text in tables to the right: so each lesson is a line. What may be the student's
stands in <pre>, where MathJax takes no $ for a formula.
"""

from collections.abc import Sequence
from html import escape
from textwrap import wrap
from typing import Any

from tests.coach.plain import FAILING, MOST_NOTE, STATUS, line, progress, tidy_exercise, where
from tests.coach.report import ExerciseResult, TestResult
from tests.coach.terminal import heading

MOST_WIDTH = 100  # characters of a line: feedback cuts longer ones at the margin
_AS_IT_IS: Any = {"replace_whitespace": False, "drop_whitespace": False, "break_on_hyphens": False}


def table(exercise: ExerciseResult, notes: Sequence[str] = ()) -> str:
    """One line an exercise, one for each lesson, words for those that fail; then the notes. Any text may be in it."""
    exercise = tidy_exercise(exercise)
    points = f"{exercise.score} / {exercise.max_score} points, {progress(exercise)}"
    head = f"<strong>{_text(heading(exercise))}: {points}</strong>"
    lessons = "\n".join(f"<div>{_lesson(test)}</div>" for test in exercise.tests)
    more = "\n".join(filter(None, (line(note, MOST_NOTE) for note in notes)))
    return f"{head}\n{lessons}\n{_verbatim(more)}"


def _lesson(test: TestResult) -> str:
    title, points = _text(test.title), f"{test.score} / {test.max_score}"
    if test.status in FAILING:
        return f"✗ <strong>{title}</strong> <em>{points}</em>{_verbatim(_words(test))}"
    if test.status == "passed":
        return f"✓ {title} <em>{points}</em>"
    return f"○ {title} <em>{points}, {STATUS[test.status]}</em>"


def _words(test: TestResult) -> str:
    words, place = test.message or STATUS[test.status], test.location
    return (
        f"{words}\n{where(place)}" if place and place.source else words
    )  # a line 1 without text is no place


def _text(words: str) -> str:
    return escape(words, quote=False)


def _verbatim(text: str) -> str:
    rows = (row for long in text.split("\n") for row in wrap(long, MOST_WIDTH, **_AS_IT_IS) or [""])
    return f"<pre>{_text(chr(10).join(rows))}</pre>" if text else ""
