"""A notebook is graded like the modules: its code cells run in order, and one that is wrong costs itself."""

import builtins
import inspect
import json
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jupytext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.conftest  # noqa: F401  # names the experiments
from grading import notebooks, submissions
from grading.notebooks import Cell, plain_python
from grading.submissions import Refused
from grading.tests import corpus, suite
from tests import limits
from tests.coach.suite import EXPERIMENTS
from tests.harness.given import PRACTICE
from tests.harness.notebook import Notebook
from tests.harness.observations import Outcome, Place
from tests.harness.observe import observe
from tests.harness.student import Folder, Unavailable


def code(source: Any, **metadata: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "source": source,
        "metadata": metadata,
        "outputs": [],
        "execution_count": None,
    }


def text(source: str = "# Words") -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def encoded(*cells: Any, **changed: Any) -> bytes:
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **changed}
    ).encode()


def cells(*of_the_notebook: Any) -> list[tuple[int, str]]:
    found, _ = notebooks.read(encoded(*of_the_notebook), "'n.ipynb'")
    return [(cell.number, cell.source) for cell in found]


def solved() -> bytes:
    """The reference modules in one notebook, as a student would hand it in: with magics, tests and a figure."""
    everything = [text("# My homework"), code("%matplotlib inline\n!pip install torch\nimport torch")]
    for module in corpus.MODULES:
        source = (corpus.SOLUTIONS / f"{module}.py").read_text("utf-8")
        everything += json.loads(jupytext.writes(jupytext.reads(source, fmt="py:percent"), fmt="ipynb"))[
            "cells"
        ]
    check = code("assert train is None", nbgrader={"grade": True, "solution": False, "locked": True})
    figure = code("X, y = create_dataset()\nsplit = split_dataset(X, y)\ndisplay(plot_data(*split))")
    return encoded(*everything, check, figure, code("raise ValueError('the last cell')"))


# Reading


def test_numbers_count_every_cell() -> None:
    assert cells(text(), code("a = 1"), text(), code(["b = 2\n", "c = 3"])) == [
        (2, "a = 1"),
        (4, "b = 2\nc = 3"),
    ]


def test_malformed_cells_are_left_out_and_named() -> None:
    bad = [7, {}, {"cell_type": "code"}, code(5), code(["a", 5]), code("\ud800"), {"cell_type": "heading"}]
    found, notes = notebooks.read(encoded(*bad, code("a = 1")), "'n.ipynb'")
    assert found == (Cell(8, "a = 1"),)
    assert notes == ("cells that can't be read: 1, 2, 3, 4, 5 and 2 more",)


@pytest.mark.parametrize("metadata", [None, 5, {"nbgrader": 3}, {"nbgrader": {"grade": "yes"}}])
def test_malformed_metadata_does_no_harm(metadata: Any) -> None:
    assert cells({"cell_type": "code", "source": "a = 1", "metadata": metadata}) == [(1, "a = 1")]


def test_tests_of_the_course_are_left_out() -> None:
    marks = {
        "tests": {"grade": True, "solution": False, "locked": True},
        "answer": {"grade": False, "solution": True, "locked": False},
        "manual": {"grade": True, "solution": True, "locked": False},
        "setup": {"grade": False, "solution": False, "locked": True},
    }
    found, notes = notebooks.read(
        encoded(*(code(name, nbgrader=m) for name, m in marks.items())), "'n.ipynb'"
    )
    assert [cell.source for cell in found] == ["answer", "manual", "setup"]
    assert notes == ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a notebook"),
        (b"{", "not a notebook"),
        (b"\xff\xfe{\0}\0", "not a notebook"),
        (b"[" * 900_000, "not a notebook"),
        (b"[" * 1_100_000, "holds too much"),
        (b'{"nbformat": 4, "cells": [' + b"9" * 5000 + b"]}", "not a notebook"),
        (b"[]", "no notebook of format 4"),
        (encoded(nbformat=5), "no notebook of format 4"),
        (encoded(cells={}), "no notebook of format 4"),
        (encoded(nbformat=3, worksheets=[{"cells": []}]), "nbconvert --to notebook --nbformat 4"),
        (encoded(nbformat="\x1b[31m", worksheets=[]), "nbconvert"),
        (encoded(code("#" * (1 << 20)), code("x")), "1 MB of code"),
        (encoded(*[code("")] * 2001), "2,000 code cells"),
    ],
)
def test_what_is_no_notebook_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        notebooks.read(data, "'n.ipynb'")
    assert str(refused.value).isprintable()


