"""What the student's plot functions draw, as PNG.

Whoever shows a picture makes its bytes: from a student's process come pixels, of one size, and nothing else is
believed. No torch and no matplotlib here.
"""

import struct
import zlib
from typing import Annotated, Literal

import msgspec

from tests.harness.observations import Outcome

# exercise -> its experiment in tests/harness, and the student's function that draws
PICTURES = {
    "ex1": ("dataset.picture", "plot_data"),
    "ex3": ("training.picture", "plot_loss_curves"),
    "ex4": ("predictions.picture", "plot_predictions"),
}
CAPTIONS = {
    "plot_loss_curves": "Drawn with made-up losses, not with those of your training.",
    "plot_predictions": "Drawn with made-up predictions, not with those of your model.",
}
WIDTH, HEIGHT = 480, 360
_BYTES = WIDTH * HEIGHT * 3


class _Pixels(msgspec.Struct):
    """An `observations.Array` as it has to be here: decoding it runs no code of ours on a student's numbers."""

    dtype: Literal["uint8"]
    shape: tuple[Literal[360], Literal[480], Literal[3]]
    data: Annotated[bytes, msgspec.Meta(min_length=_BYTES, max_length=_BYTES)]


class _Picture(msgspec.Struct):
    pixels: _Pixels


def png(outcome: Outcome) -> bytes | None:
    """The picture that an experiment of `PICTURES` drew; None where there is none, or it can't be read."""
    if outcome.status != "ok":
        return None
    try:
        pixels = msgspec.msgpack.decode(outcome.observation, type=_Picture).pixels.data
    except (msgspec.DecodeError, RecursionError):
        return None
    row = WIDTH * 3
    # Every row begins with the number of its filter: 0, none.
    rows = b"".join(b"\0" + pixels[at : at + row] for at in range(0, _BYTES, row))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)  # 8 bits a colour, red, green and blue
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
