"""Every limit on a student's code, in one place, and the clock that keeps it in time (`stopwatch`)."""

import _thread
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

# One experiment.
CPU_SECONDS = 10.0
WALL_SECONDS = 30.0  # the backstop for code that waits without computing
OUTPUT_BYTES = 256 << 10  # of what is printed; the rest is cut
OBSERVATION_BYTES = 4 << 20

# One submission, where it is graded in a jail; there is no such limit on a student's own laptop.
SUBMISSION_CPU_SECONDS = 30.0
SUBMISSION_WALL_SECONDS = 90.0
MEMORY_BYTES = 1 << 30  # of all its processes together, beyond what they share with the grader's
PROCESSES = 64
FILE_BYTES = 16 << 20  # of a single file …
FOLDER_BYTES = 32 << 20  # … and of all that lies in its temporary folder

_AGAIN_SECONDS = 0.2  # code that swallows every exception is interrupted again …
_PATIENCE = 20  # … so many times before the run is ended


class TimeUp(BaseException):
    """The student's code ran past its limit. No `except Exception` of theirs may swallow it."""


@contextlib.contextmanager
def stopwatch() -> Iterator[None]:
    """Raise TimeUp in the main thread when the body uses more than its CPU or wall seconds."""
    if not hasattr(signal, "setitimer"):
        with _watchdog():
            yield
        return
    interruptions = 0

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal interruptions
        interruptions += 1
        if interruptions > _PATIENCE:
            message = (
                "Your code catches every exception and could not be stopped. Look for a bare `except:`.\n"
            )
            os.write(2, message.encode())
            os._exit(1)
        raise TimeUp

    clocks = [
        (signal.ITIMER_PROF, signal.SIGPROF, CPU_SECONDS),
        (signal.ITIMER_REAL, signal.SIGALRM, WALL_SECONDS),
    ]
    before = [signal.signal(name, ring) for _, name, _ in clocks]
    try:
        for timer, _, seconds in clocks:
            signal.setitimer(timer, seconds, _AGAIN_SECONDS)
        yield
    finally:
        pause()
        for (_, name, _), handler in zip(clocks, before, strict=True):
            signal.signal(name, handler)


def pause() -> None:
    """Stop the clock: a student who sits in a debugger has all the time in the world."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def _watchdog() -> Iterator[None]:
    """Where there are no interval timers (Windows): a thread that interrupts the main one."""
    rang = threading.Event()

    def ring() -> None:
        rang.set()
        _thread.interrupt_main()

    timer = threading.Timer(CPU_SECONDS, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        if rang.is_set():
            raise TimeUp from None
        raise
    finally:
        timer.cancel()


def shorten(text: str, most: int = 2000) -> str:
    """The text, cut in the middle of nothing: its first `most` characters and how many are missing."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"