def test_a_large_notebook_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "n.ipynb"
    with file.open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(Refused, match="larger than 64 MB"):
        submissions.read(file)


def test_images_and_numbers_that_json_has_not_do_no_harm() -> None:
    figure = code("a = 1") | {"outputs": [{"data": {"image/png": "iVBO" * 500_000, "x": float("nan")}}]}
    assert cells(figure) == [(1, "a = 1")]


# Magics


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if True:\n    !ls\n    x = 1", "if True:\n    pass\n    x = 1"),
        ("?print\nprint?\ntorch.nn??\nx = 1", "pass\npass\npass\nx = 1"),
        ("!pip install \\\n  torch\nx = 1", "pass\n\nx = 1"),
        ("pip install torch\nx = 1", "pass\nx = 1"),
        ("files = !ls\nt = %timeit -o f()\nd['a'] = !ls", "files = None\nt = None\nd['a'] = None"),
        ("%%time\nx = 1", "\nx = 1"),
        ("\n%%capture out\n%matplotlib inline\nx = 1", "\n\npass\nx = 1"),
        ("%%bash\nls\nrm x", "\n\n"),
        ("%%timeit\nx = 1", "\n"),
        ("%%writefile ex1_dataset.py\nx = 1", "\n"),
        ("    x = 1\n    if x:\n        !ls", "x = 1\nif x:\n    pass"),
        ("x = 1\r\n%y\r\n", "x = 1\npass\n"),
        ("!echo 'it\nx = 1", "pass\nx = 1"),
        ("def f():\n    '''\n    %a\n    '''\n    return 1\n%b", "def f():\n    '''\n    %a\n    '''\n    return 1\npass"),
        ("x = (7\n% 4)\n%y", "x = (7\n% 4)\npass"),
        ("x = 7 \\\n% 4\n%y", "x = 7 \\\n% 4\npass"),
        ("# what?\nx = 1  # why?\n!ls", "# what?\nx = 1  # why?\npass"),
    ],
)  # fmt: skip
def test_magics_are_blanked_in_place(source: str, plain: str) -> None:
    assert plain_python(source) == plain


@pytest.mark.parametrize(
    "source",
    ["x = '''\n%a\n!b\n?c\n'''", "print('{}'\n% 3)", "x != y", "a = b % c", "x = {\n'a': 1,\n}\n", "", "\n", "# %%"],
)  # fmt: skip
def test_python_is_left_as_it_is(source: str) -> None:
    assert plain_python(source) == source


@pytest.mark.parametrize("module", corpus.MODULES)
def test_whole_modules_are_left_as_they_are(module: str) -> None:
    source = (corpus.SOLUTIONS / f"{module}.py").read_text("utf-8")
    assert plain_python(source) == source
    assert plain_python(f"%magic\n{source}") == f"pass\n{source}"


PIECES = st.sampled_from(
    ["%", "!", "?", "\\", "\n", "    ", "'", '"""', "(", ")", "#", "x", " = ", "%%", "time", "\0", "é"]
)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.lists(PIECES, max_size=40).map("".join))
def test_lines_keep_their_numbers(source: str) -> None:
    assert plain_python(source).count("\n") == source.count("\n")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cell_type", "source", "metadata", "nbgrader", "grade"]) | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(st.lists(JSON | st.builds(code, JSON), max_size=5), st.binary(max_size=3), st.integers(0, 400))
