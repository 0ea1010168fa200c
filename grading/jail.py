"""Where a submission runs: a jail that a warm process steps into, made for one run and gone with it.

`Bubblewrap` is the default: new namespaces of every kind, in which only the interpreter, its packages and the
harness can be seen. `Process` is for places that are containers already, where no namespaces can be made: another
user, with Landlock where the kernel has it. Both also give up every privilege and have system calls denied.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

from grading import kernel
from tests import limits

ROOT = Path(__file__).resolve().parents[1]
HARNESS = (ROOT / "tests" / "__init__.py", ROOT / "tests" / "limits.py", ROOT / "tests" / "harness")
Isolation = Literal["bubblewrap", "process"]
USER = 61_184  # the first of the uids that no distribution gives to anybody …
USERS = 256  # … and how many of them are tried
ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": "/tmp",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    # All of the helper's memory in huge pages, where the kernel has them: a fork then takes 4 ms, not 14.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "PYTHONMALLOC": "malloc",
    "PYTHONHASHSEED": "0",  # an order of sets that a student's code shows is the same at every regrade
    "PYTHONDONTWRITEBYTECODE": "1",
}
MOST_FILES = 20_000  # that a submission may make: they cost the kernel memory


class NoJail(Exception):
    """This machine does not give what a jail needs. The text says what, and how to mend it."""


class Jail(Protocol):
    """A jail for these modules, that this process steps into. Raises NoJail."""

    exercises: Path  # where the student's modules lie
    brought: int  # bytes of memory that a child shares with this process, until it writes there

    @staticmethod
    def prepare() -> None:
        """Once, in the helper, before any submission comes. Raises NoJail."""

    def __init__(self, modules: dict[str, bytes]) -> None: ...

    def confine(self) -> None:
        """In a fresh child: give up all that is left to give up. From here on the student's code may run."""

    def members(self) -> list[int]:
        """The processes in the jail, as /proc numbers them here."""

    def kill(self) -> None:
        """End every process in it, and wait for that."""

    def disk_is_full(self) -> bool:
        """Whether more was written, or more files were made, than a submission may."""

    def close(self) -> None:
        """End it, and whatever still runs or lies in it."""


def readable() -> list[Path]:
    """What a student's code may read: the interpreter, its packages and the harness."""
    found = [Path(sys.base_prefix), Path(sys.prefix), *HARNESS]
    return [path for path in dict.fromkeys(found) if not path.is_relative_to("/usr")]


def system_folders() -> list[Path]:
    """/usr, and those of /bin, /lib, … that are no links into it."""
    return [path for path in map(Path, ("/usr", "/bin", "/lib", "/lib32", "/lib64")) if path.exists()]


def reveal_interpreter() -> None:
    """Where root's interpreter lies in a closed folder, open it for the unprivileged user that runs it."""
    closed = [path for path in readable() if kernel.closed_parent(path)]
    try:
        if closed:
            kernel.reveal(closed)
    except OSError as error:
        raise NoJail(
            f"{closed[0]} can only be read by root, and student code never runs as root.\n"
            f"Install Python and the kit where everybody may read, such as /opt. ({error})"
        ) from None


def limit_resources(address_space: int) -> None:
    """The limits of one process; the supervisor adds up over all of them."""
    for kind, most in (
        (resource.RLIMIT_AS, address_space + limits.MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, limits.FILE_BYTES),
        (resource.RLIMIT_NPROC, limits.PROCESSES),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_CPU, int(limits.SUBMISSION_CPU_SECONDS) + 10),
    ):
        resource.setrlimit(kind, (most, most))
    kernel.own_proc_files()
    Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out all the same, this goes first


def become(user: int) -> None:
    """Be this user, for good."""
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError as error:
        raise NoJail(
            f"root here may not become user {user}, and student code never runs as root ({error.strerror}).\n"
            "Is this a container whose users are mapped one by one? Run the grader as an ordinary user."
        ) from None


def address_space() -> int:
    """How many bytes of addresses this process has mapped."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def memory(pid: int | str) -> int:
    """Bytes that a process holds and no file does; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon", "RssShmem")))


