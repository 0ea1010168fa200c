"""How far a batch is: a bar on a terminal, and elsewhere a line a minute."""

import contextlib
import select
import sys
import time
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

EVERY_SECONDS = 60.0
MOST_NAMED = 4


class Progress:
    """Use as a context manager. Rates are submissions that were graded, a second: the unchanged cost nothing."""

    def __init__(self) -> None:
        self.expected = self.finished = self.failed = self.unchanged = 0
        self._started = self._said = time.monotonic()
        self._told = -1  # how many were done, the last time
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[more]}"),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=console) if console.is_terminal else None
        self._task = self._bar.add_task("Starting", total=None, more="") if self._bar else None

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def expect(self, students: int) -> None:
        self.expected = students
        self._started = time.monotonic()
        if self._bar and self._task is not None:
            self._bar.update(self._task, description="Grading", total=students)

    def done(self, failed: bool, unchanged: bool) -> None:
        self.finished += 1
        self.failed += failed
        self.unchanged += unchanged
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self.finished, more=self._more())
        self.tick(())

    def tick(self, under_way: Iterable[str]) -> None:
        """From time to time, whether or not anything has been done. under_way: students."""
        if self._bar is None and time.monotonic() - self._said > EVERY_SECONDS:
            self._said = time.monotonic()
            waiting = list(under_way) if self.finished == self._told else []
            why = f", waiting for {', '.join(waiting[:MOST_NAMED])}" if waiting else self._left()
            self._told = self.finished
            _say(f"{self.finished} of {self.expected} done, {self._more()}{why}")

    @property
    def _rate(self) -> float:
        graded = self.finished - self.unchanged - self.failed
        return graded / max(1e-9, time.monotonic() - self._started)

    def _more(self) -> str:
        return f"{self.failed} not graded, {self._rate:.1f} a second"

    def _left(self) -> str:
        if not self._rate:
            return ""
        minutes = (self.expected - self.finished) / self._rate / 60
        return f", about {minutes:.0f} min to go" if minutes >= 1 else ", less than a minute to go"


def _say(words: str) -> None:
    """On standard error, unless nobody reads there: a full pipe must not hold up a class."""
    with contextlib.suppress(OSError, ValueError):
        _, writable, _ = select.select([], [sys.stderr], [], 0)
        if writable:
            print(words, file=sys.stderr, flush=True)
