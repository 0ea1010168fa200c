"""`make reset EX=2`: the stub again, with the student's file kept beside it."""

import time
from pathlib import Path

from tests.coach import files
from tests.coach.commands import command
from tests.coach.curriculum import Exercise
from tests.coach.suite import ROOT
from tests.coach.terminal import Screen

STUBS = Path(__file__).resolve().parents[1] / "stubs"


def reset(exercise: Exercise, screen: Screen) -> None:
    """Put the exercise's stub back, and say where the old file is now.

    Raises ValueError, with words for the student, where that can't be done: their file is then as it was.
    """
    if exercise.file is None:
        raise ValueError(f"{exercise.title}: it has no file of its own, so there is nothing to put back.")
    file, name = ROOT / "exercises" / exercise.file, f"exercises/{exercise.file}"
    if file.is_dir():
        raise ValueError(f"{name} is a folder. Move it away, then {command('reset', exercise.number)} again.")
    try:
        stub = (STUBS / exercise.file).read_bytes()
    except OSError as error:
        raise ValueError(f"tests/stubs/{exercise.file} can't be read ({error.strerror}).") from None
    try:
        kept = _replace(file, stub)
    except OSError as error:
        raise ValueError(f"{name} can't be replaced ({error.strerror}): it is as it was.") from None
    if kept == file:
        screen.line(f"{name} is the stub already. Nothing was changed.")
    elif kept:
        screen.line(f"{name} is the stub again. Your file is kept, as exercises/{kept.name}")
    else:
        screen.line(f"{name} did not exist. Now it is the stub.")


def _replace(file: Path, stub: bytes) -> Path | None:
    """Where the old file is kept: itself if it is the stub, None if there was none. Raises OSError."""
    file.parent.mkdir(exist_ok=True)
    try:
        old = file.read_bytes()
    except FileNotFoundError:
        kept = None
    else:
        if _text(old) == _text(stub):
            return file
        kept = _keep(file, old)
    files.replace(file, stub)
    return kept


def _text(data: bytes) -> bytes:
    """The same for all that an editor or git may do to a file that nobody changed: other line ends, a byte order mark."""
    return data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")


def _keep(file: Path, data: bytes) -> Path:
    """Write the data beside the file, under a name with the time in it that nothing has yet."""
    name, number = f"{file.stem}.{time.strftime('%Y-%m-%d_%H-%M-%S')}", 1
    kept = file.with_name(f"{name}{file.suffix}")
    while kept.exists():
        number += 1
        kept = file.with_name(f"{name}_{number}{file.suffix}")
    copy = kept.open("xb")  # x: another program's file is never overwritten
    try:
        with copy:
            copy.write(data)
    except OSError:
        kept.unlink()
        raise
    return kept
