"""The arrows of the design hold: who imports whom, and that no expected value reaches the student's side."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERDICTS = ("tests/oracle.py", "tests/plots.py", "tests/lines.py", "tests/loops.py", "tests/echoes.py")
OURS = ("tests", "grading", "solutions", "exercises")


def imports(file: Path) -> set[str]:
    """Every module that a file imports, at any depth, by its full name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are written in full here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(file: Path) -> set[str]:
    return {name for name in imports(file) if name.split(".")[0] in OURS}


def files(*patterns: str) -> list[Path]:
    found = [file for pattern in patterns for file in sorted(ROOT.glob(pattern))]
    assert found
    return found


@pytest.mark.parametrize("file", files("tests/harness/*.py"), ids=str)
def test_the_harness_knows_no_expected_value(file: Path) -> None:
    assert all(name.startswith(("tests.harness", "tests.limits")) for name in ours(file) - {"tests.limits"})


@pytest.mark.parametrize("file", files("tests/test_*.py", *VERDICTS), ids=str)
def test_verdicts_see_observations_only(file: Path) -> None:
    helpers = tuple(f"tests.{Path(helper).stem}" for helper in VERDICTS)
    allowed = ("tests.harness.given", "tests.harness.observations", *helpers)
    assert all(name.startswith(allowed) or name == "tests.oracle" for name in ours(file))
    assert not any(name.split(".")[0] == "torch" for name in imports(file)), "a verdict needs no torch"


@pytest.mark.parametrize("file", files("tests/coach/*.py", "tests/conftest.py"), ids=str)
def test_the_coach_stands_on_the_harness(file: Path) -> None:
    imported = ours(file) - ({"tests.echoes"} if file.name == "conftest.py" else set())
    assert all(name.startswith(("tests.coach", "tests.harness", "tests.limits")) for name in imported)


@pytest.mark.parametrize("file", files("grading/*.py"), ids=str)
def test_grading_stands_on_the_coach(file: Path) -> None:
    assert not any(name.startswith("exercises") for name in ours(file))


@pytest.mark.parametrize("file", files("solutions/*.py", "exercises/*.py"), ids=str)
def test_exercises_need_torch_and_matplotlib_only(file: Path) -> None:
    assert {name.split(".")[0] for name in imports(file)} <= {"torch", "matplotlib", "pathlib"}


def test_judging_needs_no_torch() -> None:
    """The process that decides a mark can do without torch, and without the student's side of the harness."""
    import subprocess
    import sys

    code = "import sys, tests.coach.run, tests.conftest, tests.oracle; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
