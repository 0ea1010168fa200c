"""What the Linux kernel offers to give up rights, called through ctypes: namespaces, capabilities, seccomp, Landlock.

Every function raises OSError when the kernel refuses, and names the call. Nothing here goes on without
what it was asked for. Numbers are from the kernel's uapi headers.
"""

import ctypes
import os
import platform
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

_CLONE_NEWNS = 0x0002_0000
ALL_NAMESPACES = 0x7E02_0000  # mount, cgroup, uts, ipc, user, pid, net

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_EINVAL, _EPERM, _ENOSYS = 22, 1, 38


def _check(answer: int, call: str) -> int:
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{call}: {os.strerror(error)}")
    return answer


def _prctl(option: int, *arguments: int) -> int:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return int(_libc.prctl(option, *(ctypes.c_ulong(a) for a in padded)))


def die_with_parent(signal: int) -> None:
    """Have this process sent `signal` when the thread that forked it ends."""
    _check(_prctl(_PR_SET_PDEATHSIG, signal), "prctl(PR_SET_PDEATHSIG)")


def enter_namespaces(pidfd: int) -> None:
    """Step into all namespaces of another process; into its pid namespace only with children born from now on."""
    _check(_libc.setns(pidfd, ALL_NAMESPACES), "setns")


def own_proc_files() -> None:
    """Let this process write its own files in /proc again: a change of user takes them away."""
    _check(_prctl(_PR_SET_DUMPABLE, 1), "prctl(PR_SET_DUMPABLE)")


def adopt_orphans() -> None:
    """Become the parent of every orphan below this process."""
    _check(_prctl(_PR_SET_CHILD_SUBREAPER, 1), "prctl(PR_SET_CHILD_SUBREAPER)")


def closed_parent(path: Path) -> Path | None:
    """The topmost folder above `path` that not everybody may read."""
    return next((p for p in reversed(path.parents) if p.stat().st_mode & 0o005 != 0o005), None)


def reveal(paths: list[Path]) -> None:
    """Make what lies in closed folders (/root/…, mode 700) readable at its own path, for this process and its
    children alone: in a mount namespace of their own, empty folders cover the closed ones. Needs root.
    """
    _check(_libc.unshare(_CLONE_NEWNS), "unshare(CLONE_NEWNS)")
    _mount(b"none", "/", None, _MS_REC | _MS_PRIVATE)
    handles = {path: os.open(path, os.O_PATH) for path in paths}
    for closed in {closed_parent(path) for path in paths} - {None}:
        _mount(b"tmpfs", str(closed), b"tmpfs", 0, b"mode=755,size=64k")
    for path, handle in handles.items():
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        _mount(f"/proc/self/fd/{handle}".encode(), str(path), None, _MS_BIND | _MS_REC)
        os.close(handle)


def _mount(source: bytes, target: str, kind: bytes | None, flags: int, options: bytes | None = None) -> None:
    _check(
        _libc.mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), options), f"mount on {target}"
    )


def drop_bounding_set() -> None:
    """Give up the right to ever get a capability from a program. Needs CAP_SETPCAP."""
    for capability in range(64):
        if _prctl(_PR_CAPBSET_DROP, capability) < 0:
            if ctypes.get_errno() == _EINVAL:  # past the kernel's last one
                return
            _check(-1, "prctl(PR_CAPBSET_DROP)")


def drop_capabilities() -> None:
    """Give up every capability, and with no_new_privs every program that brings some."""
    _check(_prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL), "prctl(PR_CAP_AMBIENT)")
    _check(_prctl(_PR_SET_NO_NEW_PRIVS, 1), "prctl(PR_SET_NO_NEW_PRIVS)")
    header = struct.pack("Ii", 0x2008_0522, 0)
    _check(_libc.capset(header, bytes(24)), "capset")


# ── seccomp ──────────────────────────────────────────────────────────────────────────────────────

# Only what no other limit bounds: memory outside of RLIMIT_AS, other processes, the kernel's rarer corners.
_DENIED = {
    # name: (x86_64, aarch64)
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "personality": (135, 92),
    "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104),
}
_ARCHITECTURES = {
    # machine: (audit architecture, column above, clone, clone3, socket)
    "x86_64": (0xC000_003E, 0, 56, 435, 41),
    "aarch64": (0xC000_00B7, 1, 220, 435, 198),
}
_X32 = 0x4000_0000  # a second set of numbers for the same calls on x86_64

