"""Exercise 1: the data. Points on a line, split into a part to learn from and a part to be tested on."""

import numpy as np
import pytest

from tests.harness.given import Line
from tests.plots import judge_axes, judge_legend, judge_points

points = pytest.mark.points
DEFAULT = Line(weight=0.3, bias=0.9, start=0.0, end=1.0, step=0.01)


# ── pick_device ──────────────────────────────────────────────────────────────────────────────────


@points(1)
def test_pick_device_names_a_device(devices, expect):
    """PyTorch computes on a device: "cpu", "cuda", "mps". `torch.device("cpu")` is one."""
    answer = devices.without.text
    known = "cpu" in answer or "cuda" in answer
    expect("pick_device()", answer).holds(known, 'a torch.device, such as torch.device("cpu")')


@points(1)
def test_without_a_gpu_the_device_is_the_cpu(devices, expect):
    """A function without its parentheses is never False: `if is_available:` always says yes."""
    means = (
        "Something was asked, but not believed: look at the branch without a GPU."
        if devices.asked
        else "PyTorch was never asked. Is the device written down, or `torch.cuda.is_available` named but not called, "
        "without its `()`?"
    )
    answer = devices.without.text
    expect("pick_device() on a machine without a GPU", answer).holds("cpu" in answer, 'the device "cpu"', means)


@points(1)
def test_with_a_gpu_the_device_is_the_gpu(devices, expect):
    """The same program must use a GPU where there is one."""
    means = "" if devices.asked else "PyTorch was never asked whether there is one: `torch.cuda.is_available()` tells."
    answer = devices.with_cuda.text
    expect("pick_device() on a machine with a CUDA GPU", answer).holds("cuda" in answer, 'the device "cuda"', means)


# ── create_dataset ───────────────────────────────────────────────────────────────────────────────


@points(1)
def test_create_dataset_returns_X_and_y(default_data, expect):
    """Two tensors: what the model sees, and what it should answer."""
    expect.items("create_dataset()", default_data.returned, ("X", "y"))


@points(2)
def test_X_and_y_are_columns_of_float32(default_data, expect):
    """One row a point, one column a feature: (N, 1), not (N,)."""
    flat = "It is 1-D: a row of numbers without columns. `.unsqueeze(dim=1)` adds the missing dimension."
    lying = "It lies on its side: one row with all the points. Rows are the first dimension, columns the second."
    for name, tensor in zip("Xy", default_data.tensors(), strict=False):
        rows = max(tensor.shape, default=0)
        means = flat if len(tensor.shape) == 1 else lying if tensor.shape == (1, rows) else ""
        if expect(f"the shape of {name} from create_dataset()", tensor.shape).equals((rows, 1), means):
            expect.tensor(f"{name} from create_dataset()", default_data.returned.items["Xy".index(name)])


@points(1)
def test_there_are_at_least_a_hundred_points(default_data, expect):
    """From 0 to 1 in steps of 0.01."""
    for name, tensor in zip("Xy", default_data.tensors(), strict=False):
        rows = tensor.flat().size
        few = "Look at the range and the step: from 0 to 1 in steps of 0.01." if rows < 100 else ""
        expect(f"the number of values in {name} from create_dataset()", rows).holds(100 <= rows <= 300, "100", few)


@points(2)
def test_the_points_lie_on_the_line(default_data, expect):
    """y = 0.3 · X + 0.9, with X from 0 to 1."""
    judge_line(expect, "create_dataset()", default_data.tensors(), DEFAULT)


@points(2)
def test_other_numbers_make_another_line(other_data, given, expect):
    """Every parameter counts: a function that ignores one works for its author only."""
    line = given.other_line
    call = f"create_dataset(weight={line.weight:g}, bias={line.bias:g}, start={line.start:g}, end={line.end:g}, step={line.step:g})"
    if not expect.items(call, other_data.returned, ("X", "y")):
        return
    X, y = other_data.tensors()
    count = len(line.x())
    right_count = abs(X.flat().size - count) <= 1
    expect(f"the number of rows of X from {call}", X.flat().size).holds(
        right_count, f"about {count}", "`step` is the distance from one x to the next. Is it used?"
    )
    judge_line(expect, call, (X, y), line)


@points(2)
def test_the_data_lies_on_the_device_asked_for(data_on_device, expect):
    """A model on a GPU can't read data that lies in the CPU's memory."""
    for data in data_on_device:
        call = f'create_dataset(device="{data.device}")'
        if expect.items(call, data.returned, ("X", "y")):
            for name, tensor in zip("Xy", data.tensors(), strict=True):
                means = "Pass `device=device` where X is made, or use what `.to(device)` returns."
                expect.on_device(f"{name} from {call}", tensor, data.device, means)


