"""Folders laid out as GitHub, GitLab and Gradescope lay them out, and their scripts run as these run them."""

import base64
import functools
import json
import os
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from grading import bundle
from grading.tests import corpus
from grading.tests.reports import validator
from tests.coach.report import Report

ROOT = Path(__file__).parents[2]
CI = ROOT / "grading" / "ci"
KEY = b"a course key for these tests alone"
MISTAKES = [m for m in corpus.mistakes() if m.name in (
    "is_available_not_called", "step_without_parentheses", "parent_folder_not_made",
)]  # fmt: skip
# What may fool a script: files it could take for its own, modules it could import, commands in what it prints.
ATTACKS = {
    "github": ("type_name_with_commands", "torch_beside", "results_beside"),
    "gitlab": ("tests_beside", "torch_beside", "os_exit_at_import"),
    "gradescope": ("makefile_beside", "results_beside", "tells_the_course_key"),
}
WORKS = ("stubs", "solution", "mistakes", "attacks")


class Ran(NamedTuple):
    """A script that has ended, and the folder in which it has written."""

    status: int
    printed: str
    wrote: Path

    def read(self, name: str) -> str:
        return (self.wrote / name).read_text(encoding="utf-8")

    @property
    def report(self) -> Report:
        return msgspec.json.decode(self.read("report.json"), type=Report)

    @property
    def payload(self) -> Any:
        name, _, value = self.read("output").strip().partition("=")
        assert name == "result"
        content = json.loads(base64.b64decode(value, validate=True))
        validator("classroom").validate(content)
        return content


def attacks(service: str) -> list[corpus.Attack]:
    return [attack for attack in corpus.attacks() if attack.name in ATTACKS[service]]


def hand_in(service: str, work: str, folder: Path) -> Path:
    """A student's repository: the modules in exercises/, and what an attack brings at both places."""
    if work == "stubs":
        shutil.copytree(
            ROOT / "exercises", folder / "exercises", ignore=shutil.ignore_patterns("__pycache__")
        )
    changes: list[corpus.Change] = []
    files: dict[str, str] = {}
    if work == "mistakes":
        changes = [mistake.change for mistake in MISTAKES]
    elif work == "attacks":
        changes = [change for attack in attacks(service) for change in attack.changes]
        files = {name: text for attack in attacks(service) for name, text in attack.files.items()}
    if work != "stubs":
        corpus.write(folder / "exercises", *changes, files=files)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


class Job(NamedTuple):
    """A script to be run as its service runs it."""

    script: Path
    environment: dict[str, str]
    started_in: Path
    writes: Path


def github(root: Path, submission: Path) -> Job:
    out = root / "graded"
    files = {"GITHUB_STEP_SUMMARY": out / "summary", "GITHUB_OUTPUT": out / "output"}
    environment = {"SUBMISSION": str(submission.relative_to(root)), "OUT": str(out), "PYTHON": sys.executable}
    environment |= {name: str(file) for name, file in files.items()}
    return Job(CI / "github" / "grade.sh", environment, root, out)


def gitlab(root: Path, submission: Path) -> Job:
    """Started in the student's folder, where GitLab starts every script: ours leaves it, but need not rely on that."""
    environment = {"CI_PROJECT_DIR": str(submission), "PYTHON": sys.executable}
    return Job(CI / "gitlab" / "grade.sh", environment, submission, submission / ".graded")


def gradescope(root: Path, submission: Path) -> Job:
    """With the zip that `python -m grading gradescope` makes, unpacked."""
    with zipfile.ZipFile(BytesIO(zipped())) as archive:
        archive.extractall(root / "source")
    shutil.copy(root / "source" / "run_autograder", root / "run_autograder")
    (root / "run_autograder").chmod(0o755)
    users = [{"id": 81, "name": "B", "email": "b@x"}, {"id": 17, "name": "A", "email": "a@x"}]
    (root / "submission_metadata.json").write_text(json.dumps({"id": 5, "users": users}))
    (root / "results").mkdir()
    environment = {"AUTOGRADER": str(root), "PYTHON": sys.executable}
    return Job(root / "run_autograder", environment, root, root / "results")


@functools.cache
def zipped() -> bytes:
    return bundle.zipped(bundle.for_gradescope(KEY))


JOBS = {"github": github, "gitlab": gitlab, "gradescope": gradescope}


def lay_out(service: str, work: str, root: Path) -> Job:
    root.mkdir(parents=True, exist_ok=True)
    return JOBS[service](root, hand_in(service, work, root / "submission"))


def run(job: Job, **environment: str) -> Ran:
    job.writes.mkdir(exist_ok=True)
    done = subprocess.run(
        [job.script],
        cwd=job.started_in,
        env={"PATH": os.environ["PATH"]} | job.environment | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Ran(done.returncode, done.stdout + done.stderr, job.writes)
