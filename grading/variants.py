"""The numbers that a submission is graded on: derived from the course key and the student, and nobody's guess.

The same key and student give the same numbers at every regrade. Numbers count only when they are fair (every
legitimate way to write the code gets the same data from them, and a right run converges), distinct (no number
comes out right by chance) and telling (every wrong loop that the oracle knows moves differently); otherwise
the next ones are drawn.
"""

import hashlib
import hmac
import math
import random
from itertools import count
from typing import TypeVar

import numpy as np

from tests import oracle
from tests.harness.given import Given, Line
from tests.harness.observations import Pair

T = TypeVar("T")

TOLERANCE = 0.05  # of the test predictions, after the long run
DEPARTURE = 0.05  # by how many times lr a wrong loop must part from the right run …
WITHIN = 40  # … within so many steps


def derive(key: bytes, student: str) -> Given:
    """The numbers for one student. Everything in them comes from HMAC-SHA256(key, student, counter)."""
    for counter in count():
        message = f"{student}\0{counter}".encode()
        draw = random.Random(hmac.new(key, message, hashlib.sha256).digest())
        given = _draw(draw)
        if distinct(given) and fair(given) and telling(given):  # the cheapest question first
            return given
    raise AssertionError("count() never ends")


def _draw(draw: random.Random) -> Given:
    line = _line(draw)
    middle = line.weight * (line.start + line.end) / 2 + line.bias
    return Given(
        line=line,
        train_fraction=0.8,
        other_line=_line(draw),
        other_fractions=(_one_of(draw, 0.6, 0.65, 0.7, 0.75), _one_of(draw, 0.35, 0.4, 0.5, 0.55)),
        odd_rows=41 + 2 * int(draw.random() * 15),
        seed=int(draw.random() * 2**31),
        other_seed=int(draw.random() * 2**31),
        parameters=(_signed(draw, 0.2, 1.5), _signed(draw, 0.2, 1.5)),
        start_at=(-line.weight + _signed(draw, 0.1, 0.6), middle + _signed(draw, 0.1, 0.6)),
        lr=_one_of(draw, 0.008, 0.0125, 0.015, 0.02),
        epochs=250 + int(draw.random() * 100),
        eval_every=_one_of(draw, 15, 18, 22, 25),
        short_start_at=(_signed(draw, 0.2, 1.5), _signed(draw, 0.2, 1.5)),
        short_lr=_one_of(draw, 0.03, 0.04, 0.06),
        short_momentum=_one_of(draw, 0.4, 0.6, 0.7, 0.8),
        short_epochs=_one_of(draw, 6, 8, 9, 11),
        short_eval_every=_one_of(draw, 3, 4),
        trained=(_signed(draw, 0.2, 1.5), _signed(draw, 0.2, 1.5)),
        other_trained=(_signed(draw, 0.2, 1.5), _signed(draw, 0.2, 1.5)),
        gradients=tuple((_signed(draw, 0.2, 1.0), _signed(draw, 0.2, 1.0)) for _ in range(5)),
        checkpoint_after=_one_of(draw, 2, 3),
        workflow_epochs=30 + int(draw.random() * 20),
        device_epochs=_one_of(draw, 4, 5, 6),
    )


def _line(draw: random.Random) -> Line:
    """100 to 150 points at a step that is a power of two, so that no rounding decides on their number."""
    step = _one_of(draw, 1 / 64, 1 / 128)
    start = (int(draw.random() * 9) - 4) / 4
    rows = 10 * (10 + int(draw.random() * 6))
    weight, bias = _signed(draw, 0.2, 1.2), _signed(draw, 0.2, 1.2)
    return Line(weight=weight, bias=bias, start=start, end=start + rows * step, step=step)


def _signed(draw: random.Random, least: float, most: float) -> float:
    """Either sign; three digits, so that a message stays readable."""
    size = round(least + draw.random() * (most - least), 3)
    return size if draw.random() < 0.5 else -size


def _one_of(draw: random.Random, *choices: T) -> T:
    return choices[int(draw.random() * len(choices))]


def fair(given: Given) -> bool:
    """Does every right program get the same rows, and end close to the line?"""
    lines = given.line, given.other_line
    return (
        all(_every_formula_agrees(line) for line in lines)
        and all(_splits_alike(given, rows) for rows in (len(given.line.x()), given.odd_rows))
        and oracle.converges(given.start_at, given.train(), given.test(), given.lr, given.epochs, TOLERANCE)
    )


def _every_formula_agrees(line: Line) -> bool:
    exact = (line.end - line.start) / line.step
    return round(exact) == int(exact) == math.ceil(exact) and len(set(line.x().tolist())) == round(exact)


def _splits_alike(given: Given, rows: int) -> bool:
    """int(fraction * rows) must not hang on the last bit of the product."""
    products = (fraction * rows for fraction in (given.train_fraction, *given.other_fractions))
    return all(int(p - 1e-9) == int(p + 1e-9) or p == int(p) for p in products)


def distinct(given: Given) -> bool:
    """Is every number unlike those that it might be mistaken for, and unlike the exercise's own?"""
    weight, bias = given.line.weight, given.line.bias
    pairs: list[Pair] = [
        given.start_at,
        given.short_start_at,
        given.trained,
        given.other_trained,
        given.parameters,
    ]
    apart = all(
        abs(a - b) > 0.05
        for a, b in (*pairs, (weight, bias), (given.other_line.weight, given.other_line.bias))
    )
    far = all(math.dist(pair, (weight, bias)) > 0.1 for pair in pairs)
    new = all(abs(v - known) > 0.02 for v in (weight, bias) for known in (0.3, 0.9))
    # No default of create_dataset may come out by chance: whoever ignores a parameter would be right.
    new = new and given.other_line.start != 0.0 and given.other_line.end != 1.0
    last = (given.epochs - 1) % given.eval_every and (given.short_epochs - 1) % given.short_eval_every
    cut = 0.55 < given.other_fractions[0] * given.odd_rows % 1 < 0.95  # where round() and ceil() go up
    differ = math.dist(given.trained, given.other_trained) > 0.2 and given.other_seed != given.seed
    return bool(apart and far and new and last and cut and differ)


def telling(given: Given) -> bool:
    """Would every wrong loop that the oracle knows soon move otherwise than the right run does?"""
    trace = oracle.follow(given.start_at, *given.train(), given.lr, WITHIN)
    right = trace[:-1] - trace[1:]
    for loop in oracle.WRONG_LOOPS.values():
        run, _ = oracle.as_seen_by(loop, trace, given.train(), given.test(), given.lr)
        wrong = loop.moves(run)
        if not loop.number and not (
            len(wrong) and np.abs(wrong - right[: len(wrong)]).max() > DEPARTURE * given.lr
        ):
            return False
    return True
