"""What a student waits for: `make test`, and the verdict of `make watch` after a save."""

import functools
import io
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console

from grading.bench.clock import ROOT, cpu_seconds, wall_seconds

TEST = ("-m", "tests.coach", "test", "--tree", "solutions")
PAIRS = 5
SAVES = 50


def suite_against_bare_script() -> tuple[float, float]:
    """CPU seconds of `make test` on solved exercises, and of a bare script that runs the workflow once."""
    pairs = [(cpu_seconds(*TEST), cpu_seconds("-m", "grading.bare")) for _ in range(PAIRS + 1)][1:]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def watched() -> tuple[float, float, float]:
    """Wall seconds from a save to its verdict, drawn, in `make watch`: the median and the 95th percentile; and those of
    a cold `make test`. The five modules are saved in turn, now a stub and now the solution."""
    from tests.coach.saves import listen
    from tests.coach.watch import Watch

    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "exercises")
        shutil.copytree(ROOT / "solutions", tree, ignore=shutil.ignore_patterns("__pycache__"))
        watch = Watch(tree, None)
        watch.start()
        screen = Console(file=io.StringIO(), force_terminal=True, width=100, height=30)
        listen(tree, lambda: watch.events.put(None))

        def verdict() -> None:
            while watch.run is None:
                watch.turn()
            while watch.run:
                watch.turn()
            screen.print(watch.view)

        def saved(number: int) -> None:
            source = ROOT / ("exercises", "solutions")[number // len(modules) % 2]
            module = modules[number % len(modules)]
            (tree / module).write_bytes((source / module).read_bytes())
            verdict()

        verdict()
        modules = sorted(file.name for file in tree.glob("ex*.py"))
        seconds = []
        for number in range(SAVES):
            time.sleep(0.3)  # nobody saves faster
            seconds.append(wall_seconds(functools.partial(saved, number)))
        watch.stop()
    cold = [wall_seconds(lambda: cpu_seconds(*TEST)) for _ in "abc"]
    return statistics.median(seconds), sorted(seconds)[int(SAVES * 0.95)], statistics.median(cold)
