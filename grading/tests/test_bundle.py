"""What is handed out: no solution and no grader gets to students, and what they get works as it does here."""

import ast
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from grading import bundle, cli
from grading.tests import corpus

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
COMMIT = "0123456789" * 4
KIT = f"teachers/kit@{COMMIT}"
SHORT = 12  # characters without spaces: a line with fewer says nothing that the docstrings do not
# Lines of solutions that hints, messages and the harness say too: names of tools, not what is done with them.
SAID = """
model.train()
model.eval()
optimizer.zero_grad()
optimizer.step()
super().__init__()
with torch.inference_mode():
_, ax = plt.subplots()
model = model_class()
path = Path(path)
"""


@pytest.fixture(scope="module")
def made() -> bundle.Files:
    return bundle.for_students()


def squeezed(text: str) -> str:
    return "".join(text.split())


def solution_lines() -> set[str]:
    """The lines of all solutions, without spaces, but for those that a student is told."""
    regions = [
        re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", file.read_text(encoding="utf-8"), re.DOTALL)
        for file in corpus.SOLUTIONS.glob("ex*.py")
    ]
    lines = {squeezed(line) for of_file in regions for region in of_file for line in region.splitlines()}
    said = {squeezed(line) for line in SAID.splitlines()}
    assert said - {""} <= lines, "a line of SAID is in no solution any more"
    return {line for line in lines - said if len(line) >= SHORT}


def test_no_line_of_a_solution_is_handed_out(made: bundle.Files) -> None:
    told = squeezed("".join(text.decode() for name, text in made.items() if "/tests/stubs/" in name))
    lines = {line for line in solution_lines() if line not in told}
    assert len(lines) > 40
    shown = [(name, line) for name, text in made.items() for line in lines if line in squeezed(text.decode())]
    assert shown == []


def test_what_is_handed_out(made: bundle.Files) -> None:
    assert {name.split("/")[0] for name in made} == {"pytorch-workflow"}
    top = {name.split("/")[1] for name in made}
    assert top == {*(name.split("/")[0] for name in bundle.SHARED), "README.md", "exercises", "tests"}
    # The stubs, whatever the instructor has written into exercises/:
    for folder in "exercises", "tests/stubs":
        prefix = f"pytorch-workflow/{folder}/"
        found = {name.removeprefix(prefix): text for name, text in made.items() if name.startswith(prefix)}
        assert found == {file.name: file.read_bytes() for file in (ROOT / "tests" / "stubs").glob("*.py")}
    assert made["pytorch-workflow/README.md"] == (ROOT / "exercises" / "README.md").read_bytes()


def test_nothing_in_it_imports_graders_or_solutions(made: bundle.Files) -> None:
    for name, source in made.items():
        for node in ast.walk(ast.parse(source)) if name.endswith(".py") else ():
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {imported.split(".")[0] for imported in names} & {"grading", "solutions"}, name


def test_the_same_kit_gives_the_same_bytes(made: bundle.Files, tmp_path: Path) -> None:
    for folder in "first", "second":
        bundle.write(tmp_path / folder / "kit.zip", dict(sorted(made.items(), reverse=folder == "second")))
    first, second = sorted(tmp_path.glob("*/*"))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {stat.S_IFREG | 0o644}
        assert {entry.date_time for entry in archive.infolist()} == {bundle.TIME}


# In a student's hands