def test_any_notebook_is_read_or_refused(content: list[Any], noise: bytes, at: int) -> None:
    data = bytearray(encoded(*content))
    if at < len(data):
        data[at : at + len(noise)] = noise
    try:
        found, notes = notebooks.read(bytes(data), "'n.ipynb'")
    except Refused:
        return
    assert all(isinstance(cell.source, str) for cell in found)
    assert all(note.isprintable() for note in notes)


# Running


@pytest.fixture(autouse=True)
def no_trace() -> Iterator[None]:
    """What running a notebook leaves behind in this process is taken away."""
    yield
    sys.modules.pop("__notebook__", None)
    vars(builtins).pop("ran", None)


def notebook(*sources: str) -> Notebook:
    return Notebook("n.ipynb", enumerate(sources, 1))


def unavailable(student: Notebook, name: str) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        getattr(student, name)
    return caught.value


def outcomes(data: bytes | None) -> list[Outcome]:
    """Every experiment, on a notebook or on the reference modules."""
    student: Notebook | Folder = Folder(corpus.SOLUTIONS)
    if data is not None:
        found, _ = notebooks.read(data, "'n.ipynb'")
        student = Notebook("n.ipynb", ((cell.number, cell.source) for cell in found))
    return [observe(name, student, PRACTICE) for name in EXPERIMENTS.values()]


def test_a_solved_notebook_is_observed_like_the_modules(forks: suite.Forks) -> None:
    in_a_notebook, in_a_folder = forks.call(outcomes, solved()), forks.call(outcomes, None)
    assert len(in_a_notebook) == 32
    for ours, theirs in zip(in_a_notebook, in_a_folder, strict=True):
        assert ours.status == "ok", (ours.function, ours.raised)
        assert (ours.function, ours.warnings) == (theirs.function, theirs.warnings)
        assert ours.place is not None
        assert ours.place.cell is not None
        assert theirs.place is not None
        assert (ours.place.file, ours.place.source) == ("n.ipynb", theirs.place.source)


def test_cells_share_one_namespace_and_the_last_definition_wins() -> None:
    student = notebook(
        "factor = 2", "def predict(model, X): return X", "def predict(model, X): return factor * X"
    )
    assert student.predict(None, 3) == 6
    assert student.definition("predict") == Place("n.ipynb", 1, "def predict(model, X): return factor * X", 3)


def test_the_last_class_is_the_one_that_is_shown() -> None:
    student = notebook(
        "class LinearRegressionModel:\n    pass", "x = 1\nclass LinearRegressionModel(int):\n    pass"
    )
    assert student.LinearRegressionModel(4) == 4
    assert student.definition("LinearRegressionModel") == Place(
        "n.ipynb", 2, "class LinearRegressionModel(int):", 2
    )


@pytest.mark.parametrize(
    "broken",
    ["1 / 0", "exit()", "raise KeyError", "def (", "x = '", "\0", "await x", "from ex1_dataset import train",
     "class Odd(BaseException): pass\nraise Odd", "get_ipython()", "(" * 5000, "raise SyntaxError", "return"],
)  # fmt: skip
def test_a_cell_that_is_wrong_costs_itself_only(broken: str) -> None:
    student = notebook("def predict(model, X): return 1", broken, "def train(): return 2")
    assert (student.predict(None, None), student.train()) == (1, 2)
    missing = unavailable(student, "create_loss")
    assert missing.status == "missing"
    assert str(missing) == "n.ipynb has no `create_loss`"
    assert missing.raised.place == Place("n.ipynb", 1, "")


def test_a_function_in_a_cell_that_raised_is_told_by_that_cell() -> None:
    student = notebook("import torch", "x = 1\nprint(nothing)\n\ndef train():\n    pass", "1 / 0")
    told = unavailable(student, "train")
    assert told.status == "unreadable"
    assert (told.raised.type, told.raised.message) == ("NameError", "name 'nothing' is not defined")
    assert told.raised.place == Place("n.ipynb", 2, "print(nothing)", 2)


