"""What exercises 1, 3 and 4 ask of a plot: the Axes back, the right points on it, a legend."""

import numpy as np


def judge_axes(expect, call, plot):
    """An Axes came back, so that a caller can add to it or save it."""
    means = {
        "NoneType": "None: does the function end without `return ax`?",
        "Figure": "That is the whole figure: return the axes in it, on which you drew.",
        "tuple": "Return the axes alone.",
        "module": "That is all of matplotlib: return the axes on which you drew.",
    }
    said = means.get(plot.returned.type, "Return the axes on which you drew.")
    return expect(call, plot.returned.text).holds(plot.is_axes, "the matplotlib Axes that was drawn on", said)


def judge_points(expect, call, plot, wanted):
    """Every wanted set of points is on the plot, and not under another set's name."""
    drawn = ", ".join(f"{len(series.points)} points {name_of(series)}" for series in plot.series) or "nothing"
    sets, right = {}, True
    for name, (x, y) in wanted.items():
        sets[name] = [series for series in plot.series if same_points(series.points, x, y)]
        points, means = f"the {len(x)} {name} points (x, y)", what_points(plot, x, y)
        right &= expect(f"on the plot of {call}", drawn).holds(bool(sets[name]), points, means)
        if not plot.series:
            return False
    return right and all(judge_label(expect, name, sets) for name in sets)


def judge_label(expect, name, sets):
    """A label may say what it likes, but not be another set's: with the two exchanged, or twice the same."""
    labels = {key: " ".join(series.label for series in found) for key, found in sets.items()}
    label = labels.pop(name)
    others = [labels[other] for other in labels if other in label.lower() and name not in label.lower()]
    swapped = any(name in other.lower() or other == label for other in others)
    means = "That is the name of another set: the labels are swapped."
    return expect(f"the label of the {name} points", label).holds(not swapped, f"a label for {name}", means)


def name_of(series):
    return f"«{series.label}»" if has_label(series) else "without a label"


def has_label(series):
    return bool(series.label) and not series.label.startswith("_")  # "_child0": matplotlib's own


def what_points(plot, x, y):
    """What is drawn in the place of these points."""
    if not plot.series:
        return "The axes that came back are empty: draw on these, and return the same ones."
    for series in plot.series:
        at, heights = np.array(series.points).reshape(-1, 2).T
        if same_points(list(zip(heights, at, strict=True)), x, y):
            return "x and y have changed places: x comes first."
        if len(heights) == len(y) and np.allclose(np.sort(heights), np.sort(y), atol=1e-5, rtol=1e-5):
            return f"In the set {name_of(series)} the y are right, and its x aren't: where does each point belong?"
    return "Is each set drawn, x against y, with its own call?"


def judge_legend(expect, call, plot):
    """At least two labels, and a legend that shows them. (`ax.legend([…])` gives both at once.)"""
    shown, labelled = len(plot.legend or ()), sum(map(has_label, plot.series))
    means = "Give each set a `label=…`, so that a reader can tell them apart."
    several = expect(f"artists with a label on the plot of {call}", labelled)
    if several.holds(max(labelled, shown) >= 2, "at least 2", means):
        found = "no legend" if plot.legend is None else f"a legend with {shown} entries"
        means = "Labels only show after `ax.legend()`, called when everything is drawn."
        expect(f"on the plot of {call}", found).holds(shown >= 2, "a legend", means)


def same_points(points, x, y):
    """The same set of (x, y), whatever the order, to 1e-5."""
    if len(points) != len(x):
        return False
    one = np.array(sorted(points))
    other = np.array(sorted(zip(x.tolist(), y.tolist(), strict=True)))
    return bool(np.allclose(one, other, atol=1e-5, rtol=1e-5))
