"""A class on a Dask cluster: a scheduler and workers in processes, and where root may, in networks of their own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec
import pytest

import grading.batch.cluster as cluster_module
from grading.batch.cluster import Cluster, grade_there
from grading.jail import ROOT
from grading.pool import Pool
from grading.submissions import read
from grading.tests import batches, commands, corpus
from grading.tests.batches import KEY, results, run
from grading.tests.processes import descendants, free_port, processes, wait_until
from grading.variants import derive
from grading.warm import CannotGrade
from grading.worker import Task

STUDENTS = 12
DASK = Path(sys.executable).with_name("dask")
HUB = "10.77.0.1"


class Machines:
    """Processes that each believe to be on a machine of their own: with root's help they are on networks apart."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._apart = os.getuid() == 0
        self._networks: dict[str, int] = {}  # name -> a process that keeps it there
        self._started: list[subprocess.Popen[bytes]] = []
        stack.callback(self._end)
        if self._apart:
            self._network("hub")
            self._in("hub", "ip", "link", "add", "name", "switch", "type", "bridge")
            self._in("hub", "ip", "address", "add", f"{HUB}/24", "dev", "switch")
            self._in("hub", "ip", "link", "set", "switch", "up")

    def address(self, machine: str) -> str:
        return "127.0.0.1" if not self._apart else HUB if machine == "hub" else self._join(machine)

    def start(self, machine: str, *command: object, **options: Any) -> "subprocess.Popen[bytes]":
        """Start a process there; what it prints is in the folder, in MACHINE.txt."""
        inside = self._inside(machine) if self._apart else []
        log = (self._folder / f"{machine}.txt").open("ab")
        self._stack.callback(log.close)
        options = {"stdout": log, "stderr": log, "cwd": ROOT, "start_new_session": True} | options
        started = subprocess.Popen([*inside, *map(str, command)], stdin=subprocess.DEVNULL, **options)
        self._started.append(started)
        return started

    def said(self, machine: str) -> str:
        return (self._folder / f"{machine}.txt").read_text(errors="replace")

    def _network(self, name: str) -> None:
        keeper = subprocess.Popen(["unshare", "--net", "sleep", "3600"], start_new_session=True)
        self._started.append(keeper)
        assert wait_until(
            lambda: os.readlink(f"/proc/{keeper.pid}/ns/net") != os.readlink("/proc/self/ns/net")
        )
        self._networks[name] = keeper.pid
        self._in(name, "ip", "link", "set", "lo", "up")

    def _join(self, machine: str) -> str:
        """The address of a machine, which joins the others if it hasn't yet."""
        if machine not in self._networks:
            self._network(machine)
            link, there = f"to-{machine}", self._networks[machine]
            self._in(
                "hub",
                "ip",
                "link",
                "add",
                "name",
                link,
                "type",
                "veth",
                "peer",
                "name",
                "out",
                "netns",
                there,
            )
            self._in("hub", "ip", "link", "set", link, "master", "switch", "up")
            self._in(machine, "ip", "address", "add", f"10.77.0.{len(self._networks)}/24", "dev", "out")
            self._in(machine, "ip", "link", "set", "out", "up")
        return f"10.77.0.{[*self._networks].index(machine) + 1}"

    def _inside(self, machine: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._networks[machine]}/ns/net", "--"]

    def _in(self, machine: str, *command: object) -> None:
        subprocess.run([*self._inside(machine), *map(str, command)], check=True)

    def _end(self) -> None:
        for process in reversed(self._started):
            for pid in {process.pid, *descendants(process.pid)}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with contextlib.ExitStack() as stack:
        yield Machines(stack, tmp_path_factory.mktemp("machines"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Dask's own settings, in the environment, for a cluster that speaks TLS only."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=kit", "-days", "2"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = {
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(certificate),
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "1",
    }
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        tls[f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT"] = str(certificate)
        tls[f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY"] = str(key)
    return os.environ | tls


def test_workers_come_and_go(machines: Machines, secured: dict[str, str], tmp_path: Path) -> None:
    """One is killed in the middle, one is added, one has another kit: all marks are there, and right.

    Then the scheduler is killed: one clear error, and the same command goes on, without a cluster as well.
    """
    folder = batches.classroom(tmp_path / "class", STUDENTS)
    with contextlib.closing(Pool(2, "bubblewrap", KEY)) as pool:
        run(folder, tmp_path / "expected", lambda: pool)
        expected = results(tmp_path / "expected")
    address = f"tls://{machines.address('hub')}:{free_port()}"
    scheduler = [
        DASK,
        "scheduler",
        "--no-dashboard",
        "--host",
        address.rpartition(":")[0],
        "--port",
        address.rpartition(":")[2],
    ]
    at_hub = machines.start("hub", *scheduler, env=secured)

    def worker(name: str, kit: Path = ROOT) -> "subprocess.Popen[bytes]":
        place = tmp_path / f"scratch-{name}"
        command = [DASK, "worker", address, "--nthreads", 1, "--no-dashboard", "--local-directory", place]
        command += ["--host", f"tls://{machines.address(name)}"]
        return machines.start(name, *command, env=secured | {"PYTHONPATH": str(kit)}, cwd=kit)

    older = tmp_path / "kit"
    for part in ("grading", "tests"):
        shutil.copytree(ROOT / part, older / part, ignore=shutil.ignore_patterns("corpus", "__pycache__"))
    (older / "tests" / "limits.py").write_text(
        (ROOT / "tests" / "limits.py").read_text() + "\nSOMETHING = 1\n"
    )
    first, _ = worker("first"), worker("other", older)
    assert wait_until(lambda: all("Registered to" in machines.said(name) for name in ("first", "other")), 60)

    (tmp_path / "course.key").write_bytes(KEY)
    command = [sys.executable, "-m", "grading", "batch", folder, "--secret-file", tmp_path / "course.key"]
    command += ["--no-plots", "--dask", address]
    out = tmp_path / "out"
    batch = machines.start("hub", *command, "--out", out, env=secured)
    assert wait_until(lambda: len(list(out.glob("reports/*.json"))) >= 2, 120), machines.said("hub")
    theirs = {first.pid, *descendants(first.pid)}
    for pid in theirs:
        os.kill(pid, signal.SIGKILL)
    first.wait()
    assert len(list(out.glob("reports/*.json"))) < STUDENTS
    worker("second")
    assert batch.wait(timeout=120) == 1
    assert results(out) == expected
    assert "takes no part" in machines.said("hub")
    assert "No worker is ready: waiting for one." in machines.said("hub")
    assert "has another kit" in machines.said("other")
    assert wait_until(lambda: not theirs & processes(), 60)

    again = tmp_path / "again"
    batch = machines.start("hub", *command, "--out", again, env=secured)
    assert wait_until(lambda: list(again.glob("reports/*.json")), 120)
    at_hub.kill()
    assert batch.wait(timeout=120) == 2
    said = machines.said("hub")
    assert "Traceback" not in said, said
    assert "Stopped: " in said
    with contextlib.closing(Pool(2, "bubblewrap", KEY)) as pool:
        run(folder, again, lambda: pool)
    assert results(again) == expected


class Recorder:
    """In the place of Dask's client."""

    def __init__(self, address: str, **options: object) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def submit(self, *call: Any, pure: bool) -> "Future[bytes]":
        self.sent.append(call)
        return Future()

    def close(self, timeout: float) -> None: ...


def test_the_course_key_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker gets the numbers of the submission at hand, and nothing that others could be made from."""
    monkeypatch.setattr(cluster_module, "Client", Recorder)
    submission = read(corpus.SOLUTIONS)
    with contextlib.closing(Cluster("tcp://nowhere:1", "bubblewrap", KEY, plots=False)) as cluster:
        cluster.start(submission, "ada")
        sent: list[tuple[Any, ...]] = cluster._client.sent
        assert wait_until(lambda: sent, 60)
    function, _, data = sent[0]
    assert function is grade_there
    assert msgspec.msgpack.decode(data, type=Task) == Task(submission, "ada", derive(KEY, "ada"))
    assert KEY not in data
    assert KEY not in bytes(repr(vars(cluster._graders)), "utf-8")


@pytest.mark.parametrize("wrong", ["", "foo", "tcp://127.0.0.1", "http://127.0.0.1:8786"])
def test_what_is_no_address(wrong: str, tmp_path: Path) -> None:
    done = commands.grading("batch", tmp_path, "--out", tmp_path / "out", "--dask", wrong)
    assert done.returncode == 2
    assert (
        done.stderr
        == f"Stopped: --dask {wrong!r} is no scheduler's address: one looks like tcp://HOST:8786.\n"
    )


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 1)
    with pytest.raises(CannotGrade, match=r"^No Dask scheduler answers at tcp://127\.0\.0\.1:9 "):
        Cluster("tcp://127.0.0.1:9", "bubblewrap", None, plots=False)
