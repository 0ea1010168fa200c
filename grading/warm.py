"""The deciding side of a run: it asks the warm helper for observations, and believes only what it decodes itself."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from types import TracebackType

import msgspec

import tests.conftest  # noqa: F401  # names the experiments
from grading import wire
from grading.jail import ENVIRONMENT, ROOT, USER, Isolation
from grading.submissions import Submission
from tests import limits
from tests.coach import curriculum
from tests.coach.suite import EXPERIMENTS
from tests.harness.given import Given
from tests.harness.observations import Outcome, Place, Raised

START_SECONDS = 300.0  # of the helper: on a slow disk PyTorch takes its time
ANSWER_SECONDS = limits.SUBMISSION_WALL_SECONDS + 60


Experiments = tuple[tuple[str, ...], ...]  # names; a tuple of them for each process


class CannotGrade(Exception):
    """There can be no mark, and that is not the student's doing. The text says why, and what to do."""


class Run:
    """What came of all experiments of a submission on some numbers. A source of the suite."""

    def __init__(self, given: Given, outcomes: dict[str, Outcome]) -> None:
        self.given = given
        self.outcomes = outcomes

    def observe(self, experiment: str) -> Outcome:
        return self.outcomes[experiment]


class Client:
    """Asks a warm helper for observations. Any process that holds its control socket may, all at the same time."""

    def __init__(self, control: socket.socket, isolation: Isolation) -> None:
        self.control = control
        self.isolation = isolation

    def observe(
        self,
        submission: Submission,
        given: Given,
        wanted: Experiments | None = None,
        cpu_s: float = limits.SUBMISSION_CPU_SECONDS,
        wall_s: float = limits.SUBMISSION_WALL_SECONDS,
    ) -> Run:
        """Run all experiments of the suite, or those that are wanted, in a fresh jail. Raises CannotGrade."""
        self.wait_until_ready()
        cells = None
        if submission.cells is not None:
            cells = tuple((cell.number, cell.source) for cell in submission.cells)
        wanted = experiments() if wanted is None else wanted
        request = wire.Request(
            submission.name, submission.modules, cells, given, wanted, cpu_s=cpu_s, wall_s=wall_s
        )
        outcomes: dict[str, Outcome] = {}
        try:
            started = time.monotonic()
            end = self._run(request, outcomes)
            while end.left:  # each run replies to one experiment at least
                waited = time.monotonic() - started
                request = msgspec.structs.replace(
                    request,
                    exercises=end.left,
                    cpu_s=request.cpu_s - end.cpu_s,
                    wall_s=wall_s - waited,
                )
                end = self._run(request, outcomes)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise CannotGrade(
                f"The helper process that runs student code has died. {self.last_words()}"
            ) from None
        except TimeoutError:
            raise CannotGrade("The helper process that runs student code does not answer.") from None
        except ValueError as error:
            raise CannotGrade(f"The helper process sent what can't be read: {error}") from None
        return Run(given, outcomes)

    def wait_until_ready(self) -> None:
        """Raises CannotGrade. Here nothing: whoever started the helper has waited."""

    def last_words(self) -> str:
        """What the helper complained of before it died."""
        return ""

    def _run(self, request: wire.Request, outcomes: dict[str, Outcome]) -> wire.End:
        ours, theirs = socket.socketpair()
        with contextlib.closing(ours):
            with contextlib.closing(theirs):
                socket.send_fds(self.control, [b"+"], [theirs.fileno()])
            ours.settimeout(ANSWER_SECONDS)
            ours.sendall(wire.pack(request))
            while True:
                message: wire.Reply | wire.End = wire.receive(ours, wire.Message)
                if isinstance(message, wire.End):
                    return _no_trouble(message)
                outcomes[message.experiment] = outcome(message)


