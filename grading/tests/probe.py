"""What student code can see and do where it runs: a first module that looks around and prints what it found."""

import json
from typing import Any

from grading.submissions import Submission
from grading.warm import Helper, experiments
from tests.harness.given import PRACTICE

LOOK = """
import ctypes, json, os, resource, socket, sys, pathlib

LIBC = ctypes.CDLL(None, use_errno=True)
PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS = 21, 23, 39

def may(action, *arguments):
    try:
        action(*arguments)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "yes"

def connect(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(2)
        s.connect(address)
        s.send(b"hello")

def write(path):
    with open(path, "a") as file:
        file.write("x")

def system_call(number, *arguments):
    answer = LIBC.syscall(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def pick_device():
    ask = ASK
    harness = os.path.dirname(sys.modules["tests.harness"].__file__)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert LIBC.capget(header, sets) == 0
    found = {
        "environment": sorted(os.environ),
        "descriptors": [number for number in range(256) if may(os.fstat, number) == "yes"],
        "uid": os.getuid(), "groups": os.getgroups(), "pid": os.getpid(),
        "hostname": socket.gethostname(),
        "capabilities": [*sets, *(LIBC.prctl(PR_CAPBSET_READ, n, 0, 0, 0) for n in range(40))],
        "no_new_privs": LIBC.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), "seccomp": LIBC.prctl(PR_GET_SECCOMP, 0, 0, 0, 0),
        "read": {path: may(lambda p: os.listdir(p) if os.path.isdir(p) else open(p).read(1), path) for path in ask["read"]},
        "write": {path: may(write, path) for path in [*ask["write"], harness + "/x.py", __file__]},
        "tmp": may(write, os.environ["HOME"] + "/mine"),
        "tcp": may(connect, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", ask["port"])),
        "udp": may(connect, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", ask["port"])),
        "tcp6": may(connect, socket.AF_INET6, socket.SOCK_STREAM, ("::1", ask["port"])),
        "abstract": may(connect, socket.AF_UNIX, socket.SOCK_STREAM, "\\0" + ask["name"]),
        "netlink": may(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)),
        "become root": may(os.setuid, 0),
        "new namespace": may(system_call, 272, 0x10000000),
        "clone into one": may(system_call, 56, 0x10000000 | 17, 0, 0, 0, 0),
        "memfd": may(system_call, 319, b"x", 0),
        "ptrace": may(system_call, 101, 0, 0, 0, 0),
        "processes": sorted(int(p) for p in (os.listdir("/proc") if may(os.listdir, "/proc") == "yes" else []) if p.isdigit()),
        "modules": sorted(name for name in sys.modules if name.split(".")[0] in ("tests", "grading", "solutions", "_pytest")),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_CORE")},
    }
    print(json.dumps(found))
    return "cpu"
"""


def look(helper: Helper, **ask: Any) -> dict[str, Any]:
    """The facts. ask: what to try: files to "read" and to "write", a "port", the "name" of a socket."""
    source = LOOK.replace("ASK", repr(ask))
    run = helper.observe(
        Submission("probe", None, {"ex1_dataset.py": source.encode()}), PRACTICE, experiments(["ex1"])
    )
    outcome = run.outcomes["dataset.devices"]
    assert outcome.status == "ok", outcome
    found: dict[str, Any] = json.loads(outcome.output.splitlines()[0])
    return found
