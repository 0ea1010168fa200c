"""What a right training step looks like, and the well-known wrong loops, over plain numbers.

The model is the line w·x + b, so its gradient needs no autograd. A point's *residual* is w·x + b − y. The
mean absolute error pulls every prediction down where the residual is positive and up where it is negative,
all equally hard: the gradient of the weight is the mean of sign(residual)·x, that of the bias the mean of
sign(residual), and a step of gradient descent subtracts lr times that.

The sign is the trouble. Where a residual is so near zero that float32 rounding decides its sign, two right
programs step differently, and their runs drift apart. So no run is compared with another run: every step is
judged from the parameters that *this* run had just before it, and a point whose sign rounding may decide, a
*tie*, may count either way. `diagnose` works alike: how far would that wrong loop have moved from here?
grading/tests/test_oracle.py holds all of this against PyTorch: no false alarm in 1,000 right runs, and every
wrong loop below is caught and named.

T: steps. n: points. `at`, `start`: (weight, bias). `trace`: T + 1 such pairs, before the first step and after
every step, the float32 values as they were. `x`, `y`: (n,), the very numbers that were trained on. Results
are float64. An observed nan or infinity is a wrong answer, never an exception.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tests.harness.given import Column
from tests.harness.observations import Pair

Numbers = npt.NDArray[np.float64]
Trace = Sequence[Pair] | Numbers
Points = tuple[Column, Column]

HALF_ULP = 2.0**-24  # the largest relative error of rounding to float32
TIE = 4  # a residual of up to 4 half-ulps of |w·x| + |b| + |y| may have either sign
STEP = 4  # rounding units that a step or a gradient may miss by (right runs: at most 2)
LOSS = 16  # half-ulps of |w·x| + |b| + |y| that a loss may miss by (right runs: about 4)


def _residuals(at: Trace, x: Column, y: Column) -> tuple[Numbers, Numbers]:
    """w·x + b − y, and |w·x| + |b| + |y|, which its rounding error is relative to: (T, n) each."""
    places = np.asarray(at, dtype=np.float64).reshape(-1, 2)
    w, b, target = places[:, :1], places[:, 1:], y.astype(np.float64)
    return w * x + b - target, np.abs(w * x) + np.abs(b) + np.abs(target)


def _pulls(at: Trace, x: Column, y: Column, loss: str) -> tuple[Numbers, Numbers, Numbers]:
    """n · d loss / d prediction, the size its rounding is relative to, what a tie may add: (T, n) each."""
    residual, scale = _residuals(at, x, y)
    one, n = np.ones_like(residual), y.size
    if loss == "mse":  # twice as far away, twice as hard; no ties, as a small residual pulls but a little
        return 2 * residual, 2 * scale, 0 * one
    if loss == "smooth_l1":  # half the square up to a distance of 1, then the distance
        return np.clip(residual, -1, 1), scale, 0 * one
    if loss == "broadcast":  # (n, 1) minus (n,) is (n, n): count the ys below and above every prediction
        near, ys = TIE * HALF_ULP * scale.max(axis=1, keepdims=True), np.sort(y).astype(np.float64)
        below = np.searchsorted(ys, residual + y - near, side="left")
        above = n - np.searchsorted(ys, residual + y + near, side="right")
        return (below - above) / n, one, (n - below - above) / n
    times = {"l1": 1, "sum": n}[loss]  # the sum is n times the mean
    tied = np.abs(residual) <= TIE * HALF_ULP * scale
    return times * np.where(tied, 0, np.sign(residual)), times * one, times * tied.astype(np.float64)


def _slopes(at: Trace, x: Column, y: Column, loss: str) -> tuple[Numbers, Numbers, Numbers]:
    """The gradient at every place, a unit of its rounding, what ties may change it by: (T, 2) each."""
    lever = np.stack([x, np.ones_like(x)], axis=1).astype(np.float64)  # d prediction / d weight, … / d bias
    pull, size, tied = _pulls(at, x, y, loss)
    unit = HALF_ULP * max(8, x.size / 8)  # a sum of n, one by one, may miss by n / 2 half-ulps: 4 units
    return pull @ lever / x.size, unit * size @ np.abs(lever) / x.size, tied @ np.abs(lever) / x.size


class Slope(NamedTuple):
    """A gradient with its ties counted as 0, and by how much they may move it either way."""

    weight: float
    bias: float
    slack_weight: float
    slack_bias: float


def gradient(at: Pair, x: Column, y: Column, loss: str = "l1") -> Slope:
    """The gradient of the "l1" or "mse" loss at one place."""
    slope, _, slack = _slopes([at], x, y, loss)
    return Slope(*slope[0].tolist(), *slack[0].tolist())


@np.errstate(all="ignore")
def wrong_gradients(
    observed: Sequence[tuple[float | None, float | None]], at: Trace, x: Column, y: Column, loss: str = "l1"
) -> list[int]:
    """Which of these are not the gradients `at` these places, but for rounding and ties? None never is right."""
    slope, unit, slack = _slopes(at, x, y, loss)
    miss = np.abs(
        np.array(observed, dtype=np.float64).reshape(-1, 2) - slope
    )  # nan for None: never <= anything
    return np.flatnonzero(~(miss <= slack + STEP * unit).all(axis=1)).tolist()


def _before_and_after(trace: Trace) -> tuple[Numbers, Numbers]:
    """The parameters before and after every step, (T, 2) each."""
    places = np.asarray(trace, dtype=np.float64).reshape(-1, 2)
    return places[:-1], places[1:]


@np.errstate(all="ignore")
def step_errors(trace: Trace, x: Column, y: Column, lr: float) -> Numbers:
    """By how many rounding units every step misses, beyond what its ties explain: (T,).

    A unit is half an ulp of the parameter before and after the step, and lr units of the gradient's rounding.
    """
    before, after = _before_and_after(trace)
    slope, unit, slack = _slopes(before, x, y, "l1")
    right = before - lr * slope
    units = HALF_ULP * (np.abs(before) + np.abs(right)) + lr * unit
    errors: Numbers = ((np.abs(after - right) - lr * slack) / units).max(axis=1)
    return errors


def wrong_steps(trace: Trace, x: Column, y: Column, lr: float) -> list[int]:
    """Which steps, from 0, are no gradient descent on the mean absolute error. Too few or too many: count."""
    return [step for step, error in enumerate(step_errors(trace, x, y, lr)) if not error <= STEP]


def mean_absolute_error(at: Pair, x: Column, y: Column) -> float:
    """The loss at one place."""
    return float(np.abs(_residuals([at], x, y)[0]).mean())


@np.errstate(all="ignore")
def loss_is_right(observed: float, at: Pair, x: Column, y: Column, loss: str = "l1") -> bool:
    """Is this the "l1" or "mse" loss at `at`, when every residual may be off by its rounding?"""
    residual, scale = _residuals([at], x, y)
    power = {"l1": 1, "mse": 2}[loss]
    right = np.abs(residual) ** power
    at_most = (np.abs(residual) + LOSS * HALF_ULP * scale) ** power
    return bool(abs(observed - right.mean()) <= (at_most - right).mean())


def diagnose_loss(observed: float, candidates: Mapping[str, float]) -> str | None:
    """Which candidate does the observed loss equal, as far as float32 can tell? The nearest one's name."""
    miss = {name: abs(observed - value) / (1 + abs(value)) for name, value in candidates.items()}
    near = [name for name in miss if miss[name] <= 2 * LOSS * HALF_ULP]
    return min(near, key=lambda name: miss[name], default=None)


