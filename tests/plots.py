"""What exercises 1, 3 and 4 ask of a plot: the Axes back, the right points on it, a legend."""

import numpy as np


def judge_axes(expect, call, plot):
    """An Axes came back, so that a caller can add to it or save it."""
    means = "None: does the function end without `return ax`?" if plot.returned.type == "NoneType" else ""
    expect(call, plot.returned.text).holds(plot.is_axes, "the matplotlib Axes that was drawn on", means)


def judge_points(expect, call, plot, wanted):
    """Every wanted set of points is on the plot, and under no other set's name."""
    for name, (x, y) in wanted.items():
        found = [series for series in plot.series if same_points(series.points, x, y)]
        drawn = ", ".join(f"{len(series.points)} points «{series.label}»" for series in plot.series) or "nothing"
        if not expect(f"on the plot of {call}", drawn).holds(
            bool(found), f"the {len(x)} {name} points (x, y)", "Is each set drawn, x against y, with its own call?"
        ):
            continue
        others = [other for other in wanted if other != name]
        for series in found:
            label = series.label.lower()
            swapped = name not in label and any(other in label for other in others)
            expect(f"the label of the {name} points", series.label).holds(not swapped, f"a label for {name}", "The labels are swapped.")


def judge_legend(expect, call, plot):
    labelled = [series for series in plot.series if series.label and not series.label.startswith("_")]
    expect(f"artists with a label on the plot of {call}", len(labelled)).holds(
        len(labelled) >= 2, "at least 2", "Give each set a `label=…`, so that a reader can tell them apart."
    )
    shown = "no legend" if plot.legend is None else f"a legend with {len(plot.legend)} entries"
    there = plot.legend is not None and len(plot.legend) >= 2
    expect(f"on the plot of {call}", shown).holds(there, "a legend", "Labels only show after `ax.legend()`.")


def same_points(points, x, y):
    """The same set of (x, y), whatever the order, to 1e-5."""
    if len(points) != len(x):
        return False
    one = np.array(sorted(points))
    other = np.array(sorted(zip(x.tolist(), y.tolist(), strict=True)))
    return bool(np.allclose(one, other, atol=1e-5, rtol=1e-5))
