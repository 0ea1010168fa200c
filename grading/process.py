"""The other jail, for places that are containers already, where no namespaces can be made: another user.

Files are guarded by Landlock where the kernel has it, else by their permissions alone.
"""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from grading import kernel
from grading.jail import (
    MOST_FILES,
    USER,
    NoJail,
    about,
    address_space,
    become,
    guard_files,
    limit_resources,
    memory,
    reveal_interpreter,
    use_for_temporary_files,
)
from tests import limits

USERS = 256  # that are tried, from USER on
LONGEST_PATH = 1000  # below the folder for temporary files: nobody needs more


class Process:
    @staticmethod
    def prepare() -> None:
        if os.getuid() != 0:
            raise NoJail("--isolation process runs student code as another user, and only root can do that.")
        reveal_interpreter()

    def __init__(self, modules: dict[str, bytes]) -> None:
        self._address_space, self.brought = address_space(), memory("self")
        self._user, self._lock = self._free_user()
        self._folder = Path(tempfile.mkdtemp(prefix="pytorch-workflow-", dir="/tmp"))
        self.exercises = self._folder / "exercises"
        self._scratch = self._folder / "tmp"
        for folder in (self._folder, self.exercises):
            folder.mkdir(exist_ok=True)
            os.chown(folder, 0, self._user)
            folder.chmod(0o750)
        self._scratch.mkdir(mode=0o700)
        os.chown(self._scratch, self._user, self._user)
        for name, data in modules.items():
            (self.exercises / name).write_bytes(data)
        kernel.adopt_orphans()

    def _free_user(self) -> tuple[int, socket.socket]:
        """A uid that nobody uses now. Its lock is a name in the abstract namespace, free when we end."""
        for user in range(USER + 1, USER + USERS):
            lock = socket.socket(socket.AF_UNIX)
            try:
                lock.bind(f"\0pytorch-workflow-{user}")
            except OSError:
                lock.close()
                continue
            self._user = user
            if not self.members():
                return user, lock
            lock.close()
        raise NoJail(f"all users from {USER} to {USER + USERS} run something on this machine")

    def confine(self) -> None:
        os.setsid()
        limit_resources(self._address_space)
        use_for_temporary_files(self._scratch)
        kernel.drop_bounding_set()
        become(self._user)
        kernel.drop_capabilities()
        guard_files(self.exercises, self._scratch)
        kernel.deny_system_calls()

    def members(self) -> list[int]:
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_theirs(pid)]

    def _is_theirs(self, pid: int) -> bool:
        status = about(pid, "status")
        return f"\nUid:\t{self._user}\t" in status and "\nState:\tZ" not in status

    def kill(self) -> None:
        while self.members():
            killer = os.fork()
            if killer == 0:
                try:
                    os.setresuid(self._user, self._user, self._user)
                    os.kill(-1, signal.SIGKILL)
                finally:
                    os._exit(0)
            os.waitpid(killer, 0)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def disk_is_full(self) -> bool:
        size = 0
        for number, entry in enumerate(_entries(self._scratch)):
            if number > MOST_FILES or len(entry.path) > LONGEST_PATH:
                return True
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                size += entry.stat(follow_symlinks=False).st_blocks * 512
        return size > limits.FOLDER_BYTES

    def as_new(self) -> bool:
        mode = stat.S_IMODE(self._scratch.stat().st_mode)
        return mode == 0o700 and os.listdir(self._scratch) == []

    def close(self) -> None:
        self.kill()
        # Deeper than Python's own can go, and whatever its permissions are.
        subprocess.run(["/bin/rm", "-rf", "--", str(self._folder)], check=True)
        self._lock.close()


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything in a folder that somebody may be changing meanwhile."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))