# ── bubblewrap ───────────────────────────────────────────────────────────────────────────────────


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
        told, tell = os.pipe()
        command = bwrap(
            files, ("--info-fd", str(tell)), ("/usr/bin/env", "--ignore-signal=CHLD", "/usr/bin/cat")
        )
        try:
            self._bwrap = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[tell, *files.values()],
                env={},
            )
        except (FileNotFoundError, PermissionError):
            raise NoJail(NO_BUBBLEWRAP) from None
        finally:
            for handle in (tell, *files.values()):
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
        kernel.enter_namespaces(self._first)
        os.chdir("/")
        kernel.drop_bounding_set()
        kernel.drop_capabilities()
        kernel.deny_system_calls()

    def confine(self) -> None:
        os.setsid()
        limit_resources(self._address_space)
        os.chdir("/tmp")

    def members(self) -> list[int]:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]

    def kill(self) -> None:
        while self._alive():
            # Only a member can reach all of them with -1. For this process -1 would be the whole machine.
            killer = os.fork()
            if killer == 0:
                try:
                    os.kill(-1, signal.SIGKILL)
                finally:
                    os._exit(0)
            os.waitpid(killer, 0)

    def _alive(self) -> bool:
        return any(_state(pid) not in "ZX" for pid in self.members())

    def disk_is_full(self) -> bool:
        """The sizes are bounded by the kernel; the number of files isn't."""
        made = [place.f_files - place.f_ffree for place in map(os.statvfs, ("/tmp", "/dev/shm"))]
        return sum(made) > MOST_FILES

    def close(self) -> None:
        """The death of its first process is that of all."""
        signal.pidfd_send_signal(self._first, signal.SIGKILL)
        self._bwrap.wait()


def bwrap(files: dict[Path, int], options: tuple[str, ...], command: tuple[str, ...]) -> list[str]:
    """The command line of a jail that holds these files, by their descriptors."""
    size = str(limits.FOLDER_BYTES)
    arguments = ["bwrap", "--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534"]
    arguments += [
        "--disable-userns",
        "--hostname",
        "jail",
        "--clearenv",
        "--die-with-parent",
        "--new-session",
    ]
    arguments += ["--as-pid-1", "--proc", "/proc", "--dev", "/dev"]
    arguments += ["--size", size, "--tmpfs", "/dev/shm", "--size", size, "--tmpfs", "/tmp"]
    for folder in system_folders():
        link = [os.readlink(folder), str(folder)] if folder.is_symlink() else []
        arguments += ["--symlink", *link] if link else ["--ro-bind", str(folder), str(folder)]
    for path in readable():
        arguments += ["--ro-bind", str(path), str(path)]
    for path, handle in files.items():
        arguments += ["--perms", "0444", "--ro-bind-data", str(handle), str(path)]
    return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/", *options, "--", *command]


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


def _state(pid: int) -> str:
    """R, S, …, Z for a zombie, X for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


# ── process ──────────────────────────────────────────────────────────────────────────────────────


class Process:
    """The same process tree, another user. Files are guarded by Landlock, or else by their permissions only."""

    @staticmethod
    def prepare() -> None:
        if os.getuid() != 0:
            raise NoJail("--isolation process runs student code as another user, and only root can do that.")
        reveal_interpreter()

    def __init__(self, modules: dict[str, bytes]) -> None:
        self._address_space, self.brought = address_space(), memory("self")
        self._user, self._lock = self._free_user()
        self._folder = Path(tempfile.mkdtemp(prefix="pytorch-workflow-", dir="/tmp"))
        self._folder.chmod(0o755)
        self.exercises = self._folder / "exercises"
        self._scratch = self._folder / "tmp"
        self.exercises.mkdir()
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
        os.environ.update(HOME=str(self._scratch), TMPDIR=str(self._scratch), MPLCONFIGDIR=str(self._scratch))
        tempfile.tempdir = str(self._scratch)
        os.chdir(self._scratch)
        kernel.drop_bounding_set()
        become(self._user)
        kernel.drop_capabilities()
        if kernel.landlock_version():
            devices = [Path("/dev", name) for name in ("null", "zero", "full", "random", "urandom")]
            folders = [*readable(), *system_folders(), self.exercises]
            kernel.allow_files(folders, devices, self._scratch)
        kernel.deny_system_calls()

    def members(self) -> list[int]:
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._is_theirs(pid)]

    def _is_theirs(self, pid: int) -> bool:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return False
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
            size += entry.stat(follow_symlinks=False).st_blocks * 512
            if size > limits.FOLDER_BYTES or number > MOST_FILES:
                return True
        return False

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything in a folder that somebody may be changing meanwhile."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))


ISOLATIONS: dict[str, type[Jail]] = {"bubblewrap": Bubblewrap, "process": Process}
