"""Seconds: those of the clock on the wall, for what somebody waits for, and those of the processor."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Cost(NamedTuple):
    """What a command costs. wall: seconds of the clock; cpu: seconds of the processor, in all its processes together."""

    wall: float
    cpu: float

    def less(self, start: "Cost") -> "Cost":
        """Without what is spent before anything is done."""
        return Cost(self.wall - start.wall, self.cpu - start.cpu)

    def each(self, number: int) -> "Cost":
        """Shared out among so many."""
        return Cost(self.wall / number, self.cpu / number)


def measured(command: Callable[[], object]) -> Cost:
    """What a call costs that leaves all the work to processes, and waits for them to end."""
    cpu = _of_children()
    wall = wall_seconds(command)
    return Cost(wall, _of_children() - cpu)


def wall_seconds(command: Callable[[], object]) -> float:
    before = time.monotonic()
    command()
    return time.monotonic() - before


def cpu_seconds(*command: str, environment: Mapping[str, str] = MappingProxyType({})) -> float:
    """CPU seconds of `python COMMAND`, with all its processes."""
    before = _of_children()
    subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return _of_children() - before


def process_seconds(pid: int) -> float:
    """CPU seconds of a process and of those of its children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _of_children() -> float:
    """CPU seconds of all processes that this one has waited for, and of those that they have."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
