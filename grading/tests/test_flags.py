"""Flags: each rule has something that it is for, and an innocent look-alike that it lets pass."""

from pathlib import Path

import pytest

from grading.flag_rules import NAMES
from grading.flags import MOST, MOST_SOURCE, flags
from grading.notebooks import Cell
from grading.tests import corpus
from tests.coach.report import Flag

ROOT = Path(__file__).parents[2]


def of(source: str, module: str = "ex3_training.py") -> tuple[Flag, ...]:
    return flags({module: source.encode()})


def in_folder(folder: Path) -> tuple[Flag, ...]:
    return flags({file.name: file.read_bytes() for file in folder.glob("ex*.py")})


# rule, what is flagged, what is not
CASES = [
    ("exit", "import os as o\no._exit(0)", "import sys\nsys.exit(0)"),
    ("exit", "from os import _exit as leave\nleave(0)", "def _exit(code): ...\n_exit(0)"),
    ("exit", "import os\ngetattr(os, '_exit')(0)", "import os\ngetattr(os, 'sep')"),
    ("frames", "import sys\nsys._getframe(1)", "import sys\nprint('x', file=sys.stderr)"),
    ("frames", "import inspect\ninspect.stack()", "import inspect\ninspect.signature(print)"),
    ("frames", "import gc\ngc.get_objects()", "import gc\ngc.collect()"),
    ("native", "import ctypes", "ctypes = 3\nctypes += 1"),
    ("native", "from ctypes import CDLL", "from typing import Any"),
    ("imports", "from importlib import import_module", "import torch.nn.functional as F"),
    ("imports", "__import__('sys')", "def __import__(x): ...\n__import__('sys')"),
    ("processes", "import subprocess", "from torch.utils.data import DataLoader"),
    ("processes", "import os\nos.system('ls')", "import os\nos.makedirs('models')"),
    ("processes", "from threading import Thread", "import torch\ntorch.set_num_threads(1)"),
    ("network", "import urllib.request", "http = 'https://pytorch.org'"),
    ("network", "import requests", "requests = []\nrequests.append(1)"),
    ("main", "import __main__", "if __name__ == '__main__':\n    print()"),
    ("main", "import sys\nsys.modules['x']", "import sys\nsys.version"),
    ("environment", "import os\nos.environ['HOME']", "import os\nos.environ['CUBLAS_WORKSPACE_CONFIG'] = ':8'"),
    ("environment", "import os\nos.getenv('CI')", "import os\nos.environ.setdefault('MPLBACKEND', 'agg')"),
    ("environment", "x = 'PYTEST_CURRENT_TEST'", "x = 'a pytest'"),
    ("environment", "open('/proc/self/maps')", "x = 'data/processed'"),
    ("environment", "from platform import node", "platform = 'cpu'\nplatform.upper()"),
    ("hooks", "import atexit", "from scipy import signal\nsignal.convolve"),
    ("hooks", "import sys\nsys.excepthook = print", "import warnings\nwarnings.simplefilter('ignore')"),
    ("internals", "eval('1')", "model.eval()"),
    ("internals", "exec('1')", "def eval(model): ...\neval(model)"),
    ("internals", "compile('1', '', 'eval')", "import re, torch\nre.compile('a')\ntorch.compile(model)"),
    ("internals", "object.__subclasses__()", "super(Model, self).__init__()"),
    ("internals", "getattr(f, '__globals__')", "getattr(history, 'epoch')"),
    ("internals", "import os\ngetattr(os, '_ex' + 'it')", "getattr(model, 'wei' + 'ghts')"),
    ("internals", "from os import *", "from torch.nn import *"),
    ("patching", "import torch\ntorch.equal = f", "import torch\ntorch.backends.cudnn.deterministic = True"),
    ("patching", "from torch import nn\nnn.Linear.forward, x = f, 1", "model.linear.weight.data = w"),
    ("patching", "import torch\nsetattr(torch.Tensor, 'item', f)", "setattr(self, 'weights', w)"),
    ("patching", "import torch\ntorch.__dict__['equal'] = f", "self.__dict__['weights'] = w"),
    ("patching", "from unittest.mock import patch", "import unittest"),
    ("patching", "import numpy as np\ndel np.load", "from matplotlib import pyplot as plt\nplt.rcParams['a'] = 1"),
    ("patching", "import json\njson.dumps = f", "import ex3_training\nex3_training.epochs = 3"),
    ("kit", "from tests.oracle import gradient", "from ex1_dataset import create_dataset"),
    ("kit", "import solutions.ex2_model", "solutions = [1]\nsolutions.append(2)"),
    ("kit", "import pytest", "from exercises import ex1_dataset"),
    ("pickle", "import pickle", "import json"),
    ("pickle", "import torch\ntorch.load(p, weights_only=False)", "import torch\ntorch.load(p, weights_only=True)"),
    ("lies", "class A:\n    def __eq__(self, o):\n        'Yes.'\n        return True", "class A:\n    def __eq__(self, o):\n        return self.x == o.x"),
    ("lies", "class A:\n    @property\n    def __class__(self):\n        return float", "class A:\n    kind = float\nprint(A().__class__)"),
    ("lies", "x.__class__ = float", "x.kind = float"),
    ("lies", "from torch import Tensor\nclass A(Tensor): ...", "from torch import nn\nclass A(nn.Module): ..."),
    ("lies", "class A:\n    def __torch_function__(self): ...", "class A:\n    def __len__(self):\n        return 1"),
    ("lies", "class A:\n    __eq__ = __ne__ = f", "class A:\n    __radd__ = __add__"),
    ("lies", "type('float', (str,), {})", "type(model)()"),
    ("files", "open('/etc/passwd')", "open('model.pth')\nopen(path)"),
    ("files", "from pathlib import Path\nPath('../solutions').read_text()", "from pathlib import Path\nPath('models') / 'a'"),
    ("files", "import torch\ntorch.load('~/model.pth')", "Path('/somewhere')"),
    ("answer", "class LinearRegressionModel:\n    x = 0.3", "class LinearRegressionModel:\n    x = 0.1"),
    ("answer", "def train(model):\n    model.b = 0.9", "def train(model):\n    return SGD(model, momentum=0.9)"),
    ("answer", "def predict(model, X):\n    return 0.3067 * X + 0.901", "def create_dataset(weight=0.3, bias=0.9): ..."),
    ("answer", "def predict(model, X):\n    def f():\n        return 0.3367", "def plot(ax):\n    ax.plot(alpha=0.3)\n    ax.x(0.9)"),
    ("seed", "import torch\ndef train():\n    torch.manual_seed(42)", "import torch\ntorch.manual_seed(42)"),
    ("seed", "class LinearRegressionModel:\n    def f(self):\n        g.manual_seed(1)", "def main():\n    g.manual_seed(1)"),
    ("seed", "from random import seed\ndef predict():\n    seed(1)", "def predict():\n    seed = 1"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "suspicious", "innocent"), CASES)
