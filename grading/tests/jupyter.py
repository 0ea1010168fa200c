"""A real Jupyter server, as an instructor or a student starts it, and a browser that is logged in."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from grading.tests.browser import Browser, chromium
from grading.tests.processes import free_port, wait_until

TOKEN = "a-token-of-the-tests"
# Whatever a page wants from elsewhere isn't there. So a test is the same with a network and without.
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


class Server(NamedTuple):
    url: str
    pid: int


@contextlib.contextmanager
def lab(folder: Path, home: Path) -> Iterator[Server]:
    """`jupyter lab` in a folder, that and no more. home: an empty folder, for what Jupyter writes."""
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR", "CONFIG_PATH", "PATH")
    environment = os.environ | {f"JUPYTER_{name}": str(home / name) for name in places} | {"HOME": str(home)}
    port = free_port()
    command = [
        *(
            Path(sys.executable).with_name("jupyter"),
            "lab",
            "--no-browser",
            "--ip=127.0.0.1",
            f"--port={port}",
        ),
        *("--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", "--allow-root"),
    ]
    log = home / "log"
    with log.open("w") as stream:
        started = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        assert wait_until(lambda: _listens(port) or started.poll() is not None, 60), log.read_text()
        assert started.poll() is None, log.read_text()
        yield Server(f"http://127.0.0.1:{port}", started.pid)
    finally:
        started.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


@contextlib.contextmanager
def visited(server: Server, profile: Path, screens: Path) -> Iterator[Browser]:
    """A browser that is logged in."""
    with chromium(profile, ALONE) as driver:
        # formgrader's own pages forget the token: their cookie has no path
        driver.get(f"{server.url}/api/status?token={TOKEN}")
        yield Browser(driver, screens)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
