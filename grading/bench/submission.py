"""What grading one submission costs, warm: bare experiments, the same in the jail with verdicts, and their memory."""

import os
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from grading.bench.clock import ROOT, cpu_seconds, process_seconds
from grading.grade import grade
from grading.submissions import Submission, read
from grading.variants import derive
from grading.warm import Helper
from tests.coach.suite import EXPERIMENTS
from tests.harness.given import Given

RUNS = 7

DERIVED = 200  # students


def experiments_warm() -> tuple[float, float, int]:
    """CPU seconds of all experiments in a warm process, and of the 300 epochs alone, unwatched; their number."""
    os.environ["MPLBACKEND"] = "agg"
    import torch

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


def jailed() -> tuple[float, float]:
    """CPU seconds of grading a solved submission on secret numbers, warm, in all processes together; and of a cold
    pytest over the same."""
    submission, key = read(ROOT / "solutions"), b"a key for nothing but this measurement"
    with Helper("bubblewrap") as helper:
        spent: list[float] = []

        def students(number: int) -> Iterator[tuple[Submission, Given | None]]:
            return ((submission, derive(key, f"student {n}")) for n in range(number))

        def graded(number: int) -> None:
            grade(students(number), lambda *_: None, helper)

        graded(3)
        for _ in range(RUNS):
            before = time.process_time() + process_seconds(helper.pid)
            graded(5)
            spent.append((time.process_time() + process_seconds(helper.pid) - before) / 5)
    cold = [cpu_seconds("-m", "pytest", "--quiet", environment={"TREE": "solutions"}) for _ in range(3)]
    return statistics.median(spent), statistics.median(cold)


def private_megabytes() -> float:
    """The memory that a fork of a warm process takes for itself alone to run exercise 3, the largest."""
    from tests.harness.given import PRACTICE
    from tests.harness.observe import observe
    from tests.harness.student import Folder

    reading, writing = os.pipe()
    if os.fork() == 0:
        student = Folder(ROOT / "solutions")
        for name in (name for name in EXPERIMENTS.values() if name.startswith("training.")):
            observe(name, student, PRACTICE)
        held = re.findall(
            r"^Private_Dirty: +(\d+)", Path("/proc/self/smaps_rollup").read_text(), re.MULTILINE
        )
        os.write(writing, held[0].encode())
        os._exit(0)
    os.wait()
    return int(os.read(reading, 20)) / 1024


def deriving() -> float:
    """CPU seconds that a student's secret numbers take."""
    start = time.process_time()
    for number in range(DERIVED):
        derive(b"a key for nothing but this measurement", f"student {number}")
    return (time.process_time() - start) / DERIVED
