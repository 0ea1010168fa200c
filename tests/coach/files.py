"""Files that are never half written."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path


def replace(file: Path, data: bytes) -> None:
    """Whoever reads finds the old content or the new. Raises OSError."""
    with whole(file) as beside:
        beside.write_bytes(data)


@contextlib.contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A place beside the file, to write to; renamed in the end. All of it, or what was there stays. Raises OSError."""
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        yield beside
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
