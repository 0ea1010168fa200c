"""`check("ex1")` in a real Jupyter kernel: the points, the words, and that it leaves the session as it found it."""

import base64
import html
import io
import os
import re
import shutil
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from grading.stubs import stub
from grading.tests import corpus
from tests.coach.notebook import Verdict, check

ROOT = corpus.SOLUTIONS.parent
EXERCISES = ["ex1", "ex2", "ex3", "ex4", "ex5", "workflow"]
FULL = ["20", "15", "25", "15", "15", "10"]

MINE = """
import os, random, sys, warnings
import matplotlib, numpy
import matplotlib.pyplot as plt
import torch
torch.set_default_dtype(torch.float64)
figure = plt.figure()
sys.modules["ex1_dataset"] = mine = object()
def session():
    return [
        matplotlib.get_backend(), plt.get_fignums(), plt.gcf() is figure, os.getcwd(), list(sys.path), input,
        torch.get_default_dtype(), torch.is_grad_enabled(), list(warnings.filters), sys.modules["ex1_dataset"] is mine,
        random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist(),
        list(sys.meta_path), sys.displayhook, sys.stdout, sorted(name for name in globals() if name[0] != "_"),
    ]
before = after = verdict = None
before = session()
verdict = check("ex1")
after = session()
"""
NOISE = """
def predict(model, X):
    print("PRINTED")
    display("DISPLAYED")
    return model(X)
"""
ASKING = "def predict(model, X):\n    return model(X) * float(input('how much? '))"
ENDLESS = """
import _thread, threading
def predict(model, X):
    threading.Timer(0.3, _thread.interrupt_main).start()
    while True:
        pass
"""
OWN = """
from torch import nn
class LinearRegressionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.zeros(1)
        self.bias = torch.zeros(1)
    def forward(self, x):
        return x * self.weight + self.bias
"""


def sources(text: str) -> list[str]:
    cells = jupytext.reads(text, fmt="py:percent").cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def solved(*modules: str) -> list[str]:
    return [
        cell
        for module in modules or corpus.MODULES
        for cell in sources((corpus.SOLUTIONS / f"{module}.py").read_text("utf-8"))
    ]


class Session:
    """Cells run one after another in one kernel; what they showed, by name."""

    def __init__(self) -> None:
        self.cells: list[NotebookNode] = []
        self.named: dict[str, NotebookNode] = {}

    def run(self, *cells: str, name: str = "") -> None:
        self.cells += map(new_code_cell, cells)
        if name:
            self.named[name] = self.cells[-1]

    def check(self, name: str, *exercises: str) -> None:
        for exercise in exercises or EXERCISES:
            self.run(f'check("{exercise}")', name=f"{name} {exercise}")

    def execute(self, folder: Path) -> None:
        notebook = new_notebook(cells=self.cells)
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=60,
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
        )
        # The kit's own tests draw without a screen; a kernel chooses for itself.
        client.execute(env={name: value for name, value in os.environ.items() if name != "MPLBACKEND"})

    def result(self, name: str) -> tuple[str, str]:
        """The points and the HTML of a check that showed nothing else."""
        (output,) = self.named[name].outputs
        assert output.output_type == "execute_result", output
        return output.data["text/plain"], output.data["text/html"]

    def points(self, name: str) -> list[str]:
        return [self.result(f"{name} {exercise}")[0] for exercise in EXERCISES]

    def said(self, name: str) -> str:
        """The text in <pre>."""
        found: list[str] = re.findall(r"<pre>(.*?)</pre>", self.result(name)[1], re.DOTALL)
        return html.unescape("\n".join(found))

    def last(self, name: str) -> NotebookNode:
        return self.named[name].outputs[-1]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("released")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    s = Session()
    s.run("from tests.coach.notebook import check", name="import")
    s.check("empty", "ex1", "9")
    for module in corpus.MODULES:
        s.run(*sources(stub((corpus.SOLUTIONS / f"{module}.py").read_text("utf-8"))))
    s.check("stubs")
    s.run(*solved())
    s.check("solved")
    s.run(MINE)
    s.run(
        "verdict, [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]", name="session"
    )
    s.run("torch.set_default_dtype(torch.float32)")
    s.run('ax = plot_data(*split_dataset(*create_dataset()))\ncheck("ex1")', name="figure")
    mistake = next(m for m in corpus.mistakes() if m.name == "step_without_parentheses")
    wrong = mistake.change.apply((corpus.SOLUTIONS / "ex3_training.py").read_text("utf-8"))
    for cell in sources(wrong):
        s.run(cell, name="mistake" if "def train(" in cell else "")
    s.check("mistake", "ex3", "workflow")
    s.run(OWN, name="own")
    s.check("own", "ex2")
    s.run(*solved("ex2_model", "ex3_training"))
    s.check("mended", "ex2", "ex3")
    for name, cell in {"noise": NOISE, "asking": ASKING, "endless": ENDLESS}.items():
        s.run(cell)
        s.check(name, "ex4")
    s.run(*solved("ex4_predictions"))
    s.check("again")
    s.execute(folder)
    return s


