"""Grading: the command line, the two runs of a submission, and what a report may say about them."""

import base64
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jupytext
import msgspec
import nbformat
import pytest

from grading import wire
from grading.formats import FORMATS
from grading.grade import NO_KEY, OWN_NUMBERS_ONLY, Pictures, grade
from grading.submissions import Submission, read
from grading.tests import commands, corpus, suite, test_golden
from grading.tests.processes import descendants, wait_until
from grading.variants import derive
from grading.warm import WITHOUT_ANSWER, Helper, Run, experiments, outcome
from tests.coach.report import Report, to_json
from tests.harness.given import PRACTICE, Given
from tests.harness.observations import Array, Outcome, Raised
from tests.limits import OUTPUT_BYTES

ROOT = Path(__file__).parents[2]
KEY = b"the key of a course that only exists in this test"
STUDENT = "a student"


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "grading", "grade", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("key") / "course.key"
    file.write_bytes(KEY)
    return file


def changed(folder: Path, module: str, edit: Callable[[str], str]) -> Path:
    """The reference modules with one of them edited."""
    corpus.write(folder)
    file = folder / f"{module}.py"
    file.write_text(edit(file.read_text()))
    return folder


# ── the command line ─────────────────────────────────────────────────────────────────────────────


def test_full_marks_are_exit_status_0(key_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    done = run("solutions", "--student", STUDENT, "--secret-file", key_file, "--format", "json", "--out", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    report = msgspec.json.decode(out.read_bytes(), type=Report)
    assert (report.score, report.variant, report.isolation, report.notes) == (100, "secret", "bubblewrap", ())
    assert list(tmp_path.iterdir()) == [out]


def test_less_is_exit_status_1() -> None:
    done = run("exercises", "--isolation", "process")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "Score: 0 / 100"
    assert NO_KEY in done.stdout
    assert "process" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "No such file"),
        (["solutions", "--secret-file", "KEY"], "--student is missing"),
        (["solutions", "--secret-file", "nokey", "--student", "s"], "can't be read"),
        (["solutions", "--secret-file", os.devnull, "--student", "s"], "16 bytes or more"),
        (["solutions", "--format", "pdf"], "'text', 'json', 'junit'"),
        (["solutions", "--isolation", "none"], "bubblewrap"),
        (["solutions", "--no-such-option"], "--help"),
        ([], "--help"),
        (["grading/tests/golden"], "ex1_dataset.py"),
        (["solutions", "--out", "/nowhere/report"], "can't be written"),
    ],
)
def test_whatever_keeps_it_from_grading_is_exit_status_2(
    arguments: list[str], says: str, key_file: Path
) -> None:
    done = commands.grading("grade", *(key_file if argument == "KEY" else argument for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Not graded: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_cold_command_line_agrees(tmp_path: Path, forks: suite.Forks) -> None:
    """The same points as in practice, from a process that starts from nothing."""
    entries: list[corpus.Mistake | corpus.Variant] = [corpus.mistakes()[0], corpus.variants()[0]]
    jobs = {}
    for entry in entries:
        changes = (entry.change,) if isinstance(entry, corpus.Mistake) else entry.changes
        folder = corpus.write(tmp_path / entry.name / "exercises", *changes)
        jobs[entry.name] = forks.start(run, folder, "--format", "json"), forks.start(suite.judge, folder)
    for name, (graded, practised) in jobs.items():
        report = msgspec.json.decode(graded.get().stdout, type=Report)
        assert report.exercises == practised.get().exercises, name


# ── two runs ─────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_written_down_is_found_out(helper: Helper, tmp_path: Path) -> None:
    """It gets no points, words without any number of the secret run, and a flag."""

    report = suite.grade_in_jail(helper, test_golden.by_heart(tmp_path / "known"), KEY)
    test = next(t for e in report.exercises for t in e.tests if t.id == "ex1.other_numbers_make_another_line")
    assert (test.status, test.score, test.message) == ("failed", 0, OWN_NUMBERS_ONLY)
    assert test.location
    assert test.location.file == "ex1_dataset.py"
    flag = next(flag for flag in report.flags if flag.rule == "differs")
    assert "ex1.other_numbers_make_another_line" in flag.message
    workflow = next(e for e in report.exercises if e.id == "workflow")
    assert workflow.score < workflow.max_score
    # On the exercise's own numbers there is nothing to be seen.
    assert suite.grade_in_jail(helper, tmp_path / "known").score == 100


TELLS = '''
import sys, warnings
import matplotlib.pyplot as plt
import torch

def tell(*values):
    """Everything that was given, by every way out."""
    frame, said = sys._getframe(1), []
    while frame:
        said += [repr(value) for value in frame.f_locals.values()]
        frame = frame.f_back
    text = " ".join(said)
    print(text)
    warnings.warn(text[:2000])
    plt.title(text[:200])
    raise ValueError(" ".join(w for w in text.replace("(", " ").replace(",", " ").split() if "." in w or "=" in w))
'''


def telling_all(folder: Path) -> Path:
    """Every function of every module tells what it was given, in an exception, on the terminal, in a warning."""
    corpus.write(folder)
    for file in folder.glob("ex*.py"):
        lines = file.read_text().splitlines()
        told = [f"    {'    ' if line.startswith('    ') else ''}tell(locals())" for line in lines]
        out = []
        inside = False
        for line, telling in zip(lines, told, strict=True):
            out.append(line)
            inside = inside or line.lstrip().startswith("def ")
            if inside and line.rstrip().endswith(":"):
                out.append(telling)
                inside = False
        file.write_text(TELLS + "\n".join(out) + "\n")
    return folder


def numbers(given: Given) -> set[str]:
    """The numbers of a set that could be recognised in a text."""
    found: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, float | int) and len(repr(abs(value))) >= 5:
            found.add(repr(abs(value)))
        elif isinstance(value, dict | list | tuple):
            for item in value.values() if isinstance(value, dict) else value:
                walk(item)

    walk(msgspec.to_builtins(given))
    return found


def test_no_secret_number_leaves(helper: Helper, tmp_path: Path) -> None:
    """Where it runs, the student's code sees them and says them by every way out; no report has one."""
    folder = telling_all(tmp_path / "tells")

    def said(given: Given) -> str:
        outcomes = helper.observe(read(folder), given).outcomes.values()
        return " ".join(f"{o.output} {o.raised and o.raised.message}" for o in outcomes)

    own = said(PRACTICE)
    secret = {number for number in numbers(derive(KEY, STUDENT)) if number not in own}
    told = said(derive(KEY, STUDENT))
    assert len([number for number in secret if number in told]) > 10
    report = suite.grade_in_jail(helper, folder, KEY)
    assert report.score == 0
    for name, write in FORMATS.items():
        text = write(report)
        assert "ValueError" in text or name == "classroom", name  # that one is in base64
        assert not [number for number in secret if number in text], name
    assert not [
        number for number in secret if number in base64.b64decode(FORMATS["classroom"](report)).decode()
    ]


def test_regrading_gives_the_same_report(tmp_path: Path, helper: Helper) -> None:
    """Byte for byte, but for the time it took; from another helper as well."""
    folder = tmp_path / "noisy"
    corpus.write(folder)
    for file in folder.glob("ex*.py"):
        file.write_text(file.read_text().replace("return ", "return object(), {1, 'a', 'b'}, "))
    folders = [folder, corpus.SOLUTIONS]

    def graded(by: Helper) -> list[bytes]:
        reports = [suite.grade_in_jail(by, each, KEY) for each in folders]
        return [to_json(msgspec.structs.replace(report, duration_s=0.0)) for report in reports]

    first = graded(helper)
    with Helper("bubblewrap") as another:
        assert graded(another) == first
    assert graded(helper) == first


# ── odd submissions ──────────────────────────────────────────────────────────────────────────────


def scores(report: Report) -> dict[str, int]:
    return {exercise.id: exercise.score for exercise in report.exercises}


def test_a_missing_or_broken_module_costs_its_own_exercise(helper: Helper, tmp_path: Path) -> None:
    folder = changed(tmp_path / "broken", "ex2_model", lambda source: source.replace("class", "klass"))
    (folder / "ex4_predictions.py").unlink()
    report = suite.grade_in_jail(helper, folder, KEY)
    assert scores(report) == {"ex1": 20, "ex2": 0, "ex3": 25, "ex4": 0, "ex5": 15, "workflow": 0}
    assert any("ex4_predictions.py" in (t.message or "") for e in report.exercises for t in e.tests)


def notebook_of_solutions(file: Path, edit: Callable[[str], str] = str) -> Path:
    """All modules as the cells of one notebook."""
    cells = []
    for module in corpus.MODULES:
        source = edit((corpus.SOLUTIONS / f"{module}.py").read_text())
        cells += jupytext.reads(source, fmt="py:percent").cells
    nbformat.write(nbformat.v4.new_notebook(cells=cells), file)
    return file


def test_a_notebook_is_graded_as_the_modules_are(helper: Helper, tmp_path: Path) -> None:
    report = suite.grade_in_jail(helper, notebook_of_solutions(tmp_path / "work.ipynb"), KEY)
    assert (report.score, report.submission) == (100, "work.ipynb")


def test_a_place_in_a_notebook_is_a_cell_and_a_line(helper: Helper, tmp_path: Path) -> None:
    def edit(source: str) -> str:
        return source.replace("optimizer.step()", "optimizer.step")

    report = suite.grade_in_jail(helper, notebook_of_solutions(tmp_path / "work.ipynb", edit), KEY)
    test = next(
        t for e in report.exercises for t in e.tests if t.id == "ex3.train_steps_and_returns_its_history"
    )
    assert test.location
    assert (test.location.file, test.location.source) == ("work.ipynb", "def train(")
    assert test.location.cell
    assert "called 0 times" in (test.message or "")


# ── what a worker says ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xc1",
        b"\x93\x01\x02\x03",
        b"\x81\xa6status\x05",
        msgspec.msgpack.encode({"status": "passed"}),
        msgspec.msgpack.encode({"status": "ok", "observation": "text"}),
        b"\x91" * 100_000,
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\x7f\xff\xff\xff" * 50,
    ],
)
def test_an_answer_that_is_none_is_a_lost_experiment(answer: bytes) -> None:
    found = outcome(wire.Reply("training.full_run", "answered", answer))
    assert (found.status, found.raised and found.raised.message) == ("lost", WITHOUT_ANSWER["unreadable"])


