"""A real terminal, tmux's, in which a program runs: what stands on its screen, and keys to type."""

import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60  # seconds


class Terminal:
    """folder: where its socket lies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-S", str(self.folder / "tmux"), "-f", os.devnull, *arguments]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "COLORTERM": ""}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "main").rstrip("\n") + "\n"

    def colours(self) -> set[str]:
        """The escape sequences on the screen."""
        coloured = self.tmux("capture-pane", "-p", "-e", "-t", "main")
        return {part.partition("m")[0] for part in coloured.split("\x1b[")[1:]}

    def type(self, keys: str) -> None:
        self.tmux("send-keys", "-t", "main", keys)

    def resize(self, columns: int, rows: int) -> None:
        self.tmux("resize-window", "-t", "main", "-x", str(columns), "-y", str(rows))

    def wait(self, *texts: str) -> str:
        """The screen, when all the texts stand on it and it has come to rest. Fails after a minute."""
        deadline, before = time.monotonic() + PATIENCE, ""
        while not all(text in (now := self.screen()) for text in texts) or now != before:
            assert time.monotonic() < deadline, f"no {texts} in\n{now}"
            before = now
            time.sleep(0.1)
        return now


@contextmanager
def terminal(
    folder: Path, home: Path, command: list[str], environment: Mapping[str, str], columns: int, rows: int
) -> Iterator[Terminal]:
    """The command runs in `folder`; when it has ended, the screen says so with its exit status, and whether the
    terminal would show what is typed."""
    made = Terminal(home)
    settings = [f"{name}={value}" for name, value in environment.items()]
    line = f"trap : INT; {shlex.join(['env', *settings, *command])}; echo ended: $?, $(stty -a | grep -o -w -- -*echo); sleep 999"
    made.tmux(
        "new-session", "-d", "-s", "main", "-x", str(columns), "-y", str(rows), "-c", str(folder), "sh", "-c", line
    )  # fmt: skip
    try:
        yield made
    finally:
        made.tmux("kill-server")
