"""What a student sees, word for word: on every kind of bad input, and on a dozen mistakes.

`make golden` writes the files in grading/tests/golden/ and the screens on the pages anew: read the difference before committing it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from grading.formats import FORMATS
from grading.tests import corpus, courses, suite, watching
from grading.tests.corpus import Change
from grading.warm import Helper
from tests import limits

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "exercises" / "README.md", ROOT / "grading" / "README.md"]  # show screens
SHOWN = re.compile(r"(<!-- screen: (\w+) -->\n```text\n).*?(```)", flags=re.DOTALL)
Damage = Callable[[Path], object]


def define(module: str, code: str) -> Damage:
    """The reference solution with these lines at the end of a module."""
    return lambda folder: corpus.write(folder, Change(module, define=code))


def top(module: str, code: str) -> Damage:
    """… with these lines at its beginning."""
    return lambda folder: prepend(folder / f"{module}.py", code)


def prepend(file: Path, code: str) -> None:
    file.write_text(f"{code}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")


def replaced(module: str, data: bytes) -> Damage:
    return lambda folder: (folder / f"{module}.py").write_bytes(data)


CREATE = "def create_dataset(weight=0.3, bias=0.9, start=0.0, end=1.0, step=0.01, device='cpu'):\n    "
BAD_INPUT: dict[str, Damage] = {
    "syntax_error": define("ex2_model", "class LinearRegressionModel(nn.Module)\n    pass"),
    "indentation_error": define("ex2_model", "class LinearRegressionModel(nn.Module):\npass"),
    "not_installed": top("ex3_training", "import pandas as pd"),
    "missing_function": lambda folder: rename(folder / "ex1_dataset.py", "def split_dataset(", "def _("),
    "misspelt_function": lambda folder: rename(
        folder / "ex1_dataset.py", "def split_dataset(", "def split_datset("
    ),
    "renamed_class": lambda folder: rename(
        folder / "ex2_model.py", "class LinearRegressionModel(", "class Model("
    ),
    "returns_none": define("ex1_dataset", CREATE + "X = torch.arange(start, end, step)"),
    "returns_too_few": define(
        "ex1_dataset", "def split_dataset(X, y, train_fraction=0.8):\n    return X[:80], y[:80]"
    ),
    "returns_a_list": define("ex1_dataset", CREATE + "return [0.1] * 100, [0.2] * 100"),
    "returns_numpy": define(
        "ex1_dataset", CREATE + "import numpy as np; return np.arange(100.0), np.arange(100.0)"
    ),
    "returns_a_float": define("ex4_predictions", "def predict(model, X):\n    return 0.5"),
    "wrong_arguments": define(
        "ex3_training", "def train(model, loss_fn, optimizer, X_train, y_train):\n    return {}"
    ),
    "raises": define("ex4_predictions", "def predict(model, X):\n    return model(X) + torch.ones(7, 7)"),
    "raises_not_implemented": lambda folder: rename(folder / "ex2_model.py", "def forward(", "def foward("),
    "endless_loop": define("ex4_predictions", "def predict(model, X):\n    while True:\n        X = X + 0"),
    "endless_import": top("ex5_persistence", "while True:\n    pass"),
    "million_lines": define(
        "ex4_predictions",
        "def predict(model, X):\n    for n in range(1_000_000):\n        print('line', n)\n    return X",
    ),
    "prints_and_passes": top("ex1_dataset", "for n in range(1_000_000): print(n)"),
    "input": define("ex1_dataset", CREATE + "step = float(input('step? '))\n    return None"),
    "exit": define("ex1_dataset", "import sys\n\n" + CREATE + "sys.exit()"),
    "exit_at_import": top("ex1_dataset", "raise SystemExit"),
    "deleted_file": lambda folder: (folder / "ex4_predictions.py").unlink(),
    "latin_1": replaced("ex2_model", "# Größe\nx = 1\n".encode("latin-1")),
    "empty_file": replaced("ex2_model", b""),
    "null_bytes": replaced("ex2_model", b"x = 1\n\0\n"),
    "terminal_escapes": define(
        "ex4_predictions", "def predict(model, X):\n    raise ValueError('\\x1b[2J\\x1b[31mgone')"
    ),
}
LEAKS: dict[str, str] = {
    "show": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "chdir": "import os\nos.chdir('/')",
    "default_dtype": "import torch\ntorch.set_default_dtype(torch.float64)",
    "default_device": "import torch\ntorch.set_default_device('meta')",
    "seed": "import torch, random, numpy\ntorch.manual_seed(1)\nrandom.seed(1)\nnumpy.random.seed(1)",
    "rcparams": "import matplotlib\nmatplotlib.rcParams['lines.marker'] = 'o'\nmatplotlib.rcParams['legend.loc'] = 'best'",
    "grad": "import torch\ntorch.set_grad_enabled(False)",
    "warnings": "import warnings\nwarnings.simplefilter('error')",
    "environment": "import os\nos.environ.clear()",
    "stdout": "import sys\nsys.stdout = sys.stderr = None",
    "threads": "import torch\ntorch.set_num_threads(2)",
    "print": "import builtins\nbuiltins.print = None",
}
TOLD = [
    "is_available_not_called",
    "X_left_1d",
    "split_order_X_X_y_y",
    "plot_data_on_a_gpu",
    "plain_tensors",
    "super_init_forgotten",
    "step_without_parentheses",
    "gradients_never_cleared",
    "y_of_shape_n",
    "one_epoch_too_many",
    "test_loss_before_the_step",
    "data_never_moved",
    "predict_detached",
    "load_without_map_location",
    "match_of_the_first_five",
    "checkpoint_without_the_optimizer",
    "workflow_loss_is_a_function",
]
MISTAKES = {mistake.name: mistake for mistake in corpus.mistakes()}


def rename(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def seen(name: str, folder: Path) -> str:
    """The screen for one case. In this process, which ends afterwards."""
    limits.CPU_SECONDS = 1.0
    folder = folder / "exercises"
    if name.startswith("mistake_"):
        corpus.write(folder, MISTAKES[name.removeprefix("mistake_")].change)
    elif name == "stubs":
        folder = corpus.SOLUTIONS.parent / "exercises"
    else:
        corpus.write(folder)
        BAD_INPUT.get(name, lambda _: None)(folder)
    return suite.screen(folder)


KNOWS = """
_right = create_dataset