def test_an_answer_is_cut_to_size() -> None:
    long = Outcome(
        "raised", raised=Raised("T" * 10**6, "m" * 10**6), output="o" * 10**6, warnings=("w" * 10**6,) * 99
    )
    found = outcome(wire.Reply("training.full_run", "answered", msgspec.msgpack.encode(long)))
    assert len(msgspec.msgpack.encode(found)) < OUTPUT_BYTES + 10_000


@pytest.mark.parametrize("status", ["died", "timeout", "memory", "disk", "too large", "no time left"])
def test_no_answer_has_its_words(status: str) -> None:
    found = outcome(wire.Reply("training.full_run", status, exit=-9))
    assert found.observation == b""
    assert found.raised
    assert "{" not in found.raised.message
    assert (found.status == "timeout") == (status in ("timeout", "no time left"))


@pytest.mark.parametrize(
    "array",
    [
        {"dtype": "float32", "shape": [10**18] * 200_000, "data": b""},  # their product takes minutes
        {"dtype": "f4,(", "shape": [1], "data": b"1234"},  # NumPy's parser raises SyntaxError
        {"dtype": "O", "shape": [1], "data": b"12345678"},
        {"dtype": "float32", "shape": [-1, -1], "data": b"1234"},
    ],
    ids=str,
)
def test_an_array_that_is_none_is_no_observation(array: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(array), type=Array)


