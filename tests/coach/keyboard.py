"""Single keys from the terminal, without Enter."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

if sys.platform == "win32":
    import msvcrt
else:
    import termios
    import tty


@contextlib.contextmanager
def keys(pressed: Callable[[str], object]) -> Iterator[None]:
    """Call pressed(key), from a thread, for every key that is typed. The terminal is as it was afterwards."""
    if sys.platform == "win32":
        _listen(lambda: pressed(msvcrt.getwch()))
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    quiet = termios.tcgetattr(terminal)
    for stop in (termios.VSUSP, termios.VQUIT):  # Ctrl-Z and Ctrl-\ would leave the screen half-drawn
        quiet[6][stop] = os.fpathconf(terminal, "PC_VDISABLE").to_bytes(1, "little")
    termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
    _listen(lambda: _typed(os.read(terminal, 1024), pressed))
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _listen(read: Callable[[], object]) -> None:
    def listen() -> None:
        with contextlib.suppress(OSError, EOFError):  # the terminal is gone: so is the program, soon
            while True:
                read()

    threading.Thread(target=listen, daemon=True).start()


def _typed(data: bytes, pressed: Callable[[str], object]) -> None:
    if not data:
        raise EOFError
    if data == b"\x1b" or not data.startswith(b"\x1b"):  # an arrow key is more than one character
        for key in data.decode(errors="replace"):
            pressed(key)