def judge_line(expect, call, tensors, line):
    """Range first, then every y."""
    X, y = (tensor.flat() for tensor in tensors)
    slack = 1e-4 * max(1.0, abs(line.start), abs(line.end))
    span = f"from {line.start:g} to {line.end:g}"
    inside = X.size > 0 and X.min() >= line.start - slack and X.max() <= line.end + slack
    seen = f"from {X.min():.6g} to {X.max():.6g}" if X.size else "empty"
    if not expect(f"X from {call}", seen).holds(inside, span, "Are `start` and `end` used, for X and not for y?"):
        return
    wide = X.max() - X.min() >= 0.9 * (line.end - line.start)
    expect(f"X from {call}", seen).holds(wide, span, "A part of the range has no points: is `end` used?")
    if not expect(f"the number of values in y from {call}", y.size).equals(X.size, "Every x needs its own y."):
        return
    right = line.weight * X + line.bias
    off = np.abs(y - right)
    worst = int(off.argmax())
    expect(f"y for x = {X[worst]:.4g} from {call}", float(y[worst])).holds(
        bool(off[worst] <= 1e-4 * max(1.0, abs(right[worst]))),
        f"{right[worst]:.6g}, which is weight * x + bias",
        which_line(X, y, line),
    )


def which_line(X, y, line):
    """What the y values are, if not those of the line."""
    slope, intercept = np.polyfit(X, y, 1)
    if np.abs(y - (slope * X + intercept)).max() > 1e-3:
        return "These points are on no line at all."
    swapped = np.allclose((slope, intercept), (line.bias, line.weight), atol=1e-3)
    if swapped and line.weight != line.bias:
        return "Weight and bias have changed places: the weight multiplies x, the bias is added."
    return f"These points are on the line y = {slope:.3g} * x + {intercept:.3g}: are `weight` and `bias` both used?"


# ── split_dataset ────────────────────────────────────────────────────────────────────────────────

PARTS = ("X_train", "y_train", "X_test", "y_test")


def name_of(split):
    return f"split_dataset(X, y{'' if split.fraction is None else f', {split.fraction:g}'}) of {split.X.shape[0]} rows"


@points(1)
def test_split_dataset_returns_four_tensors(splits, expect):
    """X_train, y_train, X_test, y_test: in this order."""
    for split in splits:
        expect.items(name_of(split), split.returned, PARTS)


@points(1)
def test_the_training_part_is_the_asked_for_fraction(splits, expect):
    """int(0.8 * N) rows to learn from, the others to be tested on."""
    for split in splits:
        rows = split.X.shape[0]
        train = int((0.8 if split.fraction is None else split.fraction) * rows)
        sizes = tuple(tensor.shape[0] if tensor.shape else 0 for tensor in split.tensors())
        right = (train, train, rows - train, rows - train)
        swapped = sizes == (right[2], right[3], right[0], right[1])
        crossed = sizes == (train, rows - train, train, rows - train)
        means = (
            "The halves have changed places: the training part comes first."
            if swapped
            else "The order is X_train, y_train, X_test, y_test: yours looks like X_train, X_test, y_train, y_test."
            if crossed
            else "Is `train_fraction` used, and cut with int()?"
        )
        expect(f"the rows of {', '.join(PARTS)} from {name_of(split)}", sizes).equals(right, means)


@points(1)
def test_the_parts_keep_their_shape_and_device(splits, expect):
    """Splitting is about rows only: a column stays a column, and stays where it is."""
    for split in splits:
        for name, tensor in zip(PARTS, split.tensors(), strict=False):
            shape = (tensor.shape[0] if tensor.shape else 0, 1)
            if expect(f"the shape of {name} from {name_of(split)}", tensor.shape).equals(shape, "Slice rows: `X[:n]`."):
                expect.on_device(f"{name} from {name_of(split)}", tensor, split.X.device)


@points(1)
def test_no_row_is_lost_and_none_is_in_both_parts(splits, expect):
    """A test on rows that the model has learned from proves nothing."""
    for split in splits:
        X_train, _, X_test, _ = (tensor.flat().tolist() for tensor in split.tensors())
        both = len(set(X_train) & set(X_test))
        expect(f"rows in both parts of {name_of(split)}", both).equals(0, "The parts overlap: where one ends, the other begins.")
        lost = len(set(split.X.flat().tolist()) - set(X_train) - set(X_test))
        expect(f"rows in no part of {name_of(split)}", lost).equals(0, "Together the parts must hold every row.")


@points(1)
def test_every_x_keeps_its_own_y(splits, expect):
    """Shuffle as you like, but both columns in the same order."""
    for split in splits:
        right = dict(zip(split.X.flat().tolist(), split.y.flat().tolist(), strict=True))
        X_train, y_train, X_test, y_test = (tensor.flat().tolist() for tensor in split.tensors())
        for part, xs, ys in (("training", X_train, y_train), ("test", X_test, y_test)):
            broken = sum(right.get(x) != y for x, y in zip(xs, ys, strict=False))
            means = "X and y are put in different orders, or have changed places in what is returned."
            expect(f"rows of the {part} part of {name_of(split)} with a y that is not theirs", broken).equals(0, means)


# ── plot_data ────────────────────────────────────────────────────────────────────────────────────


@points(1)
def test_plot_data_returns_the_axes(data_plot, expect):
    """Return what you drew on, so that a caller can add to it or save it."""
    judge_axes(expect, "plot_data(…)", data_plot)


@points(1)
def test_both_parts_are_on_the_plot(data_plot, given, expect):
    """Look at your data before you train on it: half of all mistakes can be seen."""
    wanted = {"train": given.train(), "test": given.test()}
    judge_points(expect, "plot_data(…)", data_plot, wanted)
    judge_legend(expect, "plot_data(…)", data_plot)