def follow(start: Pair, x: Column, y: Column, lr: float, epochs: int) -> Numbers:
    """The trace of a right run from `start`, rounded to float32 as in a model; float64, (epochs + 1, 2)."""
    trace, wide_x, wide_y = [np.array(start, np.float32).astype(np.float64)], x.astype(float), y.astype(float)
    for _ in range(epochs):
        sign = np.sign(trace[-1][0] * wide_x + trace[-1][1] - wide_y)
        trace.append(trace[-1] - lr / x.size * np.array([sign @ wide_x, sign.sum()]))
    return np.array(trace)


def converges(start: Pair, train: Points, test: Points, lr: float, epochs: int, tolerance: float) -> bool:
    """Are a right run's last 10 test losses within half the tolerance? Then float32 runs end within it."""
    residual, _ = _residuals(follow(start, *train, lr, epochs)[-10:], *test)
    return bool((np.abs(residual).mean(axis=1) <= tolerance / 2).all())


class Run(NamedTuple):
    """What a loop is rebuilt from: its own gradients at the run's parameters, and what the run did there."""

    slope: Numbers  # (T, 2)
    moved: Numbers  # (T, 2), downhill: the parameters before a step minus those after it
    lr: float


def _times(weight: float, bias: float) -> Callable[[Run], Numbers]:
    """So many times the right step."""
    return lambda run: run.lr * run.slope * [weight, bias]


