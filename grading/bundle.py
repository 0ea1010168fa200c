"""What is handed out, as zip: the students' copy of the kit, and the autograder for Gradescope.

The students' copy holds no solution and no grader. The same kit gives the same bytes: the files are sorted,
their times are fixed, and they are stored as they are: zlib's versions differ in what they make of them.
"""

import contextlib
import io
import os
import re
import stat
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

from grading.jail import ROOT

TOP = "pytorch-workflow"  # the one folder in the students' zip
TIME = (2000, 1, 1, 0, 0, 0)  # older than any virtual environment that `make` compares it with
README = "exercises/README.md"  # the students' page: in their copy it stands at the top
SHARED = (
    "LICENSE",
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
    ".gitignore",
    ".devcontainer/devcontainer.json",
)
CI = {  # template -> where the service looks for it
    "github": ("grading/ci/github/grade.yml", ".github/workflows/grade.yml"),
    "gitlab": ("grading/ci/gitlab/gitlab-ci.yml", ".gitlab-ci.yml"),
}
GRADED_BY = ("grading", "tests", "pyproject.toml", "constraints.txt")  # what a mark depends on
KIT = re.compile(r"([\w.-]+(?:/[\w.-]+)+)@([0-9a-f]{40})")
ORIGIN = re.compile(r"(?:\w+://)?(?:[^@/]+@)?([\w.-]+)(?::\d+)?[:/](\w[\w.-]*(?:/[\w.-]+?)+)(?:\.git)?/?")

NEXT = {  # what to do with the students' zip
    "": f"Give it to your students: they unpack it, and run `make test` in {TOP}/.",
    "github": f"Unpack it, and push what is in {TOP}/ to GitHub as the repository that students copy.",
    "gitlab": f"Unpack it, and push what is in {TOP}/ to GitLab as the project that students fork.",
}
WITH_KEY = "Upload it to Gradescope (Configure Autograder), and show it to nobody: the course key is in it."
WITHOUT_KEY = (
    "Upload it to Gradescope (Configure Autograder). Without --secret-file there are no secret numbers."
)

Files = dict[str, bytes]  # by their paths in the zip


class NotWritten(Exception):
    """There can be no zip. The text says why, and what to do."""


def for_students(ci: str = "", kit: str = "") -> Files:
    """The students' copy; with `ci`, also the workflow that grades a push. Raises NotWritten, OSError."""
    from grading.stubs import fresh_stubs  # takes two seconds: it imports nbgrader

    if ci and ci not in CI:
        raise NotWritten(f"WITH_CI={ci}: there are workflows for {' and '.join(CI)}.")
    if kit and not ci:
        raise NotWritten("--kit says which kit grades in CI: it needs --with-ci github or --with-ci gitlab.")
    files = {name: (ROOT / name).read_bytes() for name in SHARED}
    files["README.md"] = (ROOT / README).read_bytes()
    for name, stub in fresh_stubs().items():  # whatever the instructor has written into exercises/
        files[f"exercises/{name}"] = files[f"tests/stubs/{name}"] = stub
    files |= {str(file.relative_to(ROOT)): file.read_bytes() for file in _tests()}
    if ci:
        template, name = CI[ci]
        files["README.md"] += b"\n" + (ROOT / "grading" / "ci" / ci / "students.md").read_bytes()
        repository, commit = _named(kit, ci) if kit else kit_of(ROOT, ci)
        text = (ROOT / template).read_text(encoding="utf-8")
        files[name] = text.replace("KIT_REPOSITORY", repository).replace("KIT_COMMIT", commit).encode()
    return {f"{TOP}/{name}": content for name, content in files.items()}


def _tests() -> list[Path]:
    from grading.course.source import released_files  # takes a second: it imports jupytext

    return released_files()


