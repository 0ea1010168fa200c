"""Runs of the suite beside `make watch`, each in a process of its own that can be stopped at any time.

Where processes can be forked they come from one that has PyTorch loaded; elsewhere (Windows) each starts anew.
"""

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from tests.coach.commands import command
from tests.coach.report import TestResult
from tests.coach.suite import Told

FORKS = "forkserver" in multiprocessing.get_all_start_methods()
_processes: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")
if FORKS:
    _processes.set_forkserver_preload(["tests.coach.warm"])


class Ran(msgspec.Struct):
    """What came of a run."""

    results: dict[str, TestResult]  # by nodeid
    told: Told


class Run:
    """A run that has begun. done(run, what came of it, or why nothing did) is called from a thread."""

    def __init__(
        self, tree: Path, known: Mapping[str, TestResult], done: Callable[["Run", Ran | str], None]
    ) -> None:
        """known: results, by nodeid, that still hold; those tests aren't run."""
        self._answer, theirs = _processes.Pipe(duplex=False)
        # Who is killed does not clean up.
        self._folder = tempfile.TemporaryDirectory(prefix="pytorch-workflow-", ignore_cleanup_errors=True)
        arguments = (theirs, str(tree), msgspec.msgpack.encode(known), self._folder.name)
        # A daemon: Python kills it when it ends itself.
        self._process = _processes.Process(target=_run, args=arguments, daemon=True)
        with _no_interrupts():
            self._process.start()
        theirs.close()
        threading.Thread(target=self._wait, args=(done,), daemon=True).start()

    def _wait(self, done: Callable[["Run", Ran | str], None]) -> None:
        answer: Ran | str = ""
        with contextlib.suppress(EOFError, OSError, msgspec.DecodeError):
            answer = msgspec.msgpack.decode(self._answer.recv_bytes(), type=Ran | str)
        self._process.join()
        self._folder.cleanup()
        done(self, answer or _ended(self._process.exitcode))

    def stop(self) -> None:
        self._process.kill()


def _ended(status: int) -> str:
    """What it means that there is no answer."""
    if status < 0:  # the number of a signal
        return "Python was killed while it ran your code: was all memory used?"
    return f"Your code ended Python itself, with the status {status}: is there an os._exit(…)?"


def _run(answer: Connection, tree: str, known: bytes, folder: str) -> None:
    """In the new process."""
    with open(os.devnull, "r+b") as nowhere:
        for stream in (0, 1, 2):  # the screen is the watcher's
            os.dup2(nowhere.fileno(), stream)
    tempfile.tempdir = folder
    from tests.coach.run import judge
    from tests.coach.suite import Practice, Suite

    suite = Suite(Practice(Path(tree)), msgspec.msgpack.decode(known, type=dict[str, TestResult]))
    try:
        judge([suite])
    except KeyboardInterrupt:  # nobody typed it: a debugger found nobody there
        ran: Ran | str = f"breakpoint() needs you to type. It works with {command('test')}, not in here."
    else:
        ran = Ran(suite.results, suite.told())
    answer.send_bytes(msgspec.msgpack.encode(ran))


@contextlib.contextmanager
def _no_interrupts() -> Iterator[None]:
    """Ctrl-C is meant for the watcher: what is started in here does not feel it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
