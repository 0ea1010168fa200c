"""The jail, looked at from inside by a student's code, and what happens where there can be none."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grading import kernel
from grading.bubblewrap import Bubblewrap, why_no_namespaces
from grading.jail import ENVIRONMENT, NoJail
from grading.submissions import Submission, read
from grading.tests import corpus, probe
from grading.tests.processes import descendants, processes, wait_until
from grading.warm import CannotGrade, Helper, experiments
from tests import limits
from tests.harness.given import PRACTICE

ROOT = Path(__file__).parents[2]
SECRETS = [
    ROOT / "solutions" / "ex1_dataset.py",
    ROOT / "tests" / "oracle.py",
    ROOT / "tests" / "test_ex1_dataset.py",
    ROOT / "tests" / "coach",
    ROOT / "grading",
    ROOT / ".git",
    Path("/root"),
    Path("/home"),
    Path("/etc/passwd"),
]


@pytest.fixture(scope="module", params=["bubblewrap", "process"])
def jailer(request: pytest.FixtureRequest) -> Iterator[Helper]:
    with Helper(request.param) as helper:
        yield helper


@pytest.fixture(scope="module")
def seen(jailer: Helper) -> tuple[str, dict[str, Any], list[bytes]]:
    """(isolation, what the student's code found, what listeners on this machine heard)."""
    heard: list[bytes] = []
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", port))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0listener-{os.getpid()}")
        abstract.listen()
        ask = {
            "read": [str(path) for path in SECRETS],
            "write": [
                "/usr/x",
                "/etc/x",
                "/x",
                "/var/tmp/x",
                "/proc/sys/kernel/core_pattern",
                str(ROOT / "x"),
            ],
            "port": port,
            "name": f"listener-{os.getpid()}",
        }
        found = probe.look(jailer, **ask)
        for listener in (tcp, udp, abstract):
            listener.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                heard.append(listener.recv(10) if listener is udp else str(listener.accept()).encode())
    return jailer.isolation, found, heard


Seen = tuple[str, dict[str, Any], list[bytes]]


def test_nobody_was_called(seen: Seen) -> None:
    isolation, found, heard = seen
    assert heard == []
    for way in ("tcp", "udp", "tcp6", "netlink"):
        assert found[way] != "yes", way
    if isolation == "bubblewrap" or kernel.landlock_version() >= 6:
        assert found["abstract"] != "yes"


def test_no_file_but_its_own_can_be_written(seen: Seen) -> None:
    _, found, _ = seen
    assert set(found["write"].values()) & {"yes"} == set(), found["write"]
    assert found["tmp"] == "yes"


def test_no_secret_can_be_read(seen: Seen) -> None:
    isolation, found, _ = seen
    if isolation == "bubblewrap" or kernel.landlock_version():
        readable = [path for path, answer in found["read"].items() if answer == "yes"]
        # Where the kit lies below /home or /root, that folder is there, and holds the harness and nothing else.
        above = {str(parent) for path in (ROOT, Path(sys.base_prefix)) for parent in path.parents}
        assert set(readable) <= above, readable


def test_no_privilege_is_left(seen: Seen) -> None:
    _, found, _ = seen
    assert set(found["capabilities"]) <= {0, -1}, found[
        "capabilities"
    ]  # -1: this kernel has no such capability
    assert (found["no_new_privs"], found["seccomp"]) == (1, 2)
    assert found["uid"] != 0
    assert found["groups"] in ([], [65534])
    for way in ("become root", "new namespace", "clone into one", "memfd", "ptrace"):
        assert found[way] != "yes", way


def test_only_what_is_listed_comes_along(seen: Seen) -> None:
    _, found, _ = seen
    assert set(found["environment"]) <= {*ENVIRONMENT, "TMPDIR", "PWD", "LC_CTYPE"}
    assert found["descriptors"] == [0, 1, 2, 3]
    ours = {name for name in found["modules"] if not name.startswith(("tests.harness", "grading"))}
    assert ours <= {"tests", "tests.limits"}
    allowed = {"helper", "jail", "bubblewrap", "process", "kernel", "supervise", "wire"}
    assert {name.partition(".")[2] for name in found["modules"] if name.startswith("grading.")} <= allowed


def test_its_limits_are_set(seen: Seen) -> None:
    _, found, _ = seen
    assert found["limits"]["RLIMIT_NPROC"] == [limits.PROCESSES] * 2
    assert found["limits"]["RLIMIT_FSIZE"] == [limits.FILE_BYTES] * 2
    assert found["limits"]["RLIMIT_CORE"] == [0, 0]