def _named(kit: str, ci: str) -> tuple[str, str]:
    """The repository and the commit of --kit. Only GitLab has groups in groups."""
    if (named := KIT.fullmatch(kit)) and (ci == "gitlab" or named[1].count("/") == 1):
        return named[1], named[2]
    raise NotWritten(
        f"KIT={kit}: not OWNER/REPOSITORY@COMMIT, with all 40 digits that `git rev-parse HEAD` prints."
    )


def kit_of(checkout: Path, ci: str) -> tuple[str, str]:
    """The repository and the commit that CI fetches, to grade as this checkout does. Raises NotWritten."""
    name_it = f"or name the kit: make bundle WITH_CI={ci} KIT=owner/repository@$(git rev-parse HEAD)"
    commit = _git(checkout, "rev-parse", "HEAD")
    remote = _git(checkout, "remote", "get-url", "origin")
    if (
        not commit or not remote or _git(checkout, "rev-parse", "--show-prefix")
    ):  # a folder of it can't be fetched
        raise NotWritten(f"git does not say where CI finds this kit. Give it a remote `origin`, {name_it}")
    origin = ORIGIN.fullmatch(remote)
    if not origin:
        raise NotWritten(
            f"This kit's origin is {remote!r}: CI can't fetch from there. Push it to {ci}, {name_it}"
        )
    if any(other in origin[1] for other in CI if other != ci):
        raise NotWritten(
            f"This kit's origin is {origin[1]}: CI fetches from its own server. Push it there, {name_it}"
        )
    if _git(checkout, "status", "--porcelain", "--", *GRADED_BY):
        raise NotWritten(
            f"grading or tests have changes that CI can't fetch. Commit and push them, {name_it}"
        )
    pushed = _git(checkout, "branch", "--remotes", "--contains", commit, "--format=%(refname:lstrip=2)")
    if not any(branch.startswith("origin/") for branch in pushed.splitlines()):
        raise NotWritten(
            f"Commit {commit[:10]} is not pushed to origin, so CI can't fetch it. Push it, {name_it}"
        )
    return origin[2], commit


def _git(checkout: Path, *words: str) -> str:
    """What git prints; empty where git, the repository or what was asked for is missing."""
    try:
        asked = subprocess.run(["git", *words], cwd=checkout, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def for_gradescope(key: bytes | None = None) -> Files:
    """The autograder: its two scripts, and under kit/ what grades. Raises OSError."""
    scripts = ROOT / "grading" / "ci" / "gradescope"
    files = {name: (scripts / name).read_bytes() for name in ("setup.sh", "run_autograder")}
    for file in (*_graders(), *_tests(), ROOT / "pyproject.toml", ROOT / "constraints.txt"):
        files[f"kit/{file.relative_to(ROOT)}"] = file.read_bytes()
    if key:
        files["course.key"] = key
    return files


def _graders() -> Iterator[Path]:
    """What grading runs, and what installs that: without the kit's own tests and the files for other services."""
    for file in sorted((ROOT / "grading").rglob("*")):
        folders = file.relative_to(ROOT / "grading").parts[:-1]
        if file.is_file() and not {"__pycache__", "tests", "ci", "bench"} & set(folders):
            yield file
    yield from (ROOT / "grading" / "ci").glob("*.sh")


def write(file: Path, files: Files, private: bool = False) -> str:
    """Write the zip beside, then rename; what was written, in words. Raises NotWritten."""
    content = zipped(files)
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.touch(0o600 if private else 0o666)
        beside.write_bytes(content)
        beside.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise NotWritten(f"{file}: can't be written ({error.strerror}).") from None
    return f"Written: {file}, {len(files)} files, {len(content) / 1000:.0f} kB."


def zipped(files: Files) -> bytes:
    """The bytes of a zip. What begins with #! may be run, and a course key is for its owner's eyes only."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, TIME)
            entry.create_system = 3  # Unix, where modes mean something
            mode = 0o600 if name == "course.key" else 0o755 if content.startswith(b"#!") else 0o644
            entry.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(entry, content)
    return out.getvalue()
