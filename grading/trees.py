"""A submission's files, listed and read with care: a folder on disk or a zip in memory.

Nothing is written, nothing is followed out of the tree, and no more is read than was asked for. What breaks a
rule raises `Refused`.
"""

import contextlib
import io
import itertools
import os
import re
import stat
import zipfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

MOST_ENTRIES = 20_000  # looked at in one submission
DEEPEST = 20  # folders below the submission's own; what lies deeper is not looked at

FILE, FOLDER, LINK, OTHER = "a file", "a folder", "a symbolic link", "a device, a pipe or a socket"

# What a pushed repository or a zip carries along, beside everything that is hidden.
_CARRIED_ALONG = {"venv", "node_modules", "__pycache__", "__MACOSX", "site-packages", "tests"}
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Refused(ValueError):
    """A submission that can't be graded. The text says what is wrong, where, and what to do next."""


class Entry(msgspec.Struct, frozen=True):
    """One name in a tree. `unsafe` says what is wrong with it; `index` is its place in a zip's directory."""

    parts: tuple[str, ...]
    kind: str = FILE
    unsafe: str = ""
    index: int = 0

    @property
    def name(self) -> str:
        return self.parts[-1]

    def __str__(self) -> str:
        return shown("/".join(self.parts))


class Tree(Protocol):
    """A submission's files."""

    def entries(self) -> list[Entry]:
        """Everything in the tree, the shallowest first, but for what lies in an ignored folder."""

    def read(self, entry: Entry, most: int) -> bytes:
        """The bytes of a file of at most so many. Raises Refused for whatever isn't one."""


def plain(text: str, most: int = 100) -> str:
    """Text from a submission as it may stand in a report: printable, on one line, cut in its middle."""
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in _cut(text, most))
    return _cut("".join(escaped), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 2 :]}"


def shown(name: str) -> str:
    """A name from a submission as it may stand in a sentence."""
    return "'" + plain(name).replace("'", "\\'") + "'"


def ignored(folder: str) -> bool:
    """Whether a folder of this name is passed over."""
    return (folder.startswith(".") and folder != "..") or folder in _CARRIED_ALONG


def megabytes(size: int) -> str:
    return f"{size >> 20} MB"


def read_file(path: Path | str, most: int, name: str, at: int | None = None) -> bytes:
    """The bytes of a regular file, without following a link. `at`: the descriptor of the folder it lies in.

    Raises Refused when it isn't one, is larger than `most`, or can't be read.
    """
    try:
        before = _insist(os.lstat(path, dir_fd=at), name)
        with open(os.open(path, _READ, dir_fd=at), "rb") as stream:
            now = _insist(os.fstat(stream.fileno()), name)
            size = now.st_size
            data = stream.read(min(size, most) + 1)
    except OSError as error:
        raise Refused(f"{name} can't be read: {error.strerror}. May you read it?") from None
    if size > most:
        raise too_large(name, most)
    if (before.st_dev, before.st_ino) != (now.st_dev, now.st_ino) or len(data) != size:
        raise Refused(f"{name} changed while it was read. Run this again when nobody writes there.")
    return data


def too_large(name: str, most: int) -> Refused:
    return Refused(
        f"{name} is larger than {megabytes(most)}. Ask for a smaller one: source is never that large."
    )


def _insist(status: os.stat_result, name: str) -> os.stat_result:
    """Raises Refused for anything but a regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise not_a_file(name, _kind(status.st_mode))
    return status


def not_a_file(name: str, kind: str) -> Refused:
    return Refused(f"{name} is {kind}, not a file. Put the file itself in its place.")


def _kind(mode: int) -> str:
    known = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK}
    return known.get(stat.S_IFMT(mode), OTHER)


class Folder:
    """A folder on disk. Every name is opened from the descriptor of the one above, so that none can be swapped
    for a link in between."""

    def __init__(self, path: Path) -> None:
        """Raises OSError when `path` can't be opened, or is no folder but a link to one."""
        self._root = os.open(path, _READ | os.O_DIRECTORY)

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._root)

    def entries(self) -> list[Entry]:
        found: list[Entry] = []
        waiting: deque[tuple[str, ...]] = deque([()])
        while waiting:
            parts = waiting.popleft()
            for entry in self._listed(parts):
                found.append(entry)
                if len(found) > MOST_ENTRIES:
                    raise _too_many("the folder")
                if entry.kind == FOLDER and not ignored(entry.name) and len(entry.parts) <= DEEPEST:
                    waiting.append(entry.parts)
        return sorted(found, key=lambda entry: (len(entry.parts), entry.parts))

    def read(self, entry: Entry, most: int) -> bytes:
        with self._opened(entry.parts[:-1]) as folder:
            return read_file(entry.name, most, str(entry), folder)

    def _listed(self, parts: tuple[str, ...]) -> Iterator[Entry]:
        with self._opened(parts) as folder, os.scandir(folder) as listing:
            for item in listing:
                kind = (
                    LINK if item.is_symlink()
                    else FOLDER if item.is_dir(follow_symlinks=False)
                    else FILE if item.is_file(follow_symlinks=False)
                    else OTHER
                )  # fmt: skip
                yield Entry((*parts, item.name), kind)

    @contextlib.contextmanager
    def _opened(self, parts: tuple[str, ...]) -> Iterator[int]:
        """The descriptor of a folder in the tree."""
        folder = os.dup(self._root)
        try:
            for part in parts:
                above, folder = folder, os.open(part, _READ | os.O_DIRECTORY, dir_fd=folder)
                os.close(above)
            yield folder
        finally:
            os.close(folder)


