"""The lessons of an exercise as HTML: what is read in a notebook, in nbgrader's feedback and in formgrader.

Only tags and attributes that nbconvert's sanitizer lets through. It breaks a <table> (by a <tbody> of its own), and
Jupyter's style sheets align the text in tables to the right: so the lessons are a list. What may be the student's
stands in <pre>, where MathJax takes no $ for a formula.
"""

from collections.abc import Sequence
from html import escape

from tests.coach.plain import FAILING, MOST_NOTE, STATUS, line, progress, tidy_exercise, where
from tests.coach.report import ExerciseResult, TestResult
from tests.coach.terminal import heading


def table(exercise: ExerciseResult, notes: Sequence[str] = ()) -> str:
    """One line an exercise, one for each lesson, words for those that fail; then the notes. Any text may be in it."""
    exercise = tidy_exercise(exercise)
    points = f"{exercise.score} / {exercise.max_score} points, {progress(exercise)}"
    head = f"<strong>{_text(heading(exercise))}: {points}</strong>"
    lessons = "\n".join(f"<li>{_lesson(test)}</li>" for test in exercise.tests)
    more = "\n".join(filter(None, (line(note, MOST_NOTE) for note in notes)))
    return f"{head}\n<ul>\n{lessons}\n</ul>\n{_verbatim(more)}"


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
    return f"<pre>{_text(text)}</pre>" if text else ""
