"""Exercise 1: the data. Points on a line, split into a part to learn from and a part to be tested on.

A test that takes `default_data` beside its own experiment waits until `create_dataset` returns X and y.
"""

import re

import numpy as np
import pytest

from tests.lines import DEFAULT, judge_line, judge_range
from tests.plots import judge_axes, judge_legend, judge_points

points = pytest.mark.points


# ── pick_device ──────────────────────────────────────────────────────────────────────────────────


@points(1)
def test_pick_device_names_a_device(devices, expect):
    """PyTorch computes on a device: "cpu", "cuda", "mps". `torch.device("cpu")` is one."""
    answer = devices.without
    means = {
        "NoneType": "The function ends without `return`, so its caller gets None.",
        "bool": "That is a yes or no. Which device is it to be, then?",
    }
    wanted = 'a torch.device, such as torch.device("cpu")'
    expect("pick_device()", answer.text).holds(kind(answer) is not None, wanted, means.get(answer.type, ""))


@points(1)
def test_without_a_gpu_the_device_is_the_cpu(devices, expect):
    """A function without its parentheses is never False: `if is_available:` always says yes."""
    if kind(devices.with_cuda) == "cpu":
        means = "The two answers have changed places: this is the one for a machine with a GPU."
    elif devices.asked:
        means = "Something was asked, but not believed: look at the branch without a GPU."
    else:
        means = (
            "PyTorch was never asked. Is the device written down, or `torch.cuda.is_available` named but not called, "
            "without its `()`?"
        )
    right = kind(devices.without) == "cpu"
    expect("pick_device() on a machine without a GPU", devices.without.text).holds(
        right, 'the device "cpu"', means
    )


@points(1)
def test_with_a_gpu_the_device_is_the_gpu(devices, expect):
    """The same program must use a GPU where there is one."""
    means = (
        "PyTorch was asked: what is returned when it says yes?"
        if devices.asked
        else "PyTorch was never asked whether there is one: `torch.cuda.is_available()` tells."
    )
    right = kind(devices.with_cuda) == "cuda"
    expect("pick_device() on a machine with a CUDA GPU", devices.with_cuda.text).holds(
        right, 'the device "cuda"', means
    )


def kind(answer):
    """The "cuda" in "cuda:0" or in torch.device("cuda"); None when it is neither a name nor a device."""
    found = re.fullmatch(r"(?:device\(type=)?'([a-z]+)(?::\d+)?'(?:, index=\d+)?\)?", answer.text)
    return found[1] if found and answer.type in ("str", "device") else None


# ── create_dataset ───────────────────────────────────────────────────────────────────────────────


@points(1)
def test_create_dataset_returns_X_and_y(default_data, expect):
    """Two tensors: what the model sees, and what it should answer."""
    expect.items("create_dataset()", default_data.returned, ("X", "y"))


@points(2)
def test_X_and_y_are_columns_of_float32(default_data, expect):
    """One row a point, one column a feature: (N, 1), not (N,)."""
    for name, seen in zip("Xy", default_data.returned.items, strict=True):
        rows = max(seen.tensor.shape, default=0)
        if len(seen.tensor.shape) == 1:
            means = "It is 1-D: numbers without columns. `.unsqueeze(dim=1)` adds the missing dimension."
        elif seen.tensor.shape == (1, rows):
            means = "It lies on its side: a single row. Rows are the first dimension, columns the second."
        else:
            means = "Each point is a row, and its one number is the only column."
        expect.tensor(f"{name} from create_dataset()", seen, (rows, 1), means)


@points(1)
def test_there_are_at_least_a_hundred_points(default_data, expect):
    """By default from 0 to 1 in steps of 0.01."""
    means = "By default x goes from 0 to 1 in steps of 0.01: look at the defaults, and at how `step` is used."
    rows = default_data.tensors()[0].flat().size
    expect("the number of values in X from create_dataset()", rows).holds(
        100 <= rows <= 300, "100 (up to 300 are fine)", means
    )


@points(2)
def test_the_points_lie_on_the_line(default_data, expect):
    """y = 0.3 · X + 0.9, with X from 0 to 1."""
    X, y = default_data.tensors()
    if judge_range(expect, "create_dataset()", X.flat(), y.flat(), DEFAULT):
        judge_line(expect, "create_dataset()", X.flat(), y.flat(), DEFAULT)


@points(2)
def test_other_numbers_make_another_line(default_data, other_data, given, expect):
    """Every parameter counts: a function that ignores one works for its author only."""
    line = given.other_line
    call = f"create_dataset(weight={line.weight:g}, bias={line.bias:g}, start={line.start:g}, end={line.end:g}, step={line.step:g})"
    if not expect.items(call, other_data.returned, ("X", "y")):
        return
    X, y = (tensor.flat() for tensor in other_data.tensors())
    count = len(line.x())
    means = "`step` is the distance from one x to the next. Is it used?"
    if judge_range(expect, call, X, y, line):
        expect(f"the number of rows of X from {call}", X.size).holds(
            abs(X.size - count) <= 1, f"about {count}", means
        )
        judge_line(expect, call, X, y, line)


@points(2)
def test_the_data_lies_on_the_device_asked_for(default_data, other_data, data_on_device, given, expect):
    """A model on a GPU can't read data that lies in the CPU's memory."""
    means = "Pass `device=device` where X is made, or use what `.to(device)` returns: X itself stays where it was."
    for data in data_on_device:
        call = f'create_dataset(device="{data.device}")'
        if not expect.items(call, data.returned, ("X", "y")):
            return
        X, y = data.tensors()
        X_is_there = expect.on_device(f"X from {call}", X, data.device, means)
        if not expect.on_device(f"y from {call}", y, data.device, means) or not X_is_there:
            return
        if not on_the_line(other_data.tensors(), given.other_line):
            expect.waits_for("other numbers make another line")
        found = "on the line asked for" if on_the_line((X, y), given.other_line) else "elsewhere"
        expect(f"the points from {call}", found).equals("on the line asked for", "On the CPU they are on it.")


