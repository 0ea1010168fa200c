"""Which of the student's files were saved, and whether Python can read them yet."""

import threading
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import watchfiles

SETTLED_SECONDS = 0.02  # an editor's save may take several writes

Stamps = dict[
    Path, tuple[int, int, int] | None
]  # of each file: its time, size and inode; None: it isn't there


def stamps(files: Sequence[Path]) -> Stamps:
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        known = file.stat()
    except OSError:
        return None
    return known.st_mtime_ns, known.st_size, known.st_ino


def settled(files: Sequence[Path]) -> Stamps:
    """The stamps, when nobody is writing any more."""
    before, now = None, stamps(files)
    while now != before:
        time.sleep(SETTLED_SECONDS)
        before, now = now, stamps(files)
    return now


def unfinished(file: Path) -> str:
    """Why Python can't read the file, if so: "line 12: '(' was never closed". A student may be in the middle of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(file.read_bytes(), file.name, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else str(error.msg)
    except (ValueError, OSError, RecursionError, MemoryError):  # for the run to find words for
        pass
    return ""


def listen(folder: Path, saved: Callable[[], object]) -> None:
    """Call saved(), from a thread, when the system says that something changed in the folder.

    Where it says nothing (network drives, some virtual machines), the files have to be looked at.
    """

    def wait() -> None:
        try:
            for _ in watchfiles.watch(folder, step=10, recursive=False, raise_interrupt=False):
                saved()
        except (OSError, RuntimeError):  # no events to be had here
            pass

    threading.Thread(target=wait, daemon=True).start()
