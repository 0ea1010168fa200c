"""tests/README.md adds a sixth exercise. In a copy of the kit, every step of it is taken, and then it is looked at."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
STEP = re.compile(
    r"^\*\*(Make|Add to the end of|Change) `([^`]+)`:\*\*\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
STEPS: list[tuple[str, str, str]] = STEP.findall(PAGE)
COMMANDS = re.search(r"```sh\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()  # type: ignore[index]
PARTS = ("exercises", "grading", "solutions", "tests")


def take(kit: Path, verb: str, name: str, block: str) -> None:
    """One step of the page, as a reader would take it."""
    file = kit / name
    if verb == "Make":
        assert not file.exists(), f"{name} is there already"
        file.write_text(block, encoding="utf-8")
        return
    text = file.read_text(encoding="utf-8")
    if verb == "Change":
        old = "".join(line[1:] for line in block.splitlines(True) if line[0] in " -")
        new = "".join(line[1:] for line in block.splitlines(True) if line[0] in " +")
        assert text.count(old) == 1, f"{name} doesn't have this once:\n{old}"
        file.write_text(text.replace(old, new), encoding="utf-8")
    else:
        between = "\n\n" if block.startswith(("def ", "class ")) else ""
        file.write_text(text + between + block, encoding="utf-8")


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit with six exercises."""
    copy = tmp_path_factory.mktemp("six") / "kit"
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, copy)
    assert len(STEPS) == PAGE.count("\n```") // 2 - 1, "a block that nobody would know what to do with"
    for step in STEPS:
        take(copy, *step)
    (command,) = commands("grading.stubs")
    run(copy, *command)
    return copy


def commands(about: str) -> list[list[str]]:
    """The page's commands with these words in them, after `.venv/bin/python`."""
    return [shlex.split(line, comments=True)[1:] for line in COMMANDS if about in line]


def run(kit: Path, *arguments: str) -> str:
    """What Python prints in the copy. With -m and -c its own modules come first, before those of this kit."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST"))}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=kit, env=outside, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def practice(kit: Path) -> str:
    """What the coach says of the solutions and gives as a hint, by the page's commands; then, of the stubs."""
    every = [command[2:] for command in commands("tests.coach")] + [["test"]]
    code = f"from tests.coach import cli as coach\nfor command in {every}: coach.main(command)"
    return run(kit, "-c", f"{code}\nprint(coach.__file__)")


def test_it_is_the_copy_that_runs(kit: Path, practice: str) -> None:
    assert practice.endswith(f"{kit}/tests/coach/cli.py\n")


def test_its_solution_gets_all_points_and_its_stub_none(kit: Path, practice: str) -> None:
    said = " ".join(practice.split())
    assert "✓ Exercise 6 · Evaluation done 10 / 10 ✓ The workflow, from data to file done" in said
    assert "All 110 points: your workflow is complete" in said
    assert "○ Exercise 6 · Evaluation not started 0 / 10 ○ The workflow" in said
    stub = (kit / "exercises" / "ex6_evaluation.py").read_text(encoding="utf-8")
    assert stub.count("raise NotImplementedError()") == 1


def test_its_hint_comes(practice: str) -> None:
    assert "`mean_absolute_error`, hint 1 of 3\n  One prediction is 2 too high" in practice


def test_the_graders_see_it_too(kit: Path) -> None:
    (command,) = commands("grading grade")
    said = run(kit, *command)
    assert "Isolation: bubblewrap" in said
    assert re.search(r"✓ Exercise 6 · Evaluation +done +10 / 10\n", said)
    assert said.endswith("Score: 110 / 110\n")


def test_the_kit_s_own_tests_hold_it(kit: Path) -> None:
    """The arrows and the hints; the page's mistake, variant and attack, on secret numbers too. (No course: that is slow.)"""
    (command,) = commands("pytest")
    files = [f"grading/tests/test_{name}.py" for name in ("arrows", "attacks", "corpus", "stubs")]
    options = ["-v", "-p", "no:cacheprovider", "-k", f"({command[-1]}) and not course"]
    passed = re.findall(
        r"::(test_\w+)\[(?:.*[/-])?(\w+)(?:\.py)?\] PASSED", run(kit, *command[:2], *files, *options)
    )
    assert {
        ("test_the_harness_knows_no_expected_value", "evaluation"),
        ("test_verdicts_see_observations_only", "test_ex6_evaluation"),
        ("test_exercises_need_torch_and_matplotlib_only", "ex6_evaluation"),
        ("test_mistake", "evaluation_signs_kept"),
        ("test_variant", "evaluation_by_hand"),
        ("test_an_attack_is_worth_its_honest_part", "evaluation_by_heart"),
        ("test_stubs_are_in_step", "ex6_evaluation"),
        ("test_every_function_has_three_short_hints", "ex6"),
    } <= set(passed)


def test_its_style_is_the_kit_s(kit: Path) -> None:
    files = {name for _, name, _ in STEPS if name.endswith(".py")}
    run(kit, "-m", "ruff", "check", "--quiet", *files)
    run(kit, "-m", "ruff", "format", "--check", "--quiet", *files)


def test_the_page_can_be_read_in_one_go() -> None:
    assert len(PAGE.splitlines()) <= 200
