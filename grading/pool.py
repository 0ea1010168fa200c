"""Grade many submissions at once, in processes of their own that share one warm helper."""

import contextlib
import queue
import socket
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor

from grading import wire
from grading.jail import ROOT, Isolation
from grading.submissions import Submission
from grading.warm import CannotGrade, Helper
from grading.worker import Graded, Setting, Task


class Pool:
    """`jobs` grading processes, until it is closed."""

    def __init__(self, jobs: int, isolation: Isolation, key: bytes | None, pictures: bool = False) -> None:
        self.jobs = jobs
        self._helper = Helper(isolation)
        self._setting = Setting(key, pictures)
        self._threads = ThreadPoolExecutor(jobs)
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for _ in range(jobs):
            self._idle.put(_Worker(self._helper, self._setting))

    def close(self) -> None:
        """End all processes, once what they are doing is done."""
        self._threads.shutdown(cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().close()
        self._helper.close()

    def wait_until_ready(self) -> None:
        """Raises CannotGrade where there can be no jail."""
        self._helper.wait_until_ready()

    def start(self, submission: Submission, student: str) -> "Future[Graded]":
        """Grade a submission when its turn comes. The result has a report: otherwise it is a CannotGrade."""
        return self._threads.submit(self._grade, Task(submission, student))

    def _grade(self, task: Task) -> Graded:
        worker = self._idle.get()
        try:
            for attempt in (1, 2):
                try:
                    graded = worker.grade(task)
                    break
                except (EOFError, OSError):  # it has died: if that is this submission's doing, it will again
                    worker.close()
                    worker = _Worker(self._helper, self._setting)
                    if attempt == 2:
                        raise CannotGrade(
                            f"The grader died twice over the submission of {task.student!r}."
                        ) from None
        finally:
            self._idle.put(worker)
        if graded.trouble:
            raise CannotGrade(graded.trouble)
        return graded


class _Worker:
    """The near end of a `grading.worker`."""

    def __init__(self, helper: Helper, setting: Setting) -> None:
        self._connection, theirs = socket.socketpair()
        ends = theirs.fileno(), helper.control.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grading.worker", *map(str, ends), helper.isolation],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=ends,
            start_new_session=True,  # Ctrl-C is for the one who started the pool
        )
        theirs.close()
        self._connection.sendall(wire.pack(setting))

    def grade(self, task: Task) -> Graded:
        """Raises EOFError or OSError when the process is gone."""
        self._connection.sendall(wire.pack(task))
        return wire.receive(self._connection, Graded, wire.TASK_BYTES)

    def close(self) -> None:
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._process.kill()
        self._process.wait()
