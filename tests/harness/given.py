"""The numbers that an experiment is run on.

Practice uses `PRACTICE`. Grading runs the same experiments on numbers that nobody can write into
their code beforehand, so nothing outside this file may repeat one of them.
"""

import msgspec
import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float32]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Points on the straight line y = weight * x + bias, for x from start up to (not including) end."""

    weight: float
    bias: float
    start: float
    end: float
    step: float

    def x(self) -> Column:
        """(N,) float32. Exact IEEE arithmetic: every machine computes the same bytes."""
        count = round((self.end - self.start) / self.step)
        return (self.start + np.arange(count) * self.step).astype(np.float32)

    def y(self) -> Column:
        """(N,) float32."""
        return np.float32(self.weight) * self.x() + np.float32(self.bias)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Every input of every experiment. A pair is (weight, bias)."""

    # The line that exercises 1, 3, 4 and the workflow work on, and how its rows are split.
    line: Line
    train_fraction: float = 0.8

    # Exercise 1 once more, with numbers that nobody has as a default.
    other_line: Line
    other_fractions: tuple[float, ...]
    odd_rows: int

    # Exercise 2: two seeds to build a model under, and parameters to put into it.
    seed: int = 42
    other_seed: int
    parameters: tuple[float, float]

    # Exercise 3, the long run: from `start_at`, with the exercise's own loss and optimizer.
    start_at: tuple[float, float]
    lr: float = 0.01
    epochs: int = 300
    eval_every: int = 20

    # Exercise 3, the short run: mean squared error and momentum, other epochs.
    short_start_at: tuple[float, float]
    short_lr: float
    short_momentum: float
    short_epochs: int
    short_eval_every: int

    # Exercises 4 and 5: a trained model, another one, and the gradients of a made-up training.
    trained: tuple[float, float]
    other_trained: tuple[float, float]
    gradients: tuple[tuple[float, float], ...]
    checkpoint_after: int

    # The workflow on the CPU, on the line above.
    workflow_epochs: int
    device_epochs: int

    def rows(self) -> int:
        """How many of the line's rows are for training: the first ones."""
        return int(self.train_fraction * len(self.line.x()))

    def train(self) -> tuple[Column, Column]:
        """x and y of the training rows, (n,) each."""
        return self.line.x()[: self.rows()], self.line.y()[: self.rows()]

    def test(self) -> tuple[Column, Column]:
        """x and y of the test rows, (N - n,) each."""
        return self.line.x()[self.rows() :], self.line.y()[self.rows() :]


PRACTICE = Given(
    line=Line(weight=0.3, bias=0.9, start=0.0, end=1.0, step=0.01),
    other_line=Line(weight=-1.5, bias=0.25, start=-1.0, end=2.0, step=1 / 64),
    other_fractions=(0.7, 0.5),
    odd_rows=57,
    other_seed=7,
    parameters=(0.75, -0.4),
    start_at=(0.75, 0.65),
    short_start_at=(0.2, 1.1),
    short_lr=0.05,
    short_momentum=0.5,
    short_epochs=7,
    short_eval_every=3,
    trained=(0.31, 0.89),
    other_trained=(-0.8, 0.45),
    gradients=((0.5, -1.0), (-0.25, 0.75), (1.0, 0.5), (-0.5, 0.25), (0.75, -0.25)),
    checkpoint_after=3,
    workflow_epochs=40,
    device_epochs=5,
)


def made_up_history(given: Given) -> dict[str, list[float]]:
    """A history as `train` returns it, with numbers that can be told apart on a plot."""
    epochs = range(0, given.epochs, given.eval_every)
    weight, bias = given.parameters
    return {
        "epoch": list(epochs),
        "train_loss": [abs(weight) / (1 + e) for e in epochs],
        "test_loss": [abs(bias) + 1 / (2 + e) for e in epochs],
    }


def made_up_predictions(given: Given) -> Column:
    """(n,) float32: beside the test targets, by an amount that grows."""
    x, y = given.test()
    return y + np.float32(0.05) * (x + 2)
