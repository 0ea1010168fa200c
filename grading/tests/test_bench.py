"""What `make bench` makes of its figures, and the class that it grades."""

import itertools
from collections import Counter
from pathlib import Path

import pytest

from grading.bench import table
from grading.bench.chart import draw
from grading.bench.classroom import SAMPLE, STUDENTS, handed_in
from grading.bench.clock import Cost
from grading.bench.table import Row

OURS = Row("`ours`", Cost(wall=0.36, cpu=0.5), True)
THEIRS = Row("`theirs`", Cost(wall=9.0, cpu=7.25), False)


def test_each_row_is_compared_with_one() -> None:
    assert table.table([OURS, THEIRS], OURS).splitlines()[2:] == [
        "| `ours` | 0.36 | 1.0 × | 0.50 |",
        "| `theirs` | 9.0 | 25 × | 7.2 |",
    ]


def test_a_large_course_is_shared_out_among_machines() -> None:
    *_, ours, theirs = table.large([OURS, THEIRS]).splitlines()
    assert ours == "| `ours` | 10 h | 60 min | 6.0 min |"
    assert theirs == "| `theirs` | 10 days | 25 h | 2.5 h |"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0.4, "0 s"),
        (119, "119 s"),
        (120, "2.0 min"),
        (7199, "120 min"),
        (7200, "2.0 h"),
        (172_800, "2.0 days"),
    ],
)
def test_a_duration_is_told_in_the_largest_unit_that_fits_twice(number: float, words: str) -> None:
    assert table.duration(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0.0031, "0.003"), (0.0999, "0.10"), (0.344, "0.34"), (0.996, "1.0"), (5.61, "5.6"), (9.96, "10")],
)
def test_seconds_have_two_digits_that_count(number: float, words: str) -> None:
    assert table.seconds(number) == words


def test_what_starting_takes_is_taken_off_and_the_rest_shared_out() -> None:
    assert Cost(wall=14.0, cpu=9.0).less(Cost(wall=2.0, cpu=3.0)).each(6) == Cost(wall=2.0, cpu=1.0)


def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    pictures = tmp_path / "once.svg", tmp_path / "again.svg"
    for file in pictures:
        draw([OURS, THEIRS], OURS, "A class", file)
    once, again = (file.read_text(encoding="utf-8") for file in pictures)
    assert once == again
    assert "dc:date" not in once


def test_a_few_of_the_class_are_like_all_of_it() -> None:
    kinds = [kind for kind, _ in itertools.islice(handed_in(), STUDENTS)]
    assert Counter(kinds) == {"right": 59, "mistaken": 33, "untouched": 8}
    assert Counter(kinds[:SAMPLE]) == {"right": 3, "mistaken": 1}


def test_the_class_is_the_same_every_time() -> None:
    once, again = (list(itertools.islice(handed_in(), STUDENTS)) for _ in "ab")
    assert once == again
    assert len({str(modules) for _, modules in once}) > 90, "hardly any two have handed in the same"