def test_namespaces_hide_the_machine(seen: Seen) -> None:
    isolation, found, _ = seen
    if isolation == "bubblewrap":
        assert found["hostname"] == "jail"
        assert len(found["processes"]) <= 3  # the jail's first, and this one


# ── where there can be no jail ───────────────────────────────────────────────────────────────────


def test_a_refusal_of_bubblewrap_comes_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = ["/bin/sh", "-c", "echo 'bwrap: No permissions to create new namespace' >&2; exit 1"]
    monkeypatch.setattr("grading.bubblewrap.bwrap", lambda *_: refusal)
    with pytest.raises(NoJail, match=r"(?s)No permissions to create new namespace\n.+"):
        Bubblewrap({})


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor_restrict_unprivileged_userns=0"),
        ("user/max_user_namespaces", "0", "max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone=1"),
        ("", "", "--isolation process"),
    ],
)
def test_the_remedy_is_for_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, remedy: str
) -> None:
    monkeypatch.setattr("grading.bubblewrap._setting", {setting: value}.get)
    assert remedy in why_no_namespaces("bwrap: setting up uid map: Permission denied")
    assert "0.8 or newer" in why_no_namespaces("bwrap: Unknown option --disable-userns")


def without_bubblewrap(*command: str) -> list[str]:
    """The command where /usr/bin/bwrap is a file that nobody can run."""
    hidden = f'mount --bind /dev/null {shutil.which("bwrap")} && exec "$@"'
    namespaces = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    return [*namespaces, "sh", "-c", hidden, "sh", *command]


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_without_bubblewrap_nothing_is_graded() -> None:
    done = run(*without_bubblewrap(sys.executable, "-m", "grading", "grade", "solutions"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Not graded: bubblewrap is not installed")
    assert "apt-get install bubblewrap" in done.stderr


def test_the_doctor_tells_what_is_missing() -> None:
    done = run(*without_bubblewrap(sys.executable, "-m", "grading", "doctor"))
    assert done.returncode == 2, done
    assert "✗ bubblewrap" in done.stdout
    assert "apt-get install bubblewrap" in done.stdout
    assert "This machine can" in done.stdout.splitlines()[-1]


def test_the_doctor_is_content_here() -> None:
    done = run(sys.executable, "-m", "grading", "doctor")
    assert done.returncode == 0, done
    assert done.stdout.splitlines()[-1] == "This machine can grade."
    assert "✗ --isolation bubblewrap" not in done.stdout


def test_an_ordinary_user_can_grade() -> None:
    """Root drops its rights before it makes a jail; here there are none to drop."""

    def become_nobody() -> None:
        if os.getuid() == 0:
            closed = [p for p in (Path(sys.base_prefix), ROOT) if kernel.closed_parent(p)]
            if closed:
                kernel.reveal(closed)
            os.setgroups([])
            os.setresgid(61_000, 61_000, 61_000)
            os.setresuid(61_000, 61_000, 61_000)

    command = [sys.executable, "-m", "grading", "grade", "solutions"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=become_nobody
    )
    assert done.returncode == 0, done


# ── nothing stays ────────────────────────────────────────────────────────────────────────────────

LINGERS = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
def pick_device():
    time.sleep(MUCH)
    return "cpu"
"""


def test_all_of_a_submission_is_dead_when_its_run_ends(jailer: Helper) -> None:
    modules = {"ex1_dataset.py": LINGERS.replace("MUCH", "0").encode()}
    run = jailer.observe(Submission("lingers", None, modules), PRACTICE, experiments(["ex1"]))
    assert run.outcomes["dataset.devices"].status == "ok"
    assert wait_until(lambda: not descendants(jailer.pid))


@pytest.mark.parametrize("isolation", ["bubblewrap", "process"])
def test_the_death_of_the_helper_is_that_of_all_and_an_error_of_ours(isolation: str) -> None:
    modules = {"ex1_dataset.py": LINGERS.replace("MUCH", "600").encode()}
    children: set[int] = set()
    with Helper(isolation) as helper:  # type: ignore[arg-type]
        helper.wait_until_ready()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                helper.observe(Submission("lingers", None, modules), PRACTICE, experiments(["ex1"]))
            os._exit(0)
        assert wait_until(lambda: len(descendants(helper.pid)) >= 3)
        time.sleep(0.3)
        children = descendants(helper.pid)
        os.kill(helper.pid, signal.SIGKILL)
        os.waitpid(child, 0)
        assert wait_until(lambda: not children & processes())
        with pytest.raises(CannotGrade, match="has died"):
            helper.observe(read(corpus.SOLUTIONS), PRACTICE)