class Helper(Client):
    """A warm helper process. Use as a context manager; what it runs ends with it."""

    def __init__(self, isolation: Isolation) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(ours, isolation)
        self._starting = tempfile.TemporaryDirectory(prefix="pytorch-workflow-")  # matplotlib writes a cache
        if os.geteuid() == 0:  # so that all that it writes lies in there, and is gone with it
            with contextlib.suppress(OSError):  # no such user here: the helper says what that means
                os.chown(self._starting.name, USER, USER)
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grading.helper", str(theirs.fileno()), isolation],
            cwd=ROOT,
            env=ENVIRONMENT | {"TMPDIR": self._starting.name, "MPLCONFIGDIR": self._starting.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self.pid = self._process.pid
        self.control.settimeout(START_SECONDS)
        self._ready = False

    def __enter__(self) -> "Helper":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.control.close()
        if not self._ready:
            self._process.kill()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._starting.cleanup()
        self._complaints.close()

    def died(self, within_s: float = 0.0) -> bool:
        """Whether it has, or does so soon: its connections end before it does."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait_until_ready(self) -> None:
        """Once it is, other processes may ask it, each by a Client of its own."""
        if not self._ready:
            _no_trouble(wire.receive(self.control, wire.End))
            self._starting.cleanup()
            self._ready = True

    def last_words(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "Is there memory enough?")


def _no_trouble(end: wire.End) -> wire.End:
    if end.trouble:
        raise CannotGrade(end.trouble)
    return end


def experiments(exercises: Collection[str] = ()) -> Experiments:
    """The experiments of each exercise; of all when none is named."""
    topics = [e.topic for e in curriculum.load() if not exercises or e.id in exercises]
    return tuple(tuple(n for n in EXPERIMENTS.values() if n.startswith(f"{topic}.")) for topic in topics)


def outcome(reply: wire.Reply) -> Outcome:
    """What the suite is told. An answer is a student's word: it is decoded by type, and cut to size."""
    if reply.status != "answered":
        return _lost(reply.status, WITHOUT_ANSWER[reply.status].format(how=_how_it_ended(reply.exit)))
    try:
        found = msgspec.msgpack.decode(reply.answer, type=Outcome)
    except (msgspec.DecodeError, RecursionError):
        return _lost("lost", WITHOUT_ANSWER["unreadable"])
    if found.status not in ("ok", "raised", "timeout", "missing", "unreadable"):
        return _lost("lost", WITHOUT_ANSWER["unreadable"])
    return msgspec.structs.replace(
        found,
        raised=found.raised and _cut_raised(found.raised),
        place=_cut_place(found.place),
        output=limits.shorten(found.output, limits.OUTPUT_BYTES),
        warnings=tuple(limits.shorten(warning, 300) for warning in found.warnings[:10]),
    )


WITHOUT_ANSWER = {
    "died": "Your code ended the whole program here ({how}): `os._exit`, a signal, or a crash inside a library.",
    "timeout": f"Your code was stopped here: it was still running after {limits.CPU_SECONDS:g} seconds.\n"
    "Look for a loop that never ends, or for far more work than is needed.",
    "memory": f"Your code was stopped here: it took more than {limits.MEMORY_BYTES >> 30} GiB of memory.\n"
    "A list or a tensor grows without end, or is far larger than the data.",
    "disk": f"Your code was stopped here: it wrote more than {limits.FOLDER_BYTES >> 20} MiB, or thousands of files.",
    "too large": f"What came back is larger than {limits.OBSERVATION_BYTES >> 20} MiB: far more than was asked for.",
    "no time left": "This was not run any more: your code had used up the "
    f"{limits.SUBMISSION_CPU_SECONDS:g} seconds for a whole submission. Mend what takes so long first.",
    "unreadable": "What came back can't be read: something replaced the values that the tests look at.",
}


def _lost(status: str, message: str) -> Outcome:
    timeout = status in ("timeout", "no time left")
    return Outcome("timeout" if timeout else "lost", raised=Raised("Lost", message))


def _how_it_ended(exit_status: int) -> str:
    return f"exit status {exit_status}" if exit_status >= 0 else f"killed by signal {-exit_status}"


def _cut_raised(raised: Raised) -> Raised:
    return Raised(
        limits.shorten(raised.type, 100),
        limits.shorten(raised.message),
        _cut_place(raised.place),
        raised.todo,
    )


def _cut_place(place: Place | None) -> Place | None:
    if place is None:
        return None
    return Place(limits.shorten(place.file, 200), place.line, limits.shorten(place.source, 300), place.cell)
