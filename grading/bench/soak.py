"""`make soak`: 10,000 submissions in one batch. Is memory flat, is time linear, is everything gone afterwards?"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from grading.bench.clock import ROOT, process_seconds
from grading.demo import classroom
from grading.tests.processes import descendants

STUDENTS = 10_000
EVERY = 1_000
MOST_GROWTH = 16.0  # MB, after the first thousand
MOST_DRIFT = 1.25  # the last thousand against the second


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        handed, out, temporary = (Path(folder, name) for name in ("class", "out", "tmp"))
        classroom(handed, STUDENTS)
        temporary.mkdir()
        command = [sys.executable, "-m", "grading", "batch", str(handed), "--out", str(out), "--no-plots"]
        environment = os.environ | {"TMPDIR": str(temporary)}
        batch = subprocess.Popen(
            command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        rows = list(watch(batch, out))
        said, _ = batch.communicate()
        left = [*temporary.iterdir(), *out.rglob("*.new"), *(pid for pid in descendants(os.getpid()))]
        graded = len(list((out / "reports").iterdir()))
    print(said.decode())
    print("submissions   memory of the coordinator (MB)   CPU-seconds a submission")
    for done, memory, cpu in rows:
        print(f"{done:11,}   {memory:30.1f}   {cpu:24.3f}")
    if batch.returncode or len(rows) < 3:
        print("It ended before its end.")
        return 1
    growth, drift = rows[-1][1] - rows[0][1], rows[-1][2] / rows[1][2]
    problems = [
        *([f"{STUDENTS - graded} have no report"] if graded != STUDENTS else []),
        *([f"the coordinator grew by {growth:.1f} MB"] if growth > MOST_GROWTH else []),
        *([f"the last thousand cost {drift:.2f} × the second"] if drift > MOST_DRIFT else []),
        *([f"left behind: {left}"] if left else []),
    ]
    print("\n".join(problems) or f"Flat (+{growth:.1f} MB), linear ({drift:.2f} ×), nothing left behind.")
    return bool(problems)


def watch(batch: "subprocess.Popen[bytes]", out: Path) -> Iterator[tuple[int, float, float]]:
    """(done, MB of the coordinator, CPU-seconds a submission of all processes together), every thousand."""
    before, done = 0.0, 0
    while batch.poll() is None:
        time.sleep(0.2)
        with contextlib.suppress(OSError):  # not there yet, or just gone
            found = len(os.listdir(out / "reports"))
            if found >= done + EVERY and resident(batch.pid):
                spent = process_seconds(batch.pid) + sum(map(process_seconds, descendants(batch.pid)))
                yield found, resident(batch.pid), (spent - before) / (found - done)
                before, done = spent, found


def resident(pid: int) -> float:
    """MB; 0 of one that has ended."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main())