# ── many ─────────────────────────────────────────────────────────────────────────────────────────


class OneExercise:
    """A helper that runs exercise 2 in a fresh jail each time, and remembers the others from the first."""

    def __init__(self, helper: Helper, submission: Submission) -> None:
        self.isolation = helper.isolation
        self._helper = helper
        self._first = helper.observe(submission, PRACTICE).outcomes

    def observe(self, submission: Submission, given: Given, *limits: object) -> Run:
        run = self._helper.observe(submission, given, experiments(["ex2"]))
        run.outcomes = self._first | run.outcomes
        return run


def test_hundreds_of_gradings_leave_nothing_behind(helper: Helper) -> None:
    """No memory, descriptor, process or temporary file, here or in the helper."""
    held: list[tuple[float, list[int]]] = []
    count = 0

    def done(submission: Submission, report: Report, pictures: Pictures) -> None:
        nonlocal count
        count += 1
        assert report.score == 100
        if count in (60, 120):
            memory = sum(resident(pid) for pid in ("self", helper.pid)) / 2**20
            descriptors = [len(os.listdir(f"/proc/{pid}/fd")) for pid in ("self", helper.pid)]
            held.append((memory, [*descriptors, len(descendants(os.getpid()))]))

    submission, before_all = read(corpus.SOLUTIONS), ours()
    one = OneExercise(helper, submission)
    grade(((submission, None) for _ in range(120)), done, one)  # type: ignore[arg-type]
    (memory, before), (memory_after, after) = held
    assert memory_after - memory < 4
    assert all(b <= a + 2 for a, b in zip(before, after, strict=True)), (before, after)
    left = ours() - before_all
    assert wait_until(lambda: not left & ours()), "those of other tests go away"


def ours() -> set[Path]:
    """Temporary folders of the kit, and all shared memory."""
    return {*Path("/tmp").glob("pytorch-workflow-*"), *Path("/dev/shm").iterdir()}


def resident(pid: object) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
