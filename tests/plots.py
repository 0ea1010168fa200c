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
    expect(call, plot.returned.text).holds(plot.is_axes, "the matplotlib Axes that was drawn on", said)


def judge_points(expect, call, plot, wanted):
    """Every wanted set of points is on the plot, and under no other set's name."""
    for name, (x, y) in wanted.items():
        found = [series for series in plot.series if same_points(series.points, x, y)]
        drawn = (
            ", ".join(f"{len(series.points)} points «{series.label}»" for series in plot.series) or "nothing"
        )
        there = expect(f"on the plot of {call}", drawn)
        if not there.holds(bool(found), f"the {len(x)} {name} points (x, y)", what_points(plot, x, y)):
            continue
        others = [other for other in wanted if other != name]
        for series in found:
            label = series.label.lower()
            swapped = name not in label and any(other in label for other in others)
            means = "That is the name of another set: the labels are swapped."
            expect(f"the label of the {name} points", series.label).holds(
                not swapped, f"a label for {name}", means
            )


def what_points(plot, x, y):
    """What is drawn in the place of these points."""
    if not plot.series:
        return "The axes that came back are empty: draw on these, and return the same ones."
    for series in plot.series:
        at, heights = np.array(series.points).reshape(-1, 2).T
        if same_points(list(zip(heights, at, strict=True)), x, y):
            return "x and y have changed places: x comes first."
        if len(heights) == len(y) and np.allclose(np.sort(heights), np.sort(y), atol=1e-5, rtol=1e-5):
            return (
                f"The y of «{series.label}» are right, and its x aren't: at which x does each of them belong?"
            )
    return "Is each set drawn, x against y, with its own call?"


def judge_legend(expect, call, plot):
    """At least two labels, and a legend that shows them."""
    labelled = [series for series in plot.series if series.label and not series.label.startswith("_")]
    means = "Give each set a `label=…`, so that a reader can tell them apart."
    several = expect(f"artists with a label on the plot of {call}", len(labelled))
    if several.holds(len(labelled) >= 2, "at least 2", means):
        shown = "no legend" if plot.legend is None else f"a legend with {len(plot.legend)} entries"
        there = plot.legend is not None and len(plot.legend) >= 2
        means = "Labels only show after `ax.legend()`, called when everything is drawn."
        expect(f"on the plot of {call}", shown).holds(there, "a legend", means)


def same_points(points, x, y):
    """The same set of (x, y), whatever the order, to 1e-5."""
    if len(points) != len(x):
        return False
    one = np.array(sorted(points))
    other = np.array(sorted(zip(x.tolist(), y.tolist(), strict=True)))
    return bool(np.allclose(one, other, atol=1e-5, rtol=1e-5))
