"""The stubs are their solutions without the solving, and no work of anyone is ever overwritten."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jupytext  # type: ignore[import-untyped]
import pytest

from grading import stubs
from grading.course.source import released_files

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = sorted((ROOT / "solutions").glob("*.py"))
EXERCISES = {path.name: path for path in (ROOT / "exercises").glob("*.py")}
COPIES = {path.name: path for path in (ROOT / "tests" / "stubs").glob("*.py")}  # for `make reset`
CURRICULUM: list[dict[str, Any]] = tomllib.loads((ROOT / "tests/curriculum.toml").read_text("utf-8"))[
    "exercise"
]

each_solution = pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def solution_lines(source: str) -> list[str]:
    """What stands between the fences, without the indentation."""
    lines, inside = [], False
    for line in map(str.strip, source.splitlines()):
        if line in ("### BEGIN SOLUTION", "### END SOLUTION"):
            inside = line == "### BEGIN SOLUTION"
        elif inside and line:
            lines.append(line)
    return lines


# What the stubs hold


def test_there_is_a_stub_for_each_solution() -> None:
    assert sorted(EXERCISES) == sorted(COPIES) == [path.name for path in SOLUTIONS]
    assert len(SOLUTIONS) == 5


@each_solution
def test_stubs_are_in_step(solution: Path) -> None:
    for stub in (EXERCISES[solution.name], COPIES[solution.name]):
        assert stub.read_bytes() == stubs.stub(text(solution)).encode(), "run: make stubs"


@each_solution
def test_a_solution_is_stable_as_a_notebook(solution: Path) -> None:
    notebook = jupytext.reads(text(solution), fmt="py:percent")
    notebook.metadata["jupytext"] = {"notebook_metadata_filter": "-all"}
    assert jupytext.writes(notebook, fmt="py:percent") == text(solution)


@each_solution
def test_only_the_bodies_of_functions_are_gone(solution: Path) -> None:
    def without_bodies(source: str) -> str:
        tree = ast.parse(source)
        for function in functions(tree):
            assert ast.get_docstring(function), function.name
            function.body = function.body[:1]
        return ast.dump(tree)

    assert without_bodies(text(EXERCISES[solution.name])) == without_bodies(text(solution))


@each_solution
def test_every_body_raises_not_implemented(solution: Path) -> None:
    for function in functions(ast.parse(text(EXERCISES[solution.name]))):
        body = [ast.unparse(statement) for statement in function.body[1:]]
        assert body == ["raise NotImplementedError()"], function.name


@each_solution
def test_no_line_of_a_solution_shows_in_its_stub(solution: Path) -> None:
    stub = text(EXERCISES[solution.name])
    # Shorter lines, such as "return X, y", say nothing that the docstring does not.
    shown = [line for line in solution_lines(text(solution)) if len(line) > 11 and line in stub]
    assert shown == []


def test_no_stub_is_handed_out_beside_a_notebook() -> None:
    released = {path.relative_to(ROOT).as_posix() for path in released_files()}
    assert {"tests/curriculum.toml", "tests/coach/notebook.py", "tests/test_ex1_dataset.py"} <= released
    assert not [name for name in released if "/stubs/" in name or "__pycache__" in name]


def test_a_region_outside_of_solutions_stays() -> None:
    source = "# %%\nx = 1\n\n# %%\ny = 2\n### BEGIN SOLUTION\nz = 3\n### END SOLUTION\n"
    assert stubs.stub(source) == "# %%\nx = 1\n\n# %%\ny = 2\n# YOUR CODE HERE\nraise NotImplementedError()\n"


# What `python -m grading.stubs` overwrites


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stubs, their sources and the command, outside of any repository."""
    for folder in ("exercises", "solutions", "tests/stubs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "grading").mkdir()
    for name in ("__init__.py", "stubs.py"):
        shutil.copy(ROOT / "grading" / name, tmp_path / "grading")
    # Inside a git hook these point at the repository of the hook.
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(stubs, "ROOT", tmp_path)
    return tmp_path


def contents(copy: Path, folder: str = "exercises") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (copy / folder).iterdir() if path.is_file()}


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=kit", "-c", "user.email=kit@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_the_command_restores_a_deleted_stub(copy: Path) -> None:
    before = contents(copy)
    (copy / "exercises/ex2_model.py").unlink()
    done = subprocess.run([sys.executable, "-m", "grading.stubs"], cwd=copy, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert contents(copy) == before


# The last one is what an editor set to Latin-1 leaves behind: not even readable as UTF-8.
@pytest.mark.parametrize("work", [b"# mine\n", b"", "# caf\xe9\n".encode("latin-1")])
def test_an_edited_stub_is_never_overwritten(
    copy: Path, capsys: pytest.CaptureFixture[str], work: bytes
) -> None:
    (copy / "exercises/ex3_training.py").write_bytes(work)
    (copy / "exercises/ex1_dataset.py").unlink()
    before = contents(copy)
    assert stubs.main([]) == 2
    assert contents(copy) == before, "all or nothing: the deleted one is not restored either"
    error = capsys.readouterr().err
    assert error.startswith("exercises/ex3_training.py: edited") and error.count("\n") == 1


def test_the_copies_for_reset_are_always_written(copy: Path) -> None:
    """Nobody works in tests/stubs, and an edited exercise is no reason to leave them as they are."""
    before = contents(copy, "tests/stubs")
    for file in (copy / "tests/stubs/ex2_model.py", copy / "exercises/ex3_training.py"):
        file.write_bytes(b"# mine\n")
    (copy / "tests/stubs/ex1_dataset.py").unlink()
    assert stubs.main([]) == 2
    assert contents(copy, "tests/stubs") == before
    shutil.rmtree(copy / "tests")
    (copy / "exercises/ex3_training.py").unlink()
    assert stubs.main([]) == 0
    assert contents(copy, "tests/stubs") == before


def test_a_committed_stub_follows_its_solution(copy: Path) -> None:
    git(copy, "init")
    git(copy, "add", "exercises")
    git(copy, "commit", "-m", "stubs")
    solution, exercise = copy / "solutions/ex2_model.py", copy / "exercises/ex2_model.py"
    solution.write_text(text(solution).replace("The model", "A better title"), encoding="utf-8")
    assert stubs.main(["--check"]) == 1
    assert stubs.main([]) == 0
    assert "A better title" in text(exercise)
    exercise.write_text(text(exercise) + "# mine\n", encoding="utf-8")
    assert stubs.main([]) == 2


def test_check_names_what_drifted(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stubs.main(["--check"]) == 0
    (copy / "exercises/ex4_predictions.py").write_text("# mine\n")
    (copy / "exercises/ex5_persistence.py").unlink()
    (copy / "tests/stubs/ex1_dataset.py").unlink()
    before = contents(copy)
    assert stubs.main(["--check"]) == 1
    drifted = "exercises/ex4_predictions.py, exercises/ex5_persistence.py, tests/stubs/ex1_dataset.py"
    assert drifted in capsys.readouterr().out
    assert contents(copy) == before


# The hints that go with the stubs


def test_the_curriculum_is_in_order_and_worth_100_points() -> None:
    assert [exercise["id"] for exercise in CURRICULUM] == ["ex1", "ex2", "ex3", "ex4", "ex5", "workflow"]
    assert [exercise["points"] for exercise in CURRICULUM] == [20, 15, 25, 15, 15, 10]
    assert [exercise["file"] for exercise in CURRICULUM[:5]] == [path.name for path in SOLUTIONS]


@pytest.mark.parametrize("exercise", CURRICULUM, ids=lambda exercise: exercise["id"])
def test_every_function_has_three_short_hints(exercise: dict[str, Any]) -> None:
    if "file" in exercise:
        public = [
            node.name
            for node in ast.parse(text(ROOT / "solutions" / exercise["file"])).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        ]
    else:
        public = ["workflow"]
    assert list(exercise["hints"]) == public
    for hints in exercise["hints"].values():
        assert len(set(hints)) == 3
        assert all(hint.strip() and len(hint.splitlines()) <= 3 for hint in hints)
    assert all(page["title"] and page["url"].startswith("https://") for page in exercise["reading"])


@pytest.mark.parametrize("exercise", CURRICULUM[:5], ids=lambda exercise: exercise["id"])
def test_no_hint_gives_a_whole_body_away(exercise: dict[str, Any]) -> None:
    source = text(ROOT / "solutions" / exercise["file"])
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            shown = "\n".join(exercise["hints"][node.name])
            body = solution_lines(ast.get_source_segment(source, node) or "")
            assert any(line not in shown for line in body), node.name
