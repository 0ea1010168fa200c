"""The course in its order, as `tests/curriculum.toml` has it."""

import tomllib
from functools import cache
from pathlib import Path

import msgspec

FILE = Path(__file__).resolve().parents[1] / "curriculum.toml"


class Reading(msgspec.Struct, frozen=True):
    title: str
    url: str


class Exercise(msgspec.Struct, frozen=True):
    """hints: three for each function, from a question to nearly the code. The workflow has no file."""

    id: str
    title: str
    points: int
    hints: dict[str, tuple[str, str, str]]
    file: str | None = None
    reading: tuple[Reading, ...] = ()

    @property
    def number(self) -> str:
        """As a student types it: EX=1 … EX=5, EX=workflow."""
        return self.id.removeprefix("ex")

    @property
    def topic(self) -> str:
        """The module in tests/harness that has its experiments: "training" for ex3_training.py."""
        return self.file.partition("_")[2].removesuffix(".py") if self.file else self.id


@cache
def load() -> tuple[Exercise, ...]:
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return msgspec.convert(content["exercise"], tuple[Exercise, ...])


def find(number: str) -> Exercise:
    """The exercise that EX= names. Raises ValueError, with words for the student."""
    exercises = load()
    for exercise in exercises:
        if number.strip().lower() in (exercise.id, exercise.number):
            return exercise
    known = ", ".join(exercise.number for exercise in exercises)
    raise ValueError(f"EX={number}: there is no such exercise. There are: {known}.")
