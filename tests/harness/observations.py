"""What an experiment saw: plain typed data, with no expected value in it.

Observations cross a process boundary as msgpack when a submission is graded, so everything here is a
msgspec struct of numbers, strings and bytes. A pair is (weight, bias).
"""

import msgspec
import numpy as np
import numpy.typing as npt

Pair = tuple[float, float]


class Array(msgspec.Struct, frozen=True):
    """A tensor: `dtype` as in "float32", `shape`, the bytes of its values, where it lay."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes
    device: str = "cpu"
    requires_grad: bool = False

    def values(self) -> npt.NDArray[np.float64]:
        """The values as float64, in the tensor's shape."""
        kind = {"bfloat16": "float32"}.get(self.dtype, self.dtype)
        return np.frombuffer(self.data, dtype=kind).reshape(self.shape).astype(np.float64)

    def flat(self) -> npt.NDArray[np.float64]:
        """The values as float64, (N,)."""
        return self.values().reshape(-1)


class Seen(msgspec.Struct, frozen=True):
    """Any value that a student's function returned."""

    type: str  # "Tensor", "tuple", "NoneType", "float", "ndarray", …
    text: str  # a short repr
    tensor: Array | None = None
    items: tuple["Seen", ...] | None = None  # what a tuple or a list holds
    number: float | None = None  # what an int, a float, a bool or a 0-dim tensor says


class Place(msgspec.Struct, frozen=True):
    """A place in the student's code. `cell` is None in a module."""

    file: str
    line: int
    source: str
    cell: int | None = None


class Raised(msgspec.Struct, frozen=True):
    """An exception in the student's code. `place` is None when no line of theirs was running."""

    type: str
    message: str
    place: Place | None = None
    todo: bool = False  # a `raise NotImplementedError` statement of the stub


class Outcome(msgspec.Struct, frozen=True):
    """One experiment, run once: its encoded observation, or why there is none."""

    status: str  # "ok", "raised", "timeout", "missing" (no such function), "unreadable" (no such module), "lost"
    observation: bytes = b""
    raised: Raised | None = None
    function: str | None = None  # the student's function that the experiment is about …
    place: Place | None = None  # … and where it is defined
    output: str = ""  # what the student's code printed
    warnings: tuple[str, ...] = ()


class Attempt(msgspec.Struct, frozen=True):
    """A call that may rightly raise: what came back, or the exception."""

    returned: Seen | None = None
    raised: Raised | None = None
