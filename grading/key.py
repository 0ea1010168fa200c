"""The course key: what the secret numbers are made from. Whoever has it can know them."""

import os
import secrets
from pathlib import Path

from grading.warm import CannotGrade

KEY = "course.key"  # in a course's folder
KEY_BYTES = 16  # less can be guessed


def read_key(file: Path) -> bytes:
    """Raises CannotGrade."""
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise CannotGrade(f"The course key {file} can't be read: {error.strerror}.") from None
    if len(key) < KEY_BYTES:
        raise CannotGrade(f"{file} is no course key: one has {KEY_BYTES} bytes or more, this has {len(key)}.")
    return key


def write_key(file: Path) -> None:
    """A new key, for its owner's eyes only. Raises FileExistsError: a course keeps its key."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as stream:
        stream.write(secrets.token_hex(32) + "\n")