@pytest.mark.parametrize("source", ["def train(:\n    pass", "train = lambda: (", "async def train() x"])
def test_a_function_in_a_cell_that_is_no_python_is_told_by_that_cell(source: str) -> None:
    told = unavailable(notebook("x = 1", source), "train")
    assert (told.status, told.raised.type) == ("unreadable", "SyntaxError")
    assert told.raised.place == Place("n.ipynb", 1, source.splitlines()[0], 2)


def test_a_near_name_is_pointed_out() -> None:
    told = unavailable(notebook("x = 1\ndef train_model():\n    pass"), "train")
    assert str(told) == "n.ipynb has no `train`, but a `train_model` on line 2"
    assert told.raised.place == Place("n.ipynb", 2, "def train_model():", 1)


def test_an_exception_in_a_function_is_placed_in_its_cell() -> None:
    student = notebook("x = 1", "def train():\n    return x.nothing")
    with pytest.raises(AttributeError) as caught:
        student.train()
    assert student.raised(caught.value).place == Place("n.ipynb", 2, "return x.nothing", 2)


def test_a_stub_is_still_to_be_written() -> None:
    student = notebook("def train():\n    raise NotImplementedError")
    with pytest.raises(NotImplementedError) as caught:
        student.train()
    assert student.raised(caught.value).todo


def test_cells_have_a_module_and_a_source() -> None:
    student = notebook(
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: 'int' = 1",
        "def train():\n    return Point()",
    )
    point = student.train()
    assert pickle.loads(pickle.dumps(point)) == point
    assert inspect.getsource(student.train) == "def train():\n    return Point()"
    assert type(point).__module__ == "__notebook__" != sys.modules["__main__"].__name__


def test_future_imports_hold_for_later_cells() -> None:
    student = notebook("from __future__ import annotations", "def train() -> Nothing:\n    return 1")
    assert student.train() == 1


def test_the_display_of_jupyter_is_there() -> None:
    assert notebook("display(1, 2, clear=True)\ndef train(): return 1").train() == 1


COUNT = "import builtins\nbuiltins.ran = getattr(builtins, 'ran', 0) + 1\n"


def test_cells_run_once_and_only_when_asked() -> None:
    student = notebook(COUNT, "def train(): return 1", "def (")
    assert not hasattr(builtins, "ran")
    for name in ("train", "predict", "train"):
        getattr(student, name, None) if name == "train" else unavailable(student, name)
    assert vars(builtins)["ran"] == 1


def endless(tail: str) -> tuple[list[Outcome], int]:
    """Two experiments on a notebook that never ends; and how often it ran."""
    limits.CPU_SECONDS = 0.3
    student = notebook("def create_loss(): return abs", COUNT + tail, "x = 1")
    found = [observe(name, student, PRACTICE) for name in ("training.loss", "training.optimizer")]
    return found, vars(builtins)["ran"]


@pytest.mark.parametrize(
    ("tail", "lines"),
    [("while True: pass", [3]), ("try:\n    while True: pass\nfinally:\n    while True: pass", [4, 6])],
)
def test_a_cell_that_never_ends_is_run_once(forks: suite.Forks, tail: str, lines: list[int]) -> None:
    found, ran = forks.call(endless, tail)
    assert ran == 1
    for outcome in found:
        assert outcome.status == "timeout"
        assert outcome.raised is not None
        assert outcome.raised.message == "cell 2 of n.ipynb did not finish"
        assert outcome.raised.place is not None
        assert outcome.raised.place.cell == 2
        assert outcome.raised.place.line in lines


def after_another() -> str:
    """What a notebook gets that imports a module, after a folder was looked at in the same process."""
    loaded: Callable[..., Any] = Folder(corpus.SOLUTIONS).create_loss
    assert loaded
    student = notebook("from ex3_training import *", "import ex3_training as own\ntrain = own.train")
    return unavailable(student, "create_loss").status + " " + unavailable(student, "train").status


def test_modules_of_an_earlier_submission_are_out_of_reach(forks: suite.Forks) -> None:
    assert forks.call(after_another) == "missing unreadable"
