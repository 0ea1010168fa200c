"""The student's copy of the kit works without make, wherever it lies and however its terminal is set up.

A cold start of PyTorch costs seconds, so a run stands for several conditions at once.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUB = (ROOT / "tests" / "stubs" / "ex2_model.py").read_text(encoding="utf-8").splitlines()
LINE = STUB.index("        raise NotImplementedError()") + 1
NEXT = f"Next: write `LinearRegressionModel`, exercises/ex2_model.py:{LINE} (a hint: make hint EX=2)"
NOBODY = {"HOME": "/proc/nowhere"}  # a home that can't be made: matplotlib wants to keep its fonts there


def run(command: list[str], cwd: Path, encoding: str = "utf-8", **environment: str) -> tuple[int, str, str]:
    """Exit status, output and errors, with nothing from our own environment but the PATH."""
    environment = {"PATH": os.environ["PATH"], **environment}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, timeout=300)
    return done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)


def coach(*arguments: str, cwd: Path, encoding: str = "utf-8", **environment: str) -> tuple[int, str, str]:
    return run([sys.executable, "-m", "tests.coach", *arguments], cwd, encoding, **environment)


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """As git on Windows checks it out, with the solutions as one more tree, `mine`."""
    kit = tmp_path / "Meine Übungen, 2. Anlauf ✓" / "kit"
    for folder, name in (("exercises", "exercises"), ("tests", "tests"), ("solutions", "mine")):
        shutil.copytree(ROOT / folder, kit / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", kit)
    for file in kit.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    return kit


def test_a_windows_checkout_in_a_folder_of_any_name(kit: Path) -> None:
    status, said, errors = coach("test", "--ex", "2", cwd=kit)
    assert (status, said.splitlines()[-1], errors) == (1, NEXT, "")
    status, said, errors = coach("hint", cwd=kit)
    assert (status, "hint 1 of 3" in said, errors) == (0, True, "")
    status, said, errors = coach("reset", "--ex", "2", cwd=kit)
    assert (status, "is the stub already" in said, errors) == (0, True, "")
    file = kit / "exercises" / "ex2_model.py"
    stub = file.read_bytes()
    file.write_bytes(stub + b"# mine\r\n")
    status, said, errors = coach("reset", "--ex", "2", cwd=kit)
    assert (status, errors) == (0, "")
    (kept,) = (kit / "exercises").glob("ex2_model.2*.py")
    assert f"exercises/{kept.name}" in said.replace("\n", "")
    assert (file.read_bytes(), kept.read_bytes()) == (stub, stub + b"# mine\r\n")


def test_where_the_environment_is_not_active_it_is_said(kit: Path) -> None:
    without = [sys.executable, "-S", "-m"]  # -S: nothing that pip installed
    status, said, errors = run([*without, "tests.coach", "test"], kit)
    assert (status, said) == (2, "")
    assert "msgspec is not installed for" in errors and "Install what the exercises need" in errors
    (kit / ".venv").mkdir()
    assert "activate that first" in run([*without, "tests.coach", "test"], kit)[2]
    status, said, errors = run([*without, "grading", "doctor"], ROOT)
    assert (status, said) == (2, "")
    assert "`make instructor` installs it" in errors and "Traceback" not in errors


def test_a_terminal_of_another_age_without_make(kit: Path, tmp_path: Path) -> None:
    """Only ASCII, no colours, no make, and nowhere to keep anything at home."""
    old = {"LANG": "C", "PYTHONUTF8": "0", "TERM": "dumb", "PATH": str(tmp_path), **NOBODY}
    status, said, errors = coach(
        "test", "--ex", "2", cwd=kit, encoding="ascii", PYTHONIOENCODING="ascii", **old
    )
    assert (status, errors) == (1, "")
    assert said.splitlines()[-1] == NEXT.replace("make hint EX=2", "python -m tests.coach hint --ex 2")
    assert "\x1b" not in said
    status, said, errors = coach(
        "plots", "--tree", "mine", cwd=kit, encoding="cp1252", PYTHONIOENCODING="cp1252", **old
    )
    assert (status, errors) == (0, "")
    assert said.splitlines()[1:4] == [
        f"+ plots/{name}.png" for name in ("data", "loss_curves", "predictions")
    ]
    assert {path.read_bytes()[:4] for path in (kit / "plots").iterdir()} == {b"\x89PNG"}


def test_from_another_folder_and_through_a_link(kit: Path, tmp_path: Path) -> None:
    """TREE is a path in the kit, or a whole one; nothing is left where the command was called."""
    link, elsewhere = tmp_path / "link", tmp_path / "elsewhere"
    link.symlink_to(kit, target_is_directory=True)
    elsewhere.mkdir()
    for tree in ("mine", str(link / "mine")):
        status, said, errors = coach("test", "--ex", "2", "--tree", tree, cwd=elsewhere, PYTHONPATH=str(link))
        assert (status, errors) == (0, ""), said
        assert said.splitlines()[-1] == "Exercise 2 · The model is done. Next: make test"
    status, said, errors = coach("test", "--ex", "2", cwd=link)
    assert (status, said.splitlines()[-1], errors) == (1, NEXT, "")
    assert list(elsewhere.iterdir()) == []
    assert (kit / ".coach" / "state.json").is_file()


def test_a_copy_that_can_t_be_written_by_a_user_without_a_name(kit: Path) -> None:
    """Neither .coach nor __pycache__, no home at all, nobody in /etc/passwd. /tmp there has to be."""
    (kit / "exercises" / "ex3_training.py").write_bytes(b"# mine\n")
    inside = "/tmp/Meine Übungen"
    jail = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
    jail += ["--ro-bind", sys.prefix, sys.prefix, "--ro-bind", str(kit), inside, "--chdir", inside]
    jail += ["--unshare-user", "--uid", "12345", "--gid", "12345", sys.executable, "-m", "tests.coach"]
    status, said, errors = run([*jail, "test", "--ex", "2"], kit)
    assert (status, said.splitlines()[-1], errors) == (1, NEXT, "")
    status, said, errors = run([*jail, "hint", "--ex", "2"], kit)
    assert (status, errors) == (0, "")
    assert "hint 1 of 3" in said
    assert ".coach can't be written" in said
    reset = "exercises/ex3_training.py can't be replaced (Read-only file system): it is as it was.\n"
    assert run([*jail, "reset", "--ex", "3"], kit) == (2, "", reset)
    assert run([*jail, "plots"], kit) == (2, "", "plots/ can't be written (Read-only file system).\n")
