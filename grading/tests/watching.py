"""A student's session with `make watch`, from the first stub to all points, in a real terminal: its screens by name."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from grading.tests import corpus
from grading.tests.terminal import terminal

ROOT = Path(__file__).parents[2]
WATCH = [sys.executable, "-m", "tests.coach", "watch"]
LOOP = "\n\ndef predict(model, X):\n    while True:\n        X = X + 0\n"


def kit(folder: Path, *more: str) -> Path:
    """What a student has, in a folder of its own."""
    for part in ("exercises", "tests", *more):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "README.md"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def solution(module: str) -> str:
    return (corpus.SOLUTIONS / f"{module}.py").read_text(encoding="utf-8")


def session(folder: Path) -> Iterator[tuple[str, str]]:
    """Every screen of the session, when it stands."""
    own = kit(folder / "kit", "solutions")

    def save(module: str, text: str) -> None:
        (own / "exercises" / f"{module}.py").write_text(text, encoding="utf-8")

    with terminal(own, folder, WATCH, {}, 100, 24) as screen:
        yield "watch_stubs", screen.wait("Next: write `pick_device`")
        screen.type("h")
        yield "watch_hint", screen.wait("hint 1 of 3")
        save("ex1_dataset", solution("ex1_dataset").replace("return X, y", "return (X, y"))
        yield "watch_still_typing", screen.wait("never closed")
        save("ex1_dataset", solution("ex1_dataset"))
        yield "watch_one_done", screen.wait("20 / 100")
        save("ex2_model", solution("ex2_model"))
        screen.wait("35 / 100")
        save("ex3_training", solution("ex3_training").replace("optimizer.step()", "optimizer.step"))
        yield "watch_mistake", screen.wait("called 0 times")
        subprocess.run([*WATCH[:3], "reset", "--ex", "2"], cwd=own, check=True, capture_output=True)
        yield "watch_reset", screen.wait("Next: write `LinearRegressionModel`")
        save("ex4_predictions", solution("ex4_predictions") + LOOP)
        screen.wait("Still running")
        for module in corpus.MODULES:
            save(module, solution(module).replace("self.weights", "self.w"))
        yield "watch_all_done", screen.wait("All 100 points")
        screen.type("n")
        screen.wait("Exercise 1", "done, 20 points")
        screen.type("n")
        screen.wait("done, 15 points")
        screen.type("d")
        yield "watch_difference", screen.wait("+ solutions/ex2_model.py")
        screen.type("d")
        screen.wait("done, 15 points")
        screen.resize(46, 12)
        yield "watch_small", screen.wait("100 / 100")
        screen.resize(100, 24)
        screen.type("p")
        screen.wait("done, 20 points")
        save("ex5_persistence", "import os\nos._exit(3)\n")
        yield "watch_ended_python", screen.wait("ended Python itself")
        subprocess.run([*WATCH[:3], "reset", "--ex", "5"], cwd=own, check=True, capture_output=True)
        screen.wait("Next: write `save_model`")
        save("ex5_persistence", solution("ex5_persistence"))
        screen.wait("All 100 points")
        screen.type("q")
        yield "watch_quit", screen.wait("ended: 0")
