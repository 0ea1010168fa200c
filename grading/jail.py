"""What both kinds of jail have in common, in which a warm process runs a submission: see bubblewrap.py and process.py.

A jail is made for one run and gone with it. In it, only the interpreter, its packages and the harness can be read,
nothing outside can be written, nobody can be called, and every privilege is given up.
"""

import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Literal, Protocol

from grading import kernel
from tests import limits

ROOT = Path(__file__).resolve().parents[1]
HARNESS = (ROOT / "tests" / "__init__.py", ROOT / "tests" / "limits.py", ROOT / "tests" / "harness")
Isolation = Literal["bubblewrap", "process"]
USER = 61_184  # the first of the uids that no distribution gives to anybody
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

    def as_new(self) -> bool:
        """Whether nothing that ran in it has left a trace."""

    def close(self) -> None:
        """End it, and whatever still runs or lies in it."""


def readable() -> list[Path]:
    """What a student's code may read: the interpreter, its packages and the harness."""
    environment = Path(sys.prefix)
    found = [Path(sys.base_prefix), environment, environment.resolve(), *HARNESS]
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


def use_for_temporary_files(folder: Path) -> None:
    """Student code starts in this folder, finds it as its home, and Python's tempfile uses it."""
    os.environ.update(HOME=str(folder), TMPDIR=str(folder), MPLCONFIGDIR=str(folder))
    tempfile.tempdir = str(folder)
    os.chdir(folder)


def guard_files(exercises: Path, *writable: Path) -> None:
    """With Landlock, what is readable() and these folders are all the files there are; /proc isn't among them."""
    if kernel.landlock_version():
        devices = [Path("/dev", name) for name in ("null", "zero", "full", "random", "urandom")]
        folders = [*readable(), *system_folders(), *([exercises] if exercises.exists() else [])]
        kernel.allow_files(folders, devices, list(writable))


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


def about(pid: int | str, name: str) -> str:
    """A file of /proc about a process; empty when it is gone. A process may call itself by bytes that are no text."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def memory(pid: int | str) -> int:
    """Bytes that a process holds and no file does; 0 when it is gone."""
    lines = about(pid, "status").splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def figures(pid: int) -> list[str]:
    """What /proc/PID/stat says after the name: state, parent, …; empty when it is gone."""
    return about(pid, "stat").rpartition(")")[2].split()
