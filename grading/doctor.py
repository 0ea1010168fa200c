"""`python -m grading doctor`: what this machine offers for grading, tried out, and how to mend what is missing."""

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from grading import kernel
from grading.bubblewrap import NO_BUBBLEWRAP
from grading.jail import Isolation
from grading.submissions import Submission
from grading.warm import CannotGrade, Helper
from tests.coach.suite import ROOT
from tests.harness.given import PRACTICE

Finding = tuple[
    bool | None, str, str
]  # whether it is fine (None: it doesn't matter), what was looked at, what is so


def main() -> int:
    """Print the findings. 0: the default isolation works here, 2: it does not."""
    console = Console(highlight=False, soft_wrap=True)
    for finding in _machine():
        _show(console, *finding)
    works: dict[Isolation, bool] = {}
    for isolation in ("bubblewrap", "process"):
        works[isolation], words = _tried(isolation)
        _show(console, works[isolation], f"--isolation {isolation}", words)
    console.print(f"\n{_conclusion(works)}")
    return 0 if works["bubblewrap"] else 2


def _show(console: Console, fine: bool | None, what: str, words: str) -> None:
    mark = "·" if fine is None else "[green]✓[/]" if fine else "[red]✗[/]"
    first, *more = words.splitlines()
    console.print(f"{mark} {what:<23} {escape(first)}")
    for line in more:
        console.print(f"{'':<26}{escape(line)}")


def _machine() -> Iterator[Finding]:
    yield (
        sys.platform == "linux",
        "system",
        f"{platform.system()} {platform.release()} on {platform.machine()}",
    )
    yield True, "Python", f"{platform.python_version()}, {sys.prefix}"
    yield _bubblewrap()
    version = kernel.landlock_version()
    words = (
        f"version {version}"
        if version
        else "this kernel has none: under --isolation process, permissions alone guard files"
    )
    yield (True if version else None), "Landlock", words


def _bubblewrap() -> Finding:
    if shutil.which("bwrap") is None:
        return False, "bubblewrap", NO_BUBBLEWRAP
    said = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.search(r"(\d+)\.(\d+)", said)
    new = bool(found) and (int(found[1]), int(found[2])) >= (0, 8)  # type: ignore[index]
    return new, "bubblewrap", said if new else f"{said}: 0.8 or newer is needed"


def _tried(isolation: Isolation) -> tuple[bool, str]:
    """Grade the stubs' own folder in such a jail."""
    modules = {file.name: file.read_bytes() for file in Path(ROOT, "exercises").glob("ex*.py")}
    try:
        with Helper(isolation) as helper:
            run = helper.observe(Submission("doctor", None, modules), PRACTICE)
    except CannotGrade as error:
        return False, str(error)
    return True, f"works: {len(run.outcomes)} experiments came back"


def _conclusion(works: dict[Isolation, bool]) -> str:
    if works["bubblewrap"]:
        return "This machine can grade."
    if works["process"]:
        return "This machine can grade with --isolation process only: for a container that is thrown away afterwards."
    return "This machine can't grade. The lines with ✗ say what to mend."
