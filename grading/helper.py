"""The warm helper, `python -m grading.helper FD ISOLATION`: everything that an experiment needs is loaded and has
run once, and nothing secret is in it. For every run it forks, and the fork steps into a fresh jail.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import tempfile

from grading import kernel, wire
from grading.bubblewrap import Bubblewrap
from grading.jail import ENVIRONMENT, Jail, NoJail
from grading.process import Process
from grading.supervise import supervise
from tests.harness import warm

ISOLATIONS: dict[str, type[Jail]] = {"bubblewrap": Bubblewrap, "process": Process}


def main(control: socket.socket, isolation: str) -> None:
    """Serve runs until the other side hangs up. Each arrives as one descriptor: the run's own connection."""
    try:
        ISOLATIONS[isolation].prepare()
    except NoJail as error:
        control.sendall(wire.pack(wire.End(trouble=str(error))))
        return
    warm.up()
    os.environ.clear()  # of what the imports added
    os.environ.update(ENVIRONMENT)
    tempfile.tempdir = ENVIRONMENT["HOME"]
    gc.collect()
    gc.freeze()  # what the collector leaves alone stays shared with the forks
    control.sendall(wire.pack(wire.End()))
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        _reap()
        if not message:
            return
        if os.fork() == 0:
            try:
                control.close()
                _run(socket.socket(fileno=descriptors[0]), isolation)
            finally:
                os._exit(0)
        os.close(descriptors[0])


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _run(host: socket.socket, isolation: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # through `finally`
    kernel.die_with_parent(signal.SIGTERM)
    jail = None
    try:
        request = wire.receive(host, wire.Request)
        jail = ISOLATIONS[isolation](request.modules)
        supervise(jail, request, host)
    except NoJail as error:
        host.sendall(wire.pack(wire.End(trouble=str(error))))
    except BrokenPipeError:
        pass  # nobody waits for the answer any more
    except Exception as error:
        host.sendall(
            wire.pack(wire.End(trouble=f"the grader itself failed: {type(error).__name__}: {error}"))
        )
    finally:
        if jail:
            jail.close()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
