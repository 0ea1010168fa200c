"""The commands: options, exit statuses, the report, hints; and plain pytest, which must agree with them."""

import contextlib
import functools
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grading.tests import commands
from grading.tests.suite import Forks
from tests.coach import curriculum, state
from tests.coach.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "FILE", tmp_path / ".coach" / "state.json")


def coach(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.coach", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )


def printed(*arguments: str) -> tuple[int, str]:
    """Exit status and output, in this process: only for a fork."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        return main(list(arguments)), out.getvalue()


def test_stubs_end_with_the_next_action_and_exit_1() -> None:
    run = coach("test", "--tree", "exercises")
    assert run.returncode == 1, run.stderr
    assert len(run.stdout.splitlines()) < 25
    assert run.stdout.splitlines()[-1].startswith("Next: write `pick_device`, exercises/ex1_dataset.py:")
    assert not run.stderr


def test_solutions_get_100_and_exit_0(tmp_path: Path) -> None:
    run = coach("test", "--tree", "solutions", "--json", str(tmp_path / "report.json"))
    assert run.returncode == 0, run.stdout
    assert "100 / 100" in run.stdout
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert list(report) == [
        "schema", "submission", "digest", "isolation", "variant", "score", "max_score", "duration_s", "notes",
        "flags", "exercises",
    ]  # fmt: skip
    assert [(e["id"], e["score"]) for e in report["exercises"]] == [
        ("ex1", 20), ("ex2", 15), ("ex3", 25), ("ex4", 15), ("ex5", 15), ("workflow", 10),
    ]  # fmt: skip
    test = report["exercises"][2]["tests"][0]
    assert set(test) == {"id", "title", "status", "score", "max_score", "message", "location"}
    assert isinstance(report["score"], int)
    assert report["score"] == report["max_score"] == 100
    assert not list(tmp_path.glob("*.new"))


def test_one_exercise_alone(tmp_path: Path, forks: Forks) -> None:
    status, said = forks.call(printed, "test", "--tree", "solutions", "--ex", "3")
    assert status == 0
    assert "Training" in said
    assert "/ 100" not in said
    assert "Exercise 1" not in said
    mine = str(tmp_path / "mine")
    shutil.copytree(ROOT / "solutions", mine)
    shutil.copy(ROOT / "exercises" / "ex1_dataset.py", mine)
    assert forks.call(printed, "test", "--tree", mine, "--ex", "3")[0] == 0
    assert forks.call(printed, "test", "--tree", mine, "--ex", "1")[0] == 1
    assert forks.call(printed, "test", "--tree", mine)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["test", "--ex", "9"], "EX=9: there is no such exercise. There are: 1, 2, 3, 4, 5, workflow."),
        (["test", "--tree", "nowhere"], "TREE=nowhere: there is no folder of that name"),
        (["test", "--tree", "grading"], "TREE=grading"),
        (["test", "--tree", "solutions", "--ex", "2", "--json", "no/such/folder/x.json"], "can't be written"),
        (["hint"], "For which exercise? make hint EX=1"),
        (["hint", "--ex", "six"], "EX=six: there is no such exercise"),
    ],
)
def test_misuse_is_one_line_and_exit_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_hints_come_one_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    exercise = curriculum.find("2")
    hints = exercise.hints["LinearRegressionModel"]
    for number, hint in enumerate(hints, 1):
        assert main(["hint", "--ex", "2"]) == 0
        said = capsys.readouterr().out
        assert f"hint {number} of 3" in said
        assert hint.split()[0] in said
    assert main(["hint", "--ex", "2"]) == 0
    assert "these were all the hints" in capsys.readouterr().out


def test_hints_wait_for_a_file_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    state.write(state.State(functions={"ex1": state.UNKNOWN, "ex2": ""}))
    assert main(["hint", "--ex", "1"]) == 0
    assert "ex1_dataset.py can't be used as it is" in capsys.readouterr().out


def test_other_trees_leave_the_hints_alone(forks: Forks) -> None:
    state.write(state.State(functions={"ex1": "split_dataset"}))
    assert forks.call(printed, "test", "--tree", "solutions")[0] == 0
    assert state.read().functions == {"ex1": "split_dataset"}


def test_breakpoint_stops_in_the_student_s_function(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "solutions", tmp_path / "mine")
    file = tmp_path / "mine" / "ex4_predictions.py"
    code = file.read_text(encoding="utf-8").replace(
        "    model.eval()\n", "    breakpoint()\n    model.eval()\n"
    )
    file.write_text(code, encoding="utf-8")
    for command in (
        ["-m", "tests.coach", "test", "--tree", str(file.parent), "--ex", "4"],
        ["-m", "pytest", "tests"],
    ):
        run = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            input="p X.shape, X.device.type\nc\nq\n",
            capture_output=True,
            text=True,
            env={**os.environ, "TREE": str(file.parent)},
        )
        assert "(torch.Size([20, 1]), 'cpu')" in run.stdout
        assert run.returncode == 2, run.stdout
        assert "Traceback" not in run.stdout + run.stderr


def test_hints_follow_what_is_still_open(capsys: pytest.CaptureFixture[str]) -> None:
    state.write(state.State(functions={"ex1": "split_dataset", "ex2": ""}))
    assert main(["hint"]) == 0
    assert "`split_dataset`, hint 1 of 3" in capsys.readouterr().out
    assert main(["hint", "--ex", "2"]) == 0
    assert "all done at the last `make test`" in capsys.readouterr().out


def test_a_broken_state_file_is_forgotten() -> None:
    state.FILE.parent.mkdir()
    state.FILE.write_text("{]")
    assert state.read() == state.State()


def test_every_function_of_the_curriculum_is_known_to_the_harness() -> None:
    from tests.harness.student import FUNCTIONS

    hinted = {e.file: tuple(e.hints) for e in curriculum.load() if e.file}
    assert {f"{module}.py": functions for module, functions in FUNCTIONS.items()} == hinted


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_terminal_can_show_it(encoding: str) -> None:
    command = ["test", "--tree", "exercises"]
    run = commands.forked(functools.partial(main, command), command, ROOT, encoding)
    assert run.returncode == 1, run.stderr
    assert "Next: write" in run.stdout


def pytest_run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_plain_pytest_skips_stubs_and_fails() -> None:
    run = pytest_run(TREE="exercises")
    assert run.returncode == 1
    assert "skipped" in run.stdout
    assert "passed" not in run.stdout


def test_plain_pytest_agrees_on_a_mistake(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "solutions", tmp_path / "mine")
    file = tmp_path / "mine" / "ex3_training.py"
    file.write_text(
        file.read_text(encoding="utf-8").replace("optimizer.step()", "optimizer.step"), encoding="utf-8"
    )
    run = pytest_run(TREE=str(tmp_path / "mine"))
    assert run.returncode == 1
    assert "is `optimizer.step()` called" in run.stdout.lower()
    assert "Traceback" not in run.stdout
    assert "FAILED tests/test_ex3_training.py" in run.stdout


def test_a_single_test_can_be_picked_as_an_editor_does() -> None:
    picked = pytest_run(
        "tests/test_ex3_training.py::test_the_gradient_is_right_at_every_step", TREE="solutions"
    )
    assert picked.returncode == 0
    assert "1 passed" in picked.stdout