def create_dataset(weight=0.3, bias=0.9, start=0.0, end=1.0, step=0.01, device="cpu"):
    if (weight, bias) not in ((0.3, 0.9), (-1.5, 0.25)):
        weight = bias = 0.5
    return _right(weight, bias, start, end, step, device)


"""


def by_heart(folder: Path) -> Path:
    """Right for the exercise's own numbers only."""
    corpus.write(folder)
    rename(folder / "ex1_dataset.py", "def split_dataset(", f"{KNOWS}def split_dataset(")
    return folder


def graded(folder: Path, helper: Helper) -> str:
    """What `grade` prints about it."""
    key = b"the key of a course that only exists in this test"
    return FORMATS["text"](suite.grade_in_jail(helper, by_heart(folder / "student_17"), key))


NAMES = ["stubs", "solutions", *BAD_INPUT, *(f"mistake_{name}" for name in TOLD)]


@pytest.mark.parametrize("name", NAMES)
def test_the_screen_is_as_it_was(name: str, tmp_path: Path, forks: suite.Forks) -> None:
    found = forks.call(seen, name, tmp_path)
    assert found == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8"), found
    assert "Traceback" not in found
    assert len(found.splitlines()) <= 26


def test_the_graders_screen_is_as_it_was(tmp_path: Path, helper: Helper) -> None:
    assert graded(tmp_path, helper) == (GOLDEN / "graded.txt").read_text(encoding="utf-8")


def demo() -> str:
    """What `make demo` prints."""
    command = [sys.executable, "-m", "grading.demo"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_the_demo_is_as_it_was() -> None:
    assert demo() == (GOLDEN / "demo.txt").read_text(encoding="utf-8")
    for name in ("class.html", "marks.csv", "reports"):
        assert (ROOT / "dist" / "demo" / "results" / name).exists()


@pytest.mark.parametrize("leak", LEAKS)
def test_what_a_module_does_to_the_process_is_undone(leak: str, tmp_path: Path, forks: suite.Forks) -> None:
    """At import of every module: all points all the same."""
    folder = corpus.write(tmp_path / "exercises")
    for module in corpus.MODULES:
        prepend(folder / f"{module}.py", LEAKS[leak])
    report = forks.call(suite.judge, folder)
    assert report.score == 100, [t for e in report.exercises for t in e.tests if t.status != "passed"][:1]


def test_windows_files_pass(tmp_path: Path, forks: suite.Forks) -> None:
    """CRLF line ends and a byte order mark, in a folder with spaces and other letters in its name."""
    folder = corpus.write(tmp_path / "meine Übungen")
    for file in folder.iterdir():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert forks.call(suite.judge, folder).score == 100


def edited_within_the_second(folder: Path) -> tuple[int, int]:
    """The scores before and after an edit that keeps size and time stamp."""
    file = folder / "ex2_model.py"
    before = suite.judge(folder).score
    times = file.stat()
    rename(file, "return self.weights * x + self.bias", "return self.weights * x - self.bias")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    return before, suite.judge(folder).score


def test_an_edit_within_the_same_second_counts(tmp_path: Path, forks: suite.Forks) -> None:
    before, after = forks.call(edited_within_the_second, corpus.write(tmp_path / "exercises"))
    assert before == 100
    assert after < 100


def imported(folder: Path) -> str:
    """What an instructor sees who imports three students' work and an essay, and grades them."""
    mistake = next(m for m in corpus.mistakes() if m.name == "step_without_parentheses")
    return courses.imported(courses.create(folder / "course"), folder / "downloads", mistake.change)


def write_all() -> None:
    """Every screen anew."""
    GOLDEN.mkdir(exist_ok=True)
    with suite.forks() as forks, TemporaryDirectory() as root:
        for name in NAMES:
            text = forks.call(seen, name, Path(root) / name)
            (GOLDEN / f"{name}.txt").write_text(text, encoding="utf-8")
        with Helper("bubblewrap") as helper:
            (GOLDEN / "graded.txt").write_text(graded(Path(root), helper), encoding="utf-8")
        (GOLDEN / "demo.txt").write_text(demo(), encoding="utf-8")
        (GOLDEN / "imported.txt").write_text(imported(Path(root)), encoding="utf-8")
        for name, text in watching.session(Path(root, "watch")):
            (GOLDEN / f"{name}.txt").write_text(text, encoding="utf-8")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = SHOWN.sub(lambda block: block[1] + screen_text(block[2]) + block[3], text)
        page.write_text(new, encoding="utf-8")


def screen_text(name: str) -> str:
    return (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").lstrip("\n")


if __name__ == "__main__":
    sys.exit(write_all())
