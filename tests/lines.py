"""What exercise 1 asks of points on a line, and the words for what is wrong with them."""

import numpy as np

from tests.harness.given import Line

DEFAULT = Line(weight=0.3, bias=0.9, start=0.0, end=1.0, step=0.01)


def judge_range(expect, call, X, y, line):
    """From start to end. Random points may leave out a fifth of it, evenly spaced ones two of their steps."""
    slack, width = 1e-4 * max(1.0, abs(line.start), abs(line.end)), line.end - line.start
    low, high = (X.min(), X.max()) if X.size else (0.0, 0.0)
    gaps = np.diff(np.sort(X)) if X.size > 2 else np.zeros(1)
    spare = 2 * gaps.mean() if np.ptp(gaps) < 0.1 * gaps.mean() else 0.2 * width
    begins, ends = -slack <= low - line.start <= spare, -slack <= line.end - high <= spare
    ignored = "`end`" if begins else "`start`" if ends else "`start` and `end`"
    means = f"Use {ignored} as passed in, for X and not for y."
    if y.size == X.size > 1 and np.allclose(line.weight * y + line.bias, X, atol=1e-3):
        means = "X and y have changed places: return X first."
    seen = f"from {low:.6g} to {high:.6g}" if X.size else "empty"
    return expect(f"X from {call}", seen).holds(
        bool(begins and ends and high - low >= 0.8 * width), f"from {line.start:g} to {line.end:g}", means
    )


def judge_line(expect, call, X, y, line):
    """Every y, to 1e-4."""
    if not expect(f"the number of values in y from {call}", y.size).equals(
        X.size, "Every x needs its own y."
    ):
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
    if not np.isfinite(y).all():
        return "Some of the y are no finite numbers at all."
    slope, intercept = np.polyfit(X, y, 1)
    if np.abs(y - (slope * X + intercept)).max() > 1e-3:
        if np.allclose(np.sort(y), np.sort(line.weight * X + line.bias), atol=1e-4):
            return "The y are right, but in another order than the x: row for row, they belong together."
        return "These points are on no line at all. Is there noise in them? Here y is asked for exactly."
    if np.allclose((slope, intercept), (line.bias, line.weight), atol=1e-3):
        return "Weight and bias have changed places: the weight multiplies x, the bias is added."
    off = {"weight": abs(slope - line.weight), "bias": abs(intercept - line.bias)}
    wrong = " and ".join(f"the {name}" for name in off if off[name] > 1e-3) or "what is rounded"
    sign = "-" if intercept < 0 else "+"
    do = "keep the defaults of the stub" if line is DEFAULT else "use what is passed in"
    return f"These points are on the line y = {slope:.3g} * x {sign} {abs(intercept):.3g}. Look at {wrong}, and {do}."
