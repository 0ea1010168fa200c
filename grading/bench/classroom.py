"""A class whose notebooks every grader is given, the very same files."""

import random
from collections.abc import Iterator
from typing import NamedTuple

import nbformat

from grading.course.intake import Course
from grading.tests import corpus, courses

SEED = 42
STUDENTS = 100
SAMPLE = 4  # of them, for graders that take many seconds for each; even: otter runs two at a time


class Student(NamedTuple):
    """notebook: the file's text. kind: right (and worth all points), mistaken (in one place) or untouched."""

    name: str
    notebook: str
    kind: str

    @property
    def right(self) -> bool:
        return self.kind == "right"


def classroom(number: int, course: Course) -> list[Student]:
    """Every third has a mistake of the corpus, every twelfth has not begun, the others are right, each in a style of its
    own. The same number gives the same class, and any few in a row are much like all of it."""
    return [
        Student(f"student-{n:03}", _for_otter_too(courses.notebook_of(course, modules)), kind)
        for n, (kind, modules) in zip(range(number), handed_in(), strict=False)
    ]


def handed_in() -> Iterator[tuple[str, dict[str, str]]]:
    """(kind, modules) of one student after another."""
    mistakes = [mistake.change for mistake in corpus.mistakes() if not mistake.in_a_notebook]
    styles = [variant.changes for variant in corpus.variants()]
    chance = random.Random(SEED)
    chance.shuffle(mistakes)
    chance.shuffle(styles)
    while mistakes and styles:
        for turn in range(12):
            if turn == 11:
                yield "untouched", courses.stubs()
            elif turn % 3 == 1:
                yield "mistaken", courses.modules(mistakes.pop())
            else:
                yield "right", courses.modules(*styles.pop())


def _for_otter_too(notebook: str) -> str:
    """The locked cells run the suite where nbgrader grades. Otter brings tests that do, and would run these as well."""
    found = nbformat.reads(notebook, as_version=4)
    for cell in found.cells:
        if cell.metadata.get("nbgrader", {}).get("locked"):
            cell.metadata["tags"] = ["otter_ignore"]
    return str(nbformat.writes(found))
