"""The processes of this machine, as tests look at them."""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path


def processes() -> set[int]:
    """Every process that is no zombie."""
    return {
        int(name) for name in os.listdir("/proc") if name.isdigit() and _stat(name)[:1] not in ([], ["Z"])
    }


def descendants(of: int) -> set[int]:
    """The children of a process, their children, and so on."""
    parents = {pid: int(fields[1]) for pid in processes() if (fields := _stat(str(pid)))}
    found = {of}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {of}


def _stat(pid: str) -> list[str]:
    """State, parent, …; empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_until(condition: Callable[[], object], seconds: float = 20) -> bool:
    """Whether it has come true within that time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(condition())
