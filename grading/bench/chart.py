"""The same costs as bars, for the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.patches import Patch

from grading.bench.table import Row, ratio, seconds

OURS, THEIRS, TEXT, QUIET = "#0b6e99", "#b0a08c", "#1f2328", "#59636e"
# The same figures give the same file, with letters as paths: a reader's fonts have other widths.
SAME: dict[Any, Any] = {
    "svg.hashsalt": "grading.bench",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 10,
}


def draw(rows: Sequence[Row], unit: Row, title: str, file: Path) -> None:
    """An SVG on a card that is white on a dark page, too."""
    with plt.rc_context(SAME):
        figure, axes = plt.subplots(figsize=(6.4, 0.4 * len(rows) + 1.1), facecolor="white")
        names = [row.what.replace("`", "") for row in rows]
        colors = [OURS if row.ours else THEIRS for row in rows]
        bars = axes.barh(names, [row.cost.wall for row in rows], color=colors, height=0.66)
        texts = [f"{seconds(row.cost.wall)} s   {ratio(row.cost.wall / unit.cost.wall)}" for row in rows]
        axes.bar_label(bars, texts, padding=5, color=TEXT)
        axes.invert_yaxis()
        axes.margins(x=0.2)
        legend = [Patch(color=OURS, label="these graders"), Patch(color=THEIRS, label="other graders")]
        axes.legend(handles=legend, loc="upper right", frameon=False, labelcolor=TEXT)
        axes.set_title(title, loc="left", x=0, color=TEXT, fontsize=11, pad=10)
        axes.set_xlabel("seconds of the clock for each submission: shorter is better", color=QUIET)
        axes.tick_params(length=0, labelcolor=TEXT)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.grid(axis="x", color="#e4e7eb")
        axes.set_axisbelow(True)
        figure.savefig(file, bbox_inches="tight", pad_inches=0.2, metadata={"Date": None})
        plt.close(figure)
