"""The kit's commands in a fork of this process, which has long since imported what they need.

For tests of what a command does. That it starts from nothing, and what it has in its environment then, others show.
"""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 900

Main = Callable[[], object]


def grading(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`python -m grading …`"""
    from grading.cli import main

    return forked(main, ["grading", *map(str, arguments)], ROOT, **environment)


def nbgrader(folder: Path, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`nbgrader …`, in this folder."""
    from nbgrader.apps.nbgraderapp import NbGraderApp

    return forked(NbGraderApp.launch_instance, ["nbgrader", *map(str, arguments)], folder, **environment)


def forked(
    main: Main, command: Sequence[str], folder: Path, encoding: str = "utf-8", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """What `main` prints and its exit status, for a `sys.argv`. encoding: of the terminal."""
    with contextlib.ExitStack() as stack:
        out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))

        def run() -> None:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.stdout, sys.stderr = (
                open(fd, "w", encoding=encoding, closefd=False)  # noqa: SIM115
                for fd in (1, 2)
            )
            sys.argv = [*command]
            os.environ.update(environment)
            os.chdir(folder)
            sys.exit(main())  # type: ignore[arg-type]

        child = multiprocessing.get_context("fork").Process(target=run)
        child.start()
        child.join(MOST_SECONDS)
        if child.exitcode is None:
            child.kill()
            raise TimeoutError(f"{command} has not ended after {MOST_SECONDS} seconds")
        for file in (out, err):
            file.seek(0)
        said, errors = out.read().decode(encoding), err.read().decode(encoding)
    return subprocess.CompletedProcess(command, child.exitcode, said, errors)
