"""One run of a submission: every exercise in a process of its own, held to its limits from outside.

The supervisor was forked from the warm helper and has stepped into the jail. The student's code runs in its
children, which can't see it. What comes from them is not believed: their answers are passed on as bytes.
"""

import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable

from grading import wire
from grading.jail import Jail, figures, memory
from tests import limits
from tests.harness.notebook import Notebook
from tests.harness.observe import observe
from tests.harness.student import Folder, Student

POLL_SECONDS = 0.02
GRACE_SECONDS = 2.0  # for the harness's own alarm, which knows the student's line, to end an experiment first
TICK = 1 / os.sysconf("SC_CLK_TCK")
PIPE = 3  # the descriptor that a child answers on
CONFINED = b"+"


def supervise(jail: Jail, request: wire.Request, host: socket.socket) -> None:
    """Reply to every experiment of the request, in any order, and then send the End.

    One exercise must not feel another: when the jail isn't as it was, what is left is for a fresh one.
    """
    run = _Run(jail, request, host)
    exercises = deque(request.exercises)
    while exercises:
        left, slow = run.exercise(exercises.popleft())
        if left:  # whoever takes long waits until the others have had their time
            (exercises.append if slow else exercises.appendleft)(left)
        if not jail.as_new():
            break
    run.send(wire.End(tuple(exercises), run.cpu))


class _Run:
    def __init__(self, jail: Jail, request: wire.Request, host: socket.socket) -> None:
        self.cpu = 0.0  # seconds, of the children that have ended
        self._jail = jail
        self._request = request
        self._host = host
        self._until = time.monotonic() + request.wall_s

    def send(self, message: wire.Reply | wire.End) -> None:
        self._host.sendall(wire.pack(message))

    def exercise(self, experiments: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
        """Run experiments in one child, up to the first that ends badly or is slow.

        Returns those that are left for another child, and whether it was slow.
        """
        time_left = min(self._request.cpu_s - self.cpu, self._until - time.monotonic())
        if time_left <= 0:
            for name in experiments:
                self.send(wire.Reply(name, "no time left"))
            return (), False
        child = _Child(self._jail, lambda: self._answer(experiments), time_left)
        done, slow, status = 0, False, "answered"
        while done < len(experiments) and status == "answered" and not slow:
            status, answer = child.next_answer()
            if status == "answered":
                self.send(wire.Reply(experiments[done], status, answer))
                done += 1
            slow = child.slow()
        exit_status, cpu = child.end()
        self.cpu += cpu
        if status != "answered":
            status = "timeout" if status == "died" and cpu >= limits.CPU_SECONDS else status
            self.send(wire.Reply(experiments[done], status, exit=exit_status))
            done += 1
        return experiments[done:], slow or status == "timeout"

    def _answer(self, experiments: tuple[str, ...]) -> None:
        """In the child: run the experiments, and write what came of them into the pipe."""
        request = self._request
        student: Student = Folder(self._jail.exercises)
        if request.cells is not None:
            student = Notebook(request.name, request.cells)
        for name in experiments:
            answer = wire.pack(observe(name, student, request.given))
            view = memoryview(answer)
            while view:
                view = view[os.write(PIPE, view) :]


class _Child:
    """A process that runs student code, and all that it starts."""

    def __init__(self, jail: Jail, work: Callable[[], None], time_left: float) -> None:
        self._jail = jail
        self._time_left = time_left
        # No pipe: student code could open it again through /proc, and take back what was sent.
        self._pipe, writing = (end.detach() for end in socket.socketpair())
        self._buffer = bytearray()
        self._cpu = self._cpu_before = 0.0  # as of the last check, and at the start of the experiment
        self._pid = os.fork()
        if self._pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            try:
                _only_descriptor(writing)
                _confine(jail)
                work()
            finally:
                os._exit(0)
        os.close(writing)
        if os.read(self._pipe, 1) != CONFINED:
            raise RuntimeError(os.read(self._pipe, 1000).decode() or "a child ended before it was confined")

    def slow(self) -> bool:
        """Whether the experiment that has just ended took much of what it may take."""
        waited = time.monotonic() - self._started
        return self._cpu - self._cpu_before > limits.CPU_SECONDS / 2 or waited > limits.WALL_SECONDS / 2

    def next_answer(self) -> tuple[str, bytes]:
        """Wait for an answer. "answered", or why there will be none."""
        self._cpu_before, self._started = self._cpu, time.monotonic()
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        checked = self._started
        while True:
            try:
                answer = wire.unpack(self._buffer)
            except ValueError:
                return "too large", b""
            if answer is not None:
                return "answered", answer
            if poll.poll(POLL_SECONDS * 1000):
                part = os.read(self._pipe, 1 << 18)
                if not part:
                    return "died", b""
                self._buffer += part
            if time.monotonic() - checked > POLL_SECONDS:
                if broken := self._broken_limit():
                    return broken, b""
                checked = time.monotonic()

    def _broken_limit(self) -> str:
        members = self._jail.members()
        held = sum(max(0, memory(pid) - self._jail.brought) for pid in members)
        if held > limits.MEMORY_BYTES:
            return "memory"
        if self._jail.disk_is_full():
            return "disk"
        self._cpu = max(self._cpu, sum(map(_cpu_seconds, members)))
        used, waited = self._cpu - self._cpu_before, time.monotonic() - self._started
        late = used > min(limits.CPU_SECONDS + GRACE_SECONDS, self._time_left)
        return "timeout" if late or waited > min(limits.WALL_SECONDS + GRACE_SECONDS, self._time_left) else ""

    def end(self) -> tuple[int, float]:
        """Kill it with all that it started. Returns its exit status and its CPU-seconds."""
        os.close(self._pipe)
        os.kill(self._pid, signal.SIGKILL)
        _, status, usage = os.wait4(self._pid, 0)
        self._jail.kill()
        return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


def _confine(jail: Jail) -> None:
    """Tell the supervisor that the jail is shut, or why it isn't: before any of the student's code has run."""
    try:
        jail.confine()
        os.write(PIPE, CONFINED)
    except Exception as error:
        os.write(PIPE, b"!" + f"{type(error).__name__}: {error}".encode())
        raise


def _only_descriptor(kept: int) -> None:
    """Nothing to read, nowhere to print to, and this one descriptor, as PIPE."""
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(kept, 10 + PIPE)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.dup2(10 + PIPE, PIPE)
    os.closerange(PIPE + 1, 1 << 20)


def _cpu_seconds(pid: int) -> float:
    """Of a process and the children that it has waited for; 0 when it is gone."""
    return sum(map(int, figures(pid)[11:15])) * TICK