def test_what_is_not_defined_yet_is_told_so(session: Session) -> None:
    assert session.result("empty ex1")[0] == "0"
    assert "the notebook has no `pick_device` so far: run the cell that defines it." in session.said(
        "empty ex1"
    )


def test_an_exercise_that_is_not_there_is_told_so(session: Session) -> None:
    assert session.result("empty 9") == (
        "0",
        "<pre>9: there is no such exercise. There are: 1, 2, 3, 4, 5, workflow.</pre>",
    )


def test_stubs_are_not_started(session: Session) -> None:
    assert session.points("stubs") == ["0"] * 6
    for exercise in EXERCISES:
        shown = session.result(f"stubs {exercise}")[1]
        assert "not started" in shown.splitlines()[0] or "waits for the others" in shown.splitlines()[0]
        assert "✗" not in shown
        assert "<pre>" not in shown
        assert "<img" not in shown


def test_solutions_have_all_points(session: Session) -> None:
    assert session.points("solved") == FULL
    assert all("✗" not in session.result(f"solved {exercise}")[1] for exercise in EXERCISES)


def test_pictures_follow(session: Session) -> None:
    for exercise in EXERCISES:
        found = re.findall(
            r'<img src="data:image/png;base64,([^"]+)" alt="What plot_\w+ draws"',
            session.result(f"solved {exercise}")[1],
        )
        assert len(found) == (exercise in ("ex1", "ex3", "ex4"))
        for data in found:
            with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
                assert image.size == (480, 360)


def test_the_session_is_as_it_was(session: Session) -> None:
    assert session.last("session").data["text/plain"] == "(20, [])"


def test_figures_of_the_same_cell_are_shown_as_ever(session: Session) -> None:
    result, figure = session.named["figure"].outputs
    assert result.data["text/plain"] == "20"
    assert "image/png" in figure.data


def test_a_mistake_is_told_with_its_cell_and_line(session: Session) -> None:
    assert session.result("mistake ex3")[0] == "7"
    said, cell = session.said("mistake ex3"), session.named["mistake"]
    assert "called 0 times" in said
    line = 1 + next(n for n, text in enumerate(cell.source.splitlines()) if text.startswith("def train("))
    assert said.splitlines()[-1] == f"In [{cell.execution_count}], line {line}: def train("
    assert session.result("mistake workflow")[0] == "5"
    assert "waits" in session.result("mistake workflow")[1]


def test_a_class_is_found_in_its_newest_cell(session: Session) -> None:
    cell = session.named["own"]
    place = f"In [{cell.execution_count}], line 2: class LinearRegressionModel(nn.Module):"
    assert place in session.said("own ex2")


def test_mended_code_counts_at_once(session: Session) -> None:
    assert session.result("mended ex2")[0] == "15"
    assert session.result("mended ex3")[0] == "25"
    assert session.points("again") == FULL


def test_what_student_code_prints_or_displays_is_not_in_the_way(session: Session) -> None:
    points, shown = session.result("noise ex4")
    assert 0 < int(points) < 15
    assert "PRINTED" not in shown


def test_nobody_is_asked(session: Session) -> None:
    assert "input() was called, but nobody is there" in session.said("asking ex4")


def test_an_interrupt_ends_it(session: Session) -> None:
    assert session.last("endless ex4").output_type == "error"
    assert session.last("endless ex4").ename == "KeyboardInterrupt"


def test_nothing_else_is_written(session: Session) -> None:
    assert not session.named["import"].outputs
    for cell in session.cells:
        assert not [output for output in cell.outputs if output.output_type == "stream"], cell.source


def test_outside_a_notebook_it_looks_at_the_main_module() -> None:
    verdict = check("ex2")
    assert isinstance(verdict, Verdict)
    assert repr(verdict) == "0"
    assert "has no `LinearRegressionModel` so far" in verdict._repr_html_()