class Archive:
    """A zip in memory. Its members are read, never extracted."""

    def __init__(self, data: bytes, name: str) -> None:
        """Raises Refused when `data` is no zip, or one that was made to do harm."""
        self._name = name
        # Each entry of the directory starts with these bytes: too many are refused before any is parsed.
        if data.count(b"PK\x01\x02") > MOST_ENTRIES:
            raise _too_many(name)
        with self._refusing(name):
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self._infos = self._zip.infolist()
        spans = sorted((info.header_offset, info.compress_size) for info in self._infos)
        for (start, size), (following, _) in itertools.pairwise(spans):
            if start + 30 + size > following:  # 30: the least that a member's own header takes
                raise Refused(
                    f"{name} has entries that overlap: no zip program makes that. Ask for a new zip."
                )

    def entries(self) -> list[Entry]:
        found = [_member(info, index) for index, info in enumerate(self._infos)]
        kept = [e for e in found if len(e.parts) <= DEEPEST + 1 and not any(map(ignored, e.parts[:-1]))]
        return sorted(kept, key=lambda entry: (len(entry.parts), entry.parts))

    def read(self, entry: Entry, most: int) -> bytes:
        info, name = self._infos[entry.index], f"{entry} in {self._name}"
        if entry.unsafe:
            raise Refused(f"{name} {entry.unsafe}. Ask for a zip made by the system's own program.")
        if entry.kind != FILE:
            raise not_a_file(name, entry.kind)
        if info.flag_bits & 0x41:
            raise Refused(f"{name} is encrypted. Ask for a zip without a password.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(
                f"{name} is compressed in an unusual way. Ask for a zip made by the system's own program."
            )
        if info.file_size > most:
            raise too_large(name, most)
        with self._refusing(name), self._zip.open(info) as stream:
            data = stream.read(most + 1)
        if len(data) != info.file_size:
            raise _damaged(name)
        return data

    @contextlib.contextmanager
    def _refusing(self, name: str) -> Iterator[None]:
        """zipfile has no one exception for bad input: what it raises comes from whatever it stumbled over."""
        try:
            yield
        except Exception:
            raise _damaged(name) from None


def _member(info: zipfile.ZipInfo, index: int) -> Entry:
    """The entry for a zip's member, by the name as it is stored: `filename` ends at the first NUL byte."""
    name = info.orig_filename
    if name.count("/") + name.count("\\") > 2 * DEEPEST:
        return Entry(("",) * (DEEPEST + 2), OTHER, "", index)
    path = re.sub(r"^[A-Za-z]:", "", name)
    parts = tuple(part for part in re.split(r"[/\\]", path) if part not in ("", ".")) or ("",)
    unsafe = (
        "starts with a drive letter" if path != name
        else "has backslashes in its name" if "\\" in name
        else "has an absolute path" if name.startswith("/")
        else "leads out of the zip with '..'" if ".." in parts
        else ""
    )  # fmt: skip
    mode = info.external_attr >> 16
    kind = FOLDER if name.endswith("/") else _kind(mode) if stat.S_IFMT(mode) else FILE
    return Entry(parts, kind, unsafe, index)


def _too_many(name: str) -> Refused:
    return Refused(
        f"{name} holds more than {MOST_ENTRIES:,} files and folders. "
        "Hand in the exercises only, without a virtual environment or data."
    )


def _damaged(name: str) -> Refused:
    return Refused(f"{name} is damaged, or no zip at all. Ask for a new one, and try to unpack it before.")