def _adding_up(run: Run, kept: float = 1) -> Numbers:
    """Every gradient comes on top of what is kept of the earlier ones: all of it where nothing clears it."""
    total, moves = np.zeros(2), []
    for slope in run.slope:
        total = kept * total + slope
        moves.append(run.lr * total)
    return np.array(moves)


def _adam(run: Run) -> Numbers:
    """Adam with its usual constants (Kingma and Ba, 2015, algorithm 1)."""
    mean, square, moves = np.zeros(2), np.zeros(2), []
    for t, slope in enumerate(run.slope, start=1):
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        moves.append(run.lr * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8))
    return np.array(moves)


def _rate(run: Run) -> float:
    """The learning rate that explains the moves best."""
    return float((run.slope * run.moved).sum() / (run.slope**2).sum())


def _momentum(run: Run) -> float:
    """The share of every move that explains best what the next has beyond its gradient: to 4 decimals."""
    last, extra = run.moved[:-1], (run.moved - run.lr * run.slope)[1:]
    return round(float((last * extra).sum() / (last**2).sum()), 4)


class Loop(NamedTuple):
    """How a wrong loop moves, going by the gradients of this loss on these rows: "train", "test" or "all"."""

    moves: Callable[[Run], Numbers] = _times(1, 1)
    loss: str = "l1"
    rows: str = "train"
    number: Callable[[Run], float] | None = None  # what is estimated from the run