@pytest.fixture(scope="module")
def unpacked(made: bundle.Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle in a folder of its own, where all that it needs is installed already."""
    folder = tmp_path_factory.mktemp("meine Übungen")
    with zipfile.ZipFile(io.BytesIO(bundle.zipped(made))) as archive:
        archive.extractall(folder)
    environment = folder / bundle.TOP / ".venv"
    environment.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environment / name).symlink_to(Path(sys.prefix) / name)
    (environment / "student").touch()
    return folder / bundle.TOP


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`make` as a student types it, not as a part of `make check`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment = inherited | {"COLUMNS": "100"}
    return subprocess.run(["make", *words], cwd=folder, env=environment, capture_output=True, text=True)


def test_it_works_as_here(unpacked: Path) -> None:
    said = make(unpacked)
    assert said.stdout == (GOLDEN / "stubs.txt").read_text(encoding="utf-8"), said.stderr
    assert said.returncode == 2, "not everything is done"
    assert "`pick_device`, hint 1 of 3" in make(unpacked, "hint", "EX=1").stdout
    state = json.loads((unpacked / ".coach" / "state.json").read_bytes())
    assert state["hints_shown"] == {"pick_device": 1}, "remembered in the bundle, not in the kit"


def test_another_folder_is_judged(unpacked: Path) -> None:
    corpus.write(unpacked / "my second try")
    done = make(unpacked, "test", "TREE=my second try", "JSON=report.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((unpacked / "report.json").read_bytes())["score"] == 100


def test_an_exercise_can_be_reset(unpacked: Path) -> None:
    file = unpacked / "exercises" / "ex2_model.py"
    stub = file.read_bytes()
    file.write_bytes(b"# my work\n")
    assert make(unpacked, "reset", "EX=2").returncode == 0
    assert file.read_bytes() == stub


@pytest.mark.parametrize("target", ["instructor", "bundle", "check", "stubs", "golden", "bench", "system"])
def test_the_graders_targets_are_not_there(unpacked: Path, target: str) -> None:
    said = make(unpacked, "--dry-run", target)
    assert said.returncode == 2
    assert "No rule to make target" in said.stderr


# With a workflow


@pytest.mark.parametrize("ci", bundle.CI)
def test_the_workflow_names_the_kit(ci: str, made: bundle.Files, tmp_path: Path) -> None:
    files = bundle.for_students(ci, KIT)
    text = files.pop(f"pytorch-workflow/{bundle.CI[ci][1]}").decode()
    readme = "pytorch-workflow/README.md"
    assert files.pop(readme).startswith(made[readme] + b"\n## When you push\n")
    assert files == {name: content for name, content in made.items() if name != readme}
    assert COMMIT in text and "teachers/kit" in text
    assert not re.search("KIT_(REPOSITORY|COMMIT)", text)
    yaml.safe_load(text)
    file = tmp_path / "workflow.yml"
    file.write_text(text, encoding="utf-8")
    schema = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}[ci]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A repository with one commit in it, at tmp_path: call it to run git there."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:  # as set inside a git hook
        monkeypatch.delenv(name)
    identity = ["-c", "user.name=kit", "-c", "user.email=kit@localhost", "-c", "commit.gpgsign=false"]

    def run(*words: str) -> str:
        command = ["git", *identity, *words]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    run("init")
    (tmp_path / "grading").mkdir()
    (tmp_path / "grading" / "grade.py").write_text("pass\n")
    run("add", ".")
    run("commit", "-m", "the kit")
    return run


@pytest.mark.parametrize(
    ("ci", "origin", "repository"),
    [
        ("github", "git@github.com:teachers/kit.git", "teachers/kit"),
        ("github", "https://github.com/teachers/kit", "teachers/kit"),
        ("github", "https://token@github.com/teachers/kit.git", "teachers/kit"),
        ("github", "ssh://git@github.com:22/teachers/kit.git/", "teachers/kit"),
        ("gitlab", "git@gitlab.com:teachers/courses/kit.git", "teachers/courses/kit"),
    ],
)
def test_git_says_where_the_kit_is(
    git: Callable[..., str], tmp_path: Path, ci: str, origin: str, repository: str
) -> None:
    git("remote", "add", "origin", origin)
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert bundle.kit_of(tmp_path, ci) == (repository, git("rev-parse", "HEAD"))


def test_a_kit_that_ci_cannot_fetch_is_told(git: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(bundle.NotWritten, match="Give it a remote `origin`, or name the kit: make bundle"):
        bundle.kit_of(tmp_path, "github")
    git("remote", "add", "origin", "")
    for nowhere in "/srv/git/kit.git", "../../git/kit", "file:///srv/git/kit.git":
        git("remote", "set-url", "origin", nowhere)
        with pytest.raises(bundle.NotWritten, match="CI can't fetch from there"):
            bundle.kit_of(tmp_path, "github")
    git("remote", "set-url", "origin", "git@github.com:teachers/kit.git")
    with pytest.raises(bundle.NotWritten, match="is not pushed"):
        bundle.kit_of(tmp_path, "github")
    with pytest.raises(bundle.NotWritten, match=r"origin is github\.com"):
        bundle.kit_of(tmp_path, "gitlab")
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    (tmp_path / "README.md").write_text("not graded with")
    bundle.kit_of(tmp_path, "github")
    (tmp_path / "grading" / "new.py").write_text("pass\n")
    with pytest.raises(bundle.NotWritten, match="changes"):
        bundle.kit_of(tmp_path, "github")
    with pytest.raises(bundle.NotWritten, match="git does not say"):
        bundle.kit_of(tmp_path / "grading", "github")
    shutil.rmtree(tmp_path / ".git")
    with pytest.raises(bundle.NotWritten, match="git does not say"):
        bundle.kit_of(tmp_path, "github")


# The commands


def run(*words: str) -> str:
    """What the command prints; when it fails, with exit status 2, the error, which is one line."""
    result = CliRunner().invoke(cli.app, words)
    if result.exit_code:
        assert result.exit_code == 2, result.output
        assert result.stderr.count("\n") == 1, result.stderr
        assert result.stdout == ""
    return result.output


def test_the_command_says_what_it_wrote(tmp_path: Path, made: bundle.Files) -> None:
    first, then = run("bundle", "--out", str(tmp_path / "new")).splitlines()
    file = tmp_path / "new" / "pytorch-workflow.zip"
    assert first.startswith(f"Written: {file}, {len(made)} files, ")
    assert "make test" in then
    assert file.read_bytes() == bundle.zipped(made)


def test_mistyped(tmp_path: Path) -> None:
    assert "WITH_CI=gitea" in run("bundle", "--with-ci", "gitea")
    assert "needs --with-ci" in run("bundle", "--kit", KIT)
    assert "all 40 digits" in run("bundle", "--with-ci", "github", "--kit", "teachers/kit@main")
    (tmp_path / "file").touch()
    assert "Not a directory" in run("bundle", "--out", str(tmp_path / "file" / "dist"))
    assert "can't be read" in run("gradescope", "--secret-file", str(tmp_path / "none"))


# For Gradescope

# CI services install what students need, and typer.
WITHOUT_THE_INSTRUCTORS_TOOLS = f"""
import runpy, sys
sys.path = [folder for folder in sys.path if folder != {str(ROOT)!r}]
sys.modules |= dict.fromkeys(("nbgrader", "nbformat", "nbconvert", "jupytext", "jinja2"))
sys.argv[:1] = []
runpy.run_module("grading", run_name="__main__", alter_sys=True)
"""


def test_the_autograder_grades_on_its_own(tmp_path: Path) -> None:
    key = tmp_path / "course.key"
    key.write_text("a key that only exists in this test\n")
    assert "show it to nobody" in run("gradescope", "--secret-file", str(key), "--out", str(tmp_path))
    file = tmp_path / "gradescope.zip"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "the key is in it"
    with zipfile.ZipFile(file) as archive:
        modes = {entry.filename: stat.S_IMODE(entry.external_attr >> 16) for entry in archive.infolist()}
        archive.extractall(tmp_path / "source")
    assert (modes["setup.sh"], modes["run_autograder"], modes["course.key"]) == (0o755, 0o755, 0o600)
    left_out = ("kit/solutions", "kit/exercises", "kit/grading/tests", "kit/grading/ci/g")
    assert not any(name.startswith(left_out) for name in modes)
    assert modes["kit/grading/ci/install.sh"] == 0o755
    corpus.write(tmp_path / "student_17")
    grade = ["grading", "grade", str(tmp_path / "student_17"), "--format", "gradescope", "--student", "17"]
    grade += ["--secret-file", str(tmp_path / "source" / "course.key")]
    command = [sys.executable, "-c", WITHOUT_THE_INSTRUCTORS_TOOLS, *grade]
    done = subprocess.run(command, cwd=tmp_path / "source" / "kit", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["score"] == 100