def on_the_line(tensors, line):
    X, y = (tensor.flat() for tensor in tensors) if len(tensors) == 2 else (np.zeros(1), np.ones(2))
    right = X.size == y.size > 0 and line.start - 1e-3 <= X.min() and X.max() <= line.end + 1e-3
    return right and bool(np.allclose(y, line.weight * X + line.bias, atol=1e-4))


# ── split_dataset ────────────────────────────────────────────────────────────────────────────────

PARTS = ("X_train", "y_train", "X_test", "y_test")


def call_of(split):
    return f"split_dataset(X, y{'' if split.fraction is None else f', {split.fraction:g}'}) of {split.X.shape[0]} rows"


def rows_of(split):
    """How many rows each of the four parts has."""
    return tuple(tensor.shape[0] if tensor.shape else 0 for tensor in split.tensors())


@points(1)
def test_split_dataset_returns_four_tensors(splits, expect):
    """X_train, y_train, X_test, y_test: in this order."""
    for split in splits:
        call = call_of(split)
        if not expect.items(call, split.returned, PARTS):
            return
        order = ", ".join(x_or_y(*part, split) for part in zip("XyXy", split.tensors(), strict=True))
        means = "Each X is followed by its y, and the training part comes first."
        if not expect(f"the values in what {call} returned", order).holds(
            "?" in order or order == "X, y, X, y", "X, y, X, y: (X_train, y_train, X_test, y_test)", means
        ):
            return


def x_or_y(own, tensor, split):
    """Whose values these are: `own` if they can be, "?" when they are neither's."""
    values, whole = set(tensor.flat().tolist()), {"X": split.X, "y": split.y}
    return next((name for name in (own, *"Xy") if values <= set(whole[name].flat().tolist())), "?")


@points(1)
def test_the_training_part_is_the_asked_for_fraction(splits, expect):
    """int(0.8 * N) rows to learn from, the others to be tested on."""
    for split in splits:
        rows = split.X.shape[0]
        train = int((0.8 if split.fraction is None else split.fraction) * rows)
        found = rows_of(split)
        if found == (rows - train, rows - train, train, train):
            means = "The halves have changed places: the training part comes first."
        elif found[0] == train + 1:
            means = "One row too many: is the number rounded? int() cuts the decimals off."
        else:
            means = "Is `train_fraction` used, and the number of rows, len(X)?"
        if not expect(f"the rows of X_train and y_train from {call_of(split)}", found[:2]).equals(
            (train, train), means
        ):
            return


@points(1)
def test_the_parts_keep_their_shape_and_device(splits, expect):
    """Splitting is about rows only: a column stays a column, and stays where it is."""
    slices = (
        "A slice of rows, such as `X[:3]`, keeps the columns: is something flattened or squeezed on the way?"
    )
    stays = "A slice stays where its tensor is: is something moved, or made anew, on the way?"
    for split in splits:
        for name, seen, rows in zip(PARTS, split.returned.items, rows_of(split), strict=True):
            part = f"{name} from {call_of(split)}"
            fine = expect.tensor(part, seen, (rows, 1), slices)
            if not fine or not expect.on_device(part, seen.tensor, split.X.device, stays):
                return


@points(1)
def test_no_row_is_lost_and_none_is_in_both_parts(splits, expect):
    """A test on rows that the model has learned from proves nothing."""
    for split in splits:
        X_train, _, X_test, _ = (tensor.flat().tolist() for tensor in split.tensors())
        both = set(X_train) & set(X_test)
        lost = set(split.X.flat().tolist()) - set(X_train) - set(X_test)
        twice = len(X_train) + len(X_test) - len(set(X_train)) - len(set(X_test))
        for where, rows, means in (
            ("in both parts", len(both), "The parts overlap: where one part ends, the other begins."),
            ("in no part", len(lost), "A row got lost: where one part ends, the other begins."),
            ("twice in one part", twice, "Each row belongs into one part, once."),
        ):
            if not expect(f"rows {where} of {call_of(split)}", rows).equals(0, means):
                return


@points(1)
def test_every_x_keeps_its_own_y(splits, expect):
    """Shuffle as you like, but both columns in the same order."""
    for split in splits:
        right = dict(zip(split.X.flat().tolist(), split.y.flat().tolist(), strict=True))
        X_train, y_train, X_test, y_test = (tensor.flat().tolist() for tensor in split.tensors())
        for part, xs, ys in (("training", X_train, y_train), ("test", X_test, y_test)):
            broken = abs(len(xs) - len(ys)) + sum(right.get(x) != y for x, y in zip(xs, ys, strict=False))
            means = "Draw one order of the rows, and use it for both X and y."
            called = f"rows of the {part} part of {call_of(split)} with a y that is not theirs"
            if not expect(called, broken).equals(0, means):
                return


# ── plot_data ────────────────────────────────────────────────────────────────────────────────────


@points(1)
def test_plot_data_returns_the_axes(data_plot, expect):
    """Return what you drew on, so that a caller can add to it or save it."""
    judge_axes(expect, "plot_data(…)", data_plot)


@points(1)
def test_both_parts_are_on_the_plot(data_plot, given, expect):
    """Look at your data before you train on it: half of all mistakes can be seen."""
    wanted = {"train": given.train(), "test": given.test()}
    if judge_points(expect, "plot_data(…)", data_plot, wanted):
        judge_legend(expect, "plot_data(…)", data_plot)