def test_a_rule_fires_on_what_it_is_for_and_not_on_its_look_alike(
    rule: str, suspicious: str, innocent: str
) -> None:
    assert rule in {flag.rule for flag in of(suspicious)}
    assert not of(innocent)


def test_every_rule_has_a_case() -> None:
    assert {rule for rule, _, _ in CASES} == {*NAMES, "files", "answer", "seed"}


@pytest.mark.parametrize("folder", ["solutions", "exercises"])
def test_what_we_hand_out_has_no_flag(folder: str) -> None:
    assert in_folder(ROOT / folder) == ()


def test_right_submissions_in_other_styles_have_none(tmp_path: Path) -> None:
    """But one, which seeds inside `train`: it is right, and yet an instructor should know."""
    found = {
        (variant.name, flag.rule, flag.file)
        for variant in corpus.variants()
        for flag in in_folder(corpus.write(tmp_path / variant.name, *variant.changes))
    }
    assert found == {("settings_for_the_whole_process", "seed", "exercises/ex3_training.py")}


def test_a_flag_says_where_and_why() -> None:
    assert of("import torch\n\nimport os\nos._exit(0)\n") == (
        Flag("exit", "exercises/ex3_training.py", 4, "uses os._exit: ends the process past every check"),
    )


def test_a_notebook_has_one_namespace() -> None:
    cells = [Cell(2, "import os as o"), Cell(4, "x = (\n"), Cell(5, "\n\no._exit(0)")]
    found = flags({}, cells)
    assert [(flag.rule, flag.file, flag.line) for flag in found] == [("exit", "notebook, cell 5", 3)]


def test_flags_come_in_the_order_of_files_and_lines_however_the_submission_is_read() -> None:
    sources = {
        "ex2_model.py": b"import gc\nimport pty, mock\ngc.get_objects()",
        "ex1_dataset.py": b"import dill",
    }
    found = flags(sources)
    assert found == flags(dict(reversed(sources.items())))
    assert [(f.file[10:13], f.line, f.rule) for f in found] == [
        ("ex1", 1, "pickle"), ("ex2", 2, "patching"), ("ex2", 2, "processes"), ("ex2", 3, "frames")
    ]  # fmt: skip


def test_more_flags_than_anyone_reads_are_counted() -> None:
    found = of("import os\n" + "os._exit(0)\n" * 500)
    assert len(found) == MOST + 1
    assert found[-1] == Flag("more", "exercises/ex3_training.py", MOST + 2, "450 more findings")


@pytest.mark.parametrize(
    "source",
    [b"", b"def (", b"x = \0", b"\xff\xfe", b"(" * 100_000, b"\x80abc", b"  x\n y", "x = '\ud800'".encode("utf-8", "surrogatepass")],
)  # fmt: skip
def test_what_is_no_python_has_no_flags(source: bytes) -> None:
    assert flags({"ex1_dataset.py": source}) == ()


@pytest.mark.parametrize(
    "source",
    ["x = " + "-" * 90_000 + "1", "x = " + "1+" * 90_000 + "1", "import os\n" * (MOST_SOURCE // 10 + 1)],
)
def test_what_is_too_much_to_look_through_is_said_to_be(source: str) -> None:
    (flag,) = of(source)
    assert (flag.rule, flag.line) == ("unread", 1)


def test_long_names_of_theirs_are_cut() -> None:
    (flag,) = of(f"import os\nos.environ.{'x' * 5000}")
    assert len(flag.message) < 200


def test_a_byte_order_mark_and_windows_line_ends_are_no_obstacle() -> None:
    (flag,) = flags({"ex1_dataset.py": b"\xef\xbb\xbfimport torch\r\nimport pickle\r\n"})
    assert (flag.rule, flag.line) == ("pickle", 2)
