"""Classes that are graded in one go, and graders that know the answers."""

import contextlib
import random
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import msgspec

from grading.batch.progress import Progress
from grading.batch.run import Batch, How
from grading.batch.store import JOURNAL, Store
from grading.batch.tally import Tally
from grading.jail import ROOT
from grading.submissions import Submission
from grading.worker import Graded
from tests.coach.report import Report

KEY = b"the key of a class that only exists in this test"
HOW = How("bubblewrap", KEY)


def classroom(folder: Path, students: int = 6) -> Path:
    """Stubs (the cheapest to grade), each with a line of its own, and two more students that nobody can read."""
    for number in range(students):
        student = folder / f"student-{number}"
        student.mkdir(parents=True)
        for file in sorted((ROOT / "exercises").glob("ex?_*.py")):
            text = file.read_text(encoding="utf-8")
            (student / file.name).write_text(f"{text}\n# {number}\n", encoding="utf-8")
    (folder / "essay").mkdir()
    (folder / "essay" / "essay.txt").write_text("I did not understand this.")
    (folder / "torn.zip").write_bytes(b"PK\x03\x04 and no more")
    return folder


def run(
    folder: Path, out: Path, graders: Callable[[], object], how: How = HOW, plots: bool = False
) -> tuple[Batch, Tally, Progress]:
    with contextlib.closing(Store(out, how.key)) as store, Progress() as progress:
        batch = Batch(store, lambda draw: graders(), how, progress, plots)  # type: ignore[arg-type,return-value]
        batch.grade(folder)
        return batch, batch.tables(folder.name), progress


def results(out: Path) -> dict[str, object]:
    """Everything that a batch leaves, but for the times and for the order in which it was done."""
    found: dict[str, object] = {}
    for file in sorted(out.rglob("*")):
        if file.is_file() and file.name != JOURNAL:
            data: object = file.read_bytes()
            if file.suffix == ".json":
                data = msgspec.structs.replace(msgspec.json.decode(data, type=Report), duration_s=0)  # type: ignore[type-var,call-overload]
            found[str(file.relative_to(out))] = data
    return found


class Canned:
    """Graders that know the answers, and give them after a moment."""

    room = 2

    def __init__(self, out: dict[str, object], draw: random.Random) -> None:
        self._out, self._draw = out, draw

    def start(self, submission: Submission, student: str) -> "Future[Graded]":
        future: Future[Graded] = Future()
        report = self._out[f"reports/{student}.json"]
        answer = Graded(report)  # type: ignore[arg-type]
        threading.Timer(self._draw.random() * 0.05, future.set_result, [answer]).start()
        return future


if __name__ == "__main__":  # of test_a_full_disk, in a mount namespace of its own
    known = {
        f"reports/{file.name}": msgspec.json.decode(file.read_bytes(), type=Report)
        for file in Path(sys.argv[3]).iterdir()
    }
    try:
        run(Path(sys.argv[1]), Path(sys.argv[2]), lambda: Canned(known, random.Random(1)))  # type: ignore[arg-type]
    except OSError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
