"""What crosses the boundary between the process that decides a mark and those that run a student's code:
msgpack of the types below, each message behind its length in four bytes. Nothing is ever unpickled.
"""

import socket
import struct
from typing import Any, TypeVar

import msgspec

from tests import limits
from tests.harness.given import Given

T = TypeVar("T")

# An observation with all that may be printed beside it, in UTF-8. More than this is no answer.
FRAME_BYTES = limits.OBSERVATION_BYTES + 4 * limits.OUTPUT_BYTES + (64 << 10)
TASK_BYTES = 64 << 20  # between processes that are trusted: five modules, a report, three pictures
_LENGTH = struct.Struct("<I")


class Request(msgspec.Struct, frozen=True):
    """Run these experiments, a process for each exercise. `cells` is the code of the notebook `name`, None for
    modules."""

    name: str
    modules: dict[str, bytes]
    cells: tuple[tuple[int, str], ...] | None
    given: Given
    exercises: tuple[tuple[str, ...], ...]
    cpu_s: float = limits.SUBMISSION_CPU_SECONDS  # how much time there is, of the processor …
    wall_s: float = limits.SUBMISSION_WALL_SECONDS  # … and on the clock


class Reply(msgspec.Struct, frozen=True, tag=True):
    """What became of an experiment. An `answer` is an encoded Outcome, made by the process that ran the
    student's code: not to be trusted. Everything else is what its supervisor saw."""

    experiment: str
    status: str  # "answered", "died", "timeout", "memory", "disk", "too large", "no time left"
    answer: bytes = b""
    exit: int = 0  # of a process that died; -9: killed by signal 9


class End(msgspec.Struct, frozen=True, tag=True):
    """The last message of a run. With `trouble`, it could not be made, and that is not the student's doing.
    `left` are exercises that need another jail: in this one something was left behind, or it was broken."""

    left: tuple[tuple[str, ...], ...] = ()
    cpu_s: float = 0.0
    trouble: str = ""


Message: Any = Reply | End  # what `receive` is asked for: mypy knows no type of a union


def pack(message: object) -> bytes:
    data = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(data)) + data


def unpack(buffer: bytearray) -> bytes | None:
    """Take the first message off a buffer, once it is complete. Raises ValueError for one that is too large."""
    if len(buffer) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack_from(buffer)
    if size > FRAME_BYTES:
        raise ValueError(f"a message of {size} bytes")
    end = _LENGTH.size + size
    if len(buffer) < end:
        return None
    data = bytes(buffer[_LENGTH.size : end])
    del buffer[:end]
    return data


def receive(connection: socket.socket, kind: type[T], most: int = 2 * FRAME_BYTES) -> T:
    """The next message. Raises EOFError where the other side has gone, ValueError for what is none, TimeoutError."""
    (size,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if size > most:
        raise ValueError(f"a message of {size} bytes")
    return msgspec.msgpack.decode(_exactly(connection, size), type=kind)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(size - len(data), 1 << 18))
        if not part:
            raise EOFError("the other side has gone")
        data += part
    return bytes(data)
