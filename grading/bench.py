"""`make bench`: what the suite costs, as ratios within one run, written into the README.

Times are CPU seconds of whole processes, in turn A B A B …; the median counts.
"""

import os
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = 7


def cpu_seconds(*command: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def suite_against_bare_script() -> tuple[float, float]:
    """CPU seconds of `make test` on solved exercises, and of a bare script that runs the workflow once."""
    test = ("-m", "tests.coach", "test", "--tree", "solutions")
    bare = ("-m", "grading.bare")
    pairs = [(cpu_seconds(*test), cpu_seconds(*bare)) for _ in range(RUNS + 1)][1:]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def experiments_warm() -> tuple[float, float, int]:
    """CPU seconds of all experiments in a warm process, and of the 300 epochs alone, unwatched; their number."""
    os.environ["MPLBACKEND"] = "agg"
    import torch

    import tests.conftest  # noqa: F401  # names the experiments
    from tests.coach.suite import EXPERIMENTS
    from tests.harness.dataset import columns
    from tests.harness.given import PRACTICE
    from tests.harness.observe import observe
    from tests.harness.student import Folder

    torch.set_num_threads(1)
    student, given = Folder(ROOT / "solutions"), PRACTICE
    every, alone = [], []
    for _ in range(RUNS + 2):
        start = time.process_time()
        for name in EXPERIMENTS.values():
            observe(name, student, given)
        every.append(time.process_time() - start)
        linear = torch.nn.Linear(1, 1)
        optimizer = torch.optim.SGD(linear.parameters(), lr=given.lr)
        data = columns(*given.train(), *given.test())
        start = time.process_time()
        student.train(linear, torch.nn.L1Loss(), optimizer, *data)
        alone.append(time.process_time() - start)
    return statistics.median(every[2:]), statistics.median(alone[2:]), len(EXPERIMENTS)


def write(line: str) -> None:
    """Put the figures into the README, between their markers."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    block = f"<!-- bench -->\n{line}\n<!-- /bench -->"
    new = re.sub(r"<!-- bench -->.*?<!-- /bench -->", lambda _: block, text, flags=re.DOTALL)
    readme.with_name("README.md.new").write_text(new, encoding="utf-8")
    readme.with_name("README.md.new").replace(readme)


def main() -> None:
    suite, bare = suite_against_bare_script()
    every, alone, number = experiments_warm()
    line = (
        f"`make test` on solved exercises costs {suite / bare:.2f} × a bare script that runs the workflow once\n"
        f"({suite:.1f} against {bare:.1f} CPU-seconds, nearly all of it the import of PyTorch and matplotlib). The {number}\n"
        f"experiments together take {every:.2f} CPU-seconds in a warm process, of which the one run of 300 epochs takes\n"
        f"{alone:.2f} when nobody watches it."
    )
    write(line)
    print(line)


if __name__ == "__main__":
    main()