_LOAD, _IF_EQUAL, _IF_GREATER_OR_EQUAL, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_KILL, _REFUSE, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000
_MODE_FILTER = 2
_AF_UNIX = 1


def denied_system_calls() -> bytes:
    """A deny list as a classic BPF program. Refused calls answer EPERM, as a file's permissions would.

    No socket but AF_UNIX ones, no new namespaces. clone3 hides its flags behind a pointer and answers ENOSYS:
    the C library then takes clone.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(_ENOSYS, f"seccomp: no list of system calls for {machine}")
    architecture, column, clone, clone3, socket = _ARCHITECTURES[machine]
    denied = [(_IF_EQUAL, numbers[column]) for numbers in _DENIED.values()]
    if machine == "x86_64":
        denied.append((_IF_GREATER_OR_EQUAL, _X32))
    lines: list[tuple[str, int, int, str, str]] = [
        # label, what to do, with which value, where to go if so, and if not ("": the next line)
        ("", _LOAD, _ARCHITECTURE, "", ""),
        ("", _IF_EQUAL, architecture, "number", ""),
        ("", _RETURN, _KILL, "", ""),
        ("number", _LOAD, _NUMBER, "", ""),
        *(("", condition, value, "refuse", "") for condition, value in denied),
        ("", _IF_EQUAL, clone3, "unknown", ""),
        ("", _IF_EQUAL, clone, "clone", ""),
        ("", _IF_EQUAL, socket, "socket", "allow"),
        ("clone", _LOAD, _FIRST_ARGUMENT, "", ""),
        ("", _IF_ANY_BIT, ALL_NAMESPACES, "refuse", "allow"),
        ("socket", _LOAD, _FIRST_ARGUMENT, "", ""),
        ("", _IF_EQUAL, _AF_UNIX, "allow", "refuse"),
        ("allow", _RETURN, _ALLOW, "", ""),
        ("unknown", _RETURN, _REFUSE | _ENOSYS, "", ""),
        ("refuse", _RETURN, _REFUSE | _EPERM, "", ""),
    ]
    at = {line[0]: place for place, line in enumerate(lines)}

    def distance(place: int, label: str) -> int:
        return at[label] - place - 1 if label else 0

    return b"".join(
        struct.pack("HBBI", code, distance(place, then), distance(place, otherwise), value)
        for place, (_, code, value, then, otherwise) in enumerate(lines)
    )


def deny_system_calls() -> None:
    """Install the deny list for this process and all its children, for good. Needs no_new_privs."""
    program = denied_system_calls()
    buffer = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    place = ctypes.create_string_buffer(described, len(described))
    _check(_prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(place)), "prctl(PR_SET_SECCOMP)")


# ── Landlock ─────────────────────────────────────────────────────────────────────────────────────

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_EXECUTE, _READ_FILE, _READ_DIR, _WRITE_FILE = 1 << 0, 1 << 2, 1 << 3, 1 << 1
_READ = _EXECUTE | _READ_FILE | _READ_DIR


def landlock_version() -> int:
    """The version of Landlock that this kernel offers, 0 for none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def allow_files(readable: Iterable[Path], devices: Iterable[Path], writable: Iterable[Path]) -> None:
    """From now on, this process and its children reach these files and folders only, and no TCP port, no abstract
    socket and no process outside. What a kernel's version of Landlock doesn't know stays as it is.
    """
    version = landlock_version()
    files = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    networks, scopes = 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0
    size = 8 if version < 4 else 16 if version < 6 else 24
    attributes = struct.pack("QQQ", files, networks, scopes)
    ruleset = _check(
        _libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0)),
        "landlock_create_ruleset",
    )
    rules = [(path, _READ) for path in readable] + [(path, _READ_FILE | _WRITE_FILE) for path in devices]
    for path, rights in [*rules, *((path, files) for path in writable)]:
        handle = os.open(path, os.O_PATH)
        if not path.is_dir():
            rights &= _EXECUTE | _READ_FILE | _WRITE_FILE
        rule = struct.pack("=Qi", rights, handle)
        _check(_libc.syscall(_ADD_RULE, ruleset, 1, rule, ctypes.c_uint32(0)), f"landlock_add_rule({path})")
        os.close(handle)
    _check(_libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)), "landlock_restrict_self")
    os.close(ruleset)