WRONG_LOOPS = {
    "no step": Loop(_times(0, 0)),
    "never cleared": Loop(_adding_up),
    "one step late": Loop(lambda run: run.lr * np.insert(run.slope[:-1], 0, 0, axis=0)),
    "twice as far": Loop(_times(2, 2)),
    "uphill": Loop(_times(-1, -1)),
    "weight only": Loop(_times(1, 0)),
    "bias only": Loop(_times(0, 1)),
    "Adam": Loop(_adam),
    "MSE": Loop(loss="mse"),
    "SmoothL1": Loop(loss="smooth_l1"),
    "sum": Loop(loss="sum"),
    "broadcast": Loop(loss="broadcast"),
    "all rows": Loop(rows="all"),
    "test rows": Loop(rows="test"),
    "learning rate": Loop(lambda run: _rate(run) * run.slope, number=_rate),
    "momentum": Loop(lambda run: _adding_up(run, _momentum(run)), number=_momentum),
}
SENTENCES = {  # "Your parameters move exactly as in a loop that" …: what it does, then what to look at
    "no step": "never takes a step: is `optimizer.step()` called (with its parentheses), for this model?",
    "never cleared": "never clears the gradients: "
    "is `optimizer.zero_grad()` called (with its parentheses) in every epoch?",
    "one step late": "steps with gradients that are one epoch old: does `loss.backward()` come first?",
    "twice as far": "doubles every step: is `loss.backward()` called twice, or the learning rate doubled?",
    "uphill": "climbs the loss instead of descending: is there a minus sign or a `maximize=True` too many?",
    "weight only": "trains the weight alone: does the optimizer get all of `model.parameters()`?",
    "bias only": "trains the bias alone: does the optimizer get all of `model.parameters()`?",
    "Adam": "steps with Adam: is the optimizer that takes the steps SGD?",
    "MSE": "squares the errors: is the loss that goes backward the mean absolute error?",
    "SmoothL1": "uses the SmoothL1 loss: is the loss that goes backward plain L1?",
    "sum": "adds up the errors of all rows: is the loss that goes backward their mean?",
    "broadcast": "compares every prediction with every y: are both (N, 1) when they meet in the loss?",
    "all rows": "trains on the test rows too: which rows does the model get before `loss.backward()`?",
    "test rows": "trains on the test rows: which rows does the model get before `loss.backward()`?",
    "learning rate": "has a learning rate of {number:.4g}, not {lr:.4g}: which one does the optimizer get?",
    "momentum": "has a momentum of {number:.4g}: is the optimizer SGD with a learning rate and nothing else?",
}
LOOKED_AT = 300  # steps, for a diagnosis


def as_seen_by(loop: Loop, trace: Trace, train: Points, test: Points, lr: float) -> tuple[Run, Numbers]:
    """The run up to the loop's first tie, and how far each of its moves may miss, (T, 2)."""
    rows = {"train": [train], "test": [test], "all": [train, test]}[loop.rows]
    x, y = (np.concatenate(columns) for columns in zip(*rows, strict=True))
    before, after = (places[:LOOKED_AT] for places in _before_and_after(trace))
    slope, unit, slack = _slopes(before, x, y, loop.loss)
    clear = ~np.logical_or.accumulate(slack[:, 1] * x.size > 0.5)  # no whole point in doubt so far
    room = 4 * HALF_ULP * (np.abs(before) + np.abs(after)) + lr * (8 * unit + slack)
    return Run(slope[clear], (before - after)[clear], lr), room[clear]


def _fits(loop: Loop, trace: Trace, train: Points, test: Points, lr: float, first_wrong: int) -> bool:
    """Would this loop have made the same moves, at least 3 of them, a wrong one among them?"""
    run, room = as_seen_by(loop, trace, train, test, lr)
    if len(run.moved) <= max(first_wrong, 2):
        return False
    moves = loop.moves(run)
    longest = np.maximum.accumulate(np.abs(moves))  # what is kept from step to step keeps its rounding errors
    return bool((np.abs(run.moved - moves) <= room + 2e-5 * longest).all())


@np.errstate(all="ignore")
def names(trace: Trace, train: Points, test: Points, lr: float) -> list[str]:
    """The loops that would have moved like this run: ["right"], or keys of WRONG_LOOPS, or none of them."""
    wrong = wrong_steps(trace, *train, lr)
    if not wrong:
        return ["right"]
    fitting = [name for name, loop in WRONG_LOOPS.items() if _fits(loop, trace, train, test, lr, wrong[0])]
    # A loop with a number to estimate can imitate others: a sum is a learning rate n times too large.
    return [name for name in fitting if not WRONG_LOOPS[name].number] or fitting


def diagnose(trace: Trace, train: Points, test: Points, lr: float) -> str | None:
    """What to tell the author of a run. None if it is right, or like no loop that is known here."""
    name = next(iter(names(trace, train, test, lr)), "right")
    if name == "right":
        return None
    run, _ = as_seen_by(WRONG_LOOPS[name], trace, train, test, lr)
    number = WRONG_LOOPS[name].number
    says = SENTENCES[name].format(number=number and number(run), lr=lr)
    return f"Your parameters move exactly as in a loop that {says}"
