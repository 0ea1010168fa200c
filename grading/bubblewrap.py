"""The default jail: a process that steps into new namespaces of every kind, made by bubblewrap.

A first process keeps them alive, and its death is that of all. The process that steps in is the supervisor: only
its children are members of the pid namespace, so nothing inside can see it.
"""

import contextlib
import json
import os
import resource
import select
import signal
import stat
import subprocess
from pathlib import Path

from grading import kernel
from grading.jail import (
    MOST_FILES,
    USER,
    NoJail,
    address_space,
    become,
    figures,
    guard_files,
    limit_resources,
    memory,
    readable,
    reveal_interpreter,
    system_folders,
    use_for_temporary_files,
)
from tests import limits

SCRATCH = Path("/scratch")  # also /tmp, unless the kit lies below that
WRITABLE = (SCRATCH, Path("/dev/shm"))
FIRST = (
    "/usr/bin/env",
    "--ignore-signal=CHLD",
    "/usr/bin/cat",
)  # echoes when the jail is ready, and then waits
FIRST_BYTES = 32 << 20  # of memory for it: student code could make it run something else


class Bubblewrap:
    exercises = Path("/exercises")

    @staticmethod
    def prepare() -> None:
        """Be nobody in particular: of root, the jail would have the right to write /proc/sys."""
        if os.getuid() == 0:
            reveal_interpreter()
            become(USER)

    def __init__(self, modules: dict[str, bytes]) -> None:
        self._address_space, self.brought = address_space(), memory("self")
        files = {self.exercises / name: _in_memory(name, data) for name, data in modules.items()}
        denied = _in_memory("seccomp", kernel.denied_system_calls())
        told, tell = os.pipe()
        command = bwrap(files, "--seccomp", str(denied), "--info-fd", str(tell))
        try:
            self._bwrap = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[tell, denied, *files.values()],
                env={},
            )
        except (FileNotFoundError, PermissionError):
            raise NoJail(NO_BUBBLEWRAP) from None
        finally:
            for handle in (tell, denied, *files.values()):
                os.close(handle)
        assert self._bwrap.stdin and self._bwrap.stdout and self._bwrap.stderr
        with contextlib.suppress(BrokenPipeError):
            self._bwrap.stdin.write(b"?")
        if self._bwrap.stdout.read(1) != b"?":  # cat echoes when the jail is ready
            self._bwrap.kill()
            raise NoJail(why_no_namespaces(self._bwrap.stderr.read().decode(errors="replace").strip()))
        with os.fdopen(told) as info:
            first = json.load(info)["child-pid"]
        self._first = os.pidfd_open(first)
        for kind, most in ((resource.RLIMIT_AS, FIRST_BYTES), (resource.RLIMIT_NPROC, 0)):
            resource.prlimit(first, kind, (most, most))
        kernel.enter_namespaces(self._first)
        os.chdir("/")
        kernel.drop_bounding_set()
        kernel.drop_capabilities()
        kernel.deny_system_calls()

    def confine(self) -> None:
        os.setsid()
        limit_resources(self._address_space)
        use_for_temporary_files(SCRATCH)
        guard_files(self.exercises, *WRITABLE)

    def members(self) -> list[int]:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]

    def kill(self) -> None:
        while not self._dead() and any(figures(pid)[:1] not in ([], ["Z"]) for pid in self.members()):
            # Only a member can reach all of them with -1. For this process -1 would be the whole machine.
            killer = os.fork()
            if killer == 0:
                try:
                    os.kill(-1, signal.SIGKILL)
                finally:
                    os._exit(0)
            os.waitpid(killer, 0)

    def _dead(self) -> bool:
        """Whether its first process has ended, which should never be."""
        poll = select.poll()
        poll.register(self._first, select.POLLIN)
        return bool(poll.poll(0))

    def disk_is_full(self) -> bool:
        """The sizes are bounded by the kernel; the number of files isn't."""
        made = [place.f_files - place.f_ffree for place in map(os.statvfs, WRITABLE)]
        return sum(made) > MOST_FILES

    def as_new(self) -> bool:
        try:
            return not self._dead() and all(
                os.listdir(folder) == [] and stat.S_IMODE(folder.stat().st_mode) & 0o700 == 0o700
                for folder in WRITABLE
            )
        except OSError:
            return False

    def close(self) -> None:
        """The death of its first process is that of all, and lasts until those that are our children are reaped."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._first, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)


def bwrap(files: dict[Path, int], *options: str) -> list[str]:
    """The command line of a jail that holds these files, by their descriptors."""
    size = str(limits.FOLDER_BYTES)
    arguments = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534"]
    arguments += ["--disable-userns", "--hostname", "jail", "--clearenv", "--die-with-parent"]
    arguments += ["--new-session", "--as-pid-1", "--proc", "/proc", "--dev", "/dev"]
    arguments += ["--size", size, "--tmpfs", "/dev/shm", "--size", size, "--tmpfs", str(SCRATCH)]
    if not any(path.is_relative_to("/tmp") for path in readable()):
        arguments += ["--symlink", str(SCRATCH), "/tmp"]
    for folder in system_folders():
        link = [os.readlink(folder), str(folder)] if folder.is_symlink() else []
        arguments += ["--symlink", *link] if link else ["--ro-bind", str(folder), str(folder)]
    for path in readable():
        arguments += ["--ro-bind", str(path), str(path)]
    for path, handle in files.items():
        arguments += ["--perms", "0444", "--ro-bind-data", str(handle), str(path)]
    return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/", *options, "--", *FIRST]


def _in_memory(name: str, data: bytes) -> int:
    handle = os.memfd_create(name)
    with os.fdopen(os.dup(handle), "wb") as file:
        file.write(data)
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


NO_BUBBLEWRAP = """bubblewrap is not installed, and nothing is graded without a jail.
On Debian and Ubuntu: sudo apt-get install bubblewrap. On Fedora: sudo dnf install bubblewrap."""


def why_no_namespaces(said: str) -> str:
    """What keeps bubblewrap from making a jail here, and the remedy. `said`: its own words."""
    if "Unknown option" in said:
        return f"bubblewrap is too old: 0.8 or newer is needed. ({said})"
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        remedy = (
            "Ubuntu's AppArmor forbids unprivileged user namespaces (Ubuntu 24.04, GitHub's runners).\n"
            "Allow them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
    elif _setting("user/max_user_namespaces") == "0":
        remedy = "User namespaces are switched off: sudo sysctl -w user.max_user_namespaces=15000"
    elif _setting("kernel/unprivileged_userns_clone") == "0":
        remedy = "User namespaces are switched off: sudo sysctl -w kernel.unprivileged_userns_clone=1"
    else:
        remedy = (
            "If this is a container (Docker, Gradescope, GitLab): it is isolated already, and its profile forbids\n"
            "namespaces. Ask for the other isolation, as root: --isolation process"
        )
    return f"bubblewrap can't make a jail here: {said or 'it ended without a word'}\n{remedy}"


def _setting(name: str) -> str | None:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return None
