"""Grade many submissions at once, in processes of their own that share one warm helper."""

import contextlib
import queue
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from grading import wire
from grading.jail import ROOT, Isolation
from grading.submissions import Submission
from grading.warm import CannotGrade, Helper
from grading.worker import Graded, Setting, Task
from tests.harness.given import Given


class NoGraders(CannotGrade):
    """There will be no marks any more, whatever is handed in next."""


class Pool:
    """`jobs` grading processes, until it is closed. A grader or a helper that dies is replaced."""

    def __init__(self, jobs: int, isolation: Isolation, key: bytes | None, pictures: bool = False) -> None:
        self.jobs = jobs
        self._isolation = isolation
        self._setting = Setting(key, pictures)
        self._threads = ThreadPoolExecutor(jobs)
        self._changing = threading.Lock()  # held to change what follows
        self._closed = False
        self._helper = Helper(isolation)
        self._graders = [_Grader(self._helper, self._setting) for _ in range(jobs)]
        self._idle: queue.SimpleQueue[_Grader] = queue.SimpleQueue()
        for grader in self._graders:
            self._idle.put(grader)

    @property
    def room(self) -> int:
        """How many submissions it may be given at a time, so that none of its processes has to wait."""
        return 2 * self.jobs

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        with self._changing:
            self._closed = True
            graders, helper = list(self._graders), self._helper
        for grader in graders:
            grader.end()
        self._threads.shutdown(cancel_futures=True)
        helper.close()

    def wait_until_ready(self) -> None:
        """Raises CannotGrade where there can be no jail."""
        self._helper.wait_until_ready()

    def start(self, submission: Submission, student: str, given: Given | None = None) -> "Future[Graded]":
        """Grade a submission when its turn comes: on these numbers, or else on those of the key and the student.

        The result has a report. Otherwise the future raises CannotGrade; NoGraders when no other will fare better.
        """
        return self._threads.submit(self._grade, Task(submission, student, given))

    def _grade(self, task: Task) -> Graded:
        grader = self._idle.get()
        try:
            for _ in range(2):  # if it dies, and that is this submission's doing, it will again
                with contextlib.suppress(EOFError, OSError):
                    graded = grader.grade(task)
                    if graded.report or not grader.helper.died(within_s=1.0):
                        break
                grader = self._replaced(grader)
            else:
                raise CannotGrade(f"The grader died twice over the submission of {task.student!r}.")
        finally:
            self._idle.put(grader)
        if graded.trouble:
            raise CannotGrade(graded.trouble)
        return graded

    def _replaced(self, grader: "_Grader") -> "_Grader":
        """A fresh grader for one that has died, or whose helper has."""
        grader.end()
        with self._changing:
            if self._closed:
                raise NoGraders("the graders have been stopped")
            if grader.helper is self._helper and self._helper.died():
                dead, self._helper = self._helper, Helper(self._isolation)
                dead.close()
                try:
                    self._helper.wait_until_ready()
                except CannotGrade as error:
                    raise NoGraders(str(error)) from None
            self._graders.remove(grader)
            self._graders.append(_Grader(self._helper, self._setting))
            return self._graders[-1]


class _Grader:
    """The near end of a `grading.worker`."""

    def __init__(self, helper: Helper, setting: Setting) -> None:
        self.helper = helper
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
        with contextlib.suppress(OSError):  # it is gone: the first task will tell
            self._connection.sendall(wire.pack(setting))

    def grade(self, task: Task) -> Graded:
        """Raises EOFError or OSError when the process is gone."""
        self._connection.sendall(wire.pack(task))
        return wire.receive(self._connection, Graded, wire.TASK_BYTES)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # wakes who waits for an answer
        self._connection.close()
