"""What the commands cost that grade a class, side by side: the rows, in Markdown, and what follows from them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from grading.bench.clock import Cost

CLASS = 100_000  # submissions of a large course
MACHINES = (1, 10, 100)


class Row(NamedTuple):
    """A way to grade a class. what: in Markdown. cost: of one submission. ours: this kit decides the mark."""

    what: str
    cost: Cost
    ours: bool


def table(rows: Sequence[Row], unit: Row) -> str:
    """The rows, with how many times the unit's time they take."""
    head = "| for each submission | seconds | | CPU-seconds |\n| :--- | ---: | ---: | ---: |\n"
    return head + "\n".join(
        f"| {row.what} | {seconds(row.cost.wall)} | {ratio(row.cost.wall / unit.cost.wall)} | {seconds(row.cost.cpu)} |"
        for row in rows
    )


def large(rows: Sequence[Row]) -> str:
    """What a large course takes, on as many machines; nothing is lost between them."""
    head = f"| {CLASS:,} submissions | " + " | ".join(
        f"{number} machine{'s' if number > 1 else ''}" for number in MACHINES
    )
    return "\n".join([head + " |", "| :--- |" + " ---: |" * len(MACHINES), *_large(rows)])


def _large(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        taken = (duration(row.cost.wall * CLASS / number) for number in MACHINES)
        yield f"| {row.what} | {' | '.join(taken)} |"


def seconds(number: float) -> str:
    """With two digits that count, and at most three decimals: 12, 5.6, 0.34, 0.003."""
    if number >= 9.95:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 0.995 else f"{number:.2f}" if number >= 0.0995 else f"{number:.3f}"


def ratio(number: float) -> str:
    return f"{number:.0f} ×" if number >= 9.95 else f"{number:.1f} ×" if number >= 0.1 else f"{number:.2f} ×"


def duration(number: float) -> str:
    """Of seconds, in the largest unit of which it is two or more: "90 s", "45 min", "7.5 h", "6.5 days"."""
    for name, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if number >= 2 * length:
            return f"{number / length:.{0 if number >= 10 * length else 1}f} {name}"
    return f"{number:.0f} s"
