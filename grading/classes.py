"""A whole class: which of all the files are whose, and one submission after another.

A class is a folder or a zip. In it lies for each student a folder, a zip or a notebook, named by an LMS (see
grading.lms) or with the student's id; or the files of all students side by side, named by an LMS.
"""

import contextlib
import hashlib
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from grading import lms, notebooks
from grading.submissions import MODULES, Refused, Submission, choose
from grading.trees import FILE, FOLDER, LINK, MOST_ENTRIES, Archive, Entry, Folder, ignored, shown

METADATA = "submission_metadata.yml"  # Gradescope's: whose, when, and every result
_MOST_METADATA = 256 << 20
# Whatever students said stands further to the right in that file: Gradescope's own words are all at these columns.
_RECEIVED = re.compile(rb"^submission_([0-9]{1,20}):\s*$|^  :created_at: ([^\n]{1,80})$", re.MULTILINE)

_LONGEST = 200  # bytes of a student's id: files beside the student's folder have longer names


class Handed(msgspec.Struct, frozen=True):
    """What one student handed in, or why it can't be read.

    student: the id; where what was told for one can't be part of a path, "unnamed-…" and refused.
    received: when, as the LMS's export itself records it; None where it doesn't.
    """

    student: str
    submission: Submission | None = None
    refused: str = ""
    received: datetime | None = None


def each(path: Path, expect: Callable[[int], None] = lambda students: None) -> Iterator[Handed]:
    """The submissions of a class, sorted by student, one in memory at a time. `expect` is told first how many.

    A submission that can't be read stops none of the others. Raises Refused when `path` itself holds no class.
    """
    with opened(path) as whole:
        all_of_them = shares(whole, path)
        expect(len(all_of_them))
        yield from map(_handed, all_of_them)


def path_part(name: str) -> str:
    """The id of a student or an assignment, if a folder can bear it and nbgrader can find it again. Raises Refused."""
    wrong = (
        "is empty" if not name
        else "starts with a dot" if name.startswith(".")
        else "starts or ends with a space" if name != name.strip()
        else "holds one of / \\ * ? [ ] < > \"" if set(name) & set("/\\*?[]<>\"")  # formgrader escapes none of them
        else "holds characters that can't be printed" if not name.isprintable()
        else "is too long" if len(name.encode()) > _LONGEST
        else ""
    )  # fmt: skip
    if wrong:
        raise Refused(f"{shown(name)} {wrong}: it can't be the id of a student or an assignment. Rename it.")
    return name


class Class(Protocol):
    """What a class lies in. An entry is relative to it."""

    def tops(self) -> list[Entry]:
        """What lies at the top."""

    def below(self, top: Entry) -> list[Entry]:
        """Everything in a folder at the top, relative to that folder."""

    def read(self, entry: Entry, most: int) -> bytes:
        """See trees.Tree."""


class Share:
    """What one student has in a class. A Tree, as if there were nothing else."""

    def __init__(self, whole: Class, told: str, tops: list[Entry], received: datetime | None) -> None:
        """`told`: who it is of, as the names tell it."""
        self._whole = whole
        self._told = told
        self._tops = tops
        self._alone = tops[0].parts if len(tops) == 1 and tops[0].kind == FOLDER else ()
        self.student = _id(told)
        self.received = received
        self.name = tops[0].name if len(tops) == 1 else told

    def entries(self) -> list[Entry]:
        """Raises Refused where it can't be told what is meant, OSError where it can't be read."""
        path_part(self._told)
        if len(self._tops) > 1 and not all(lms.parse(top.name) for top in self._tops):
            names = ", ".join(map(str, self._tops[:3]))
            raise Refused(
                f"{shown(self.student)} is there more than once: {names}. Leave the right one only."
            )
        found = [] if self._alone else list(self._tops)
        for top in self._tops:
            if top.kind == FOLDER:
                above = () if self._alone else top.parts
                found += [_moved(entry, (*above, *entry.parts)) for entry in self._whole.below(top)]
        if len(found) > MOST_ENTRIES:
            raise Refused(f"{shown(self.name)} holds more than {MOST_ENTRIES:,} files and folders.")
        return sorted(found, key=lambda entry: (len(entry.parts), entry.parts))

    def read(self, entry: Entry, most: int) -> bytes:
        return self._whole.read(_moved(entry, (*self._alone, *entry.parts)), most)


def shares(whole: Class, path: Path) -> list[Share]:
    """Whose is what in a class, sorted by student. `path`: where the class lies, for messages. Raises Refused."""
    theirs: dict[str, list[Entry]] = {}
    times: dict[str, datetime] = {}
    for top in whole.tops():
        if top.name == METADATA:
            times = received(whole.read(top, _MOST_METADATA))
        elif top.name in (*MODULES, "exercises", notebooks.FILE):
            raise Refused(
                f"{shown(path.name)} is one submission, not those of a class: {top.name} lies in it. "
                "Name the folder above it, or grade this one alone."
            )
        elif not _is_nobodys(top):
            own = top.name if top.kind == FOLDER else Path(top.name).stem
            export = lms.parse(top.name) or lms.parse(own)
            theirs.setdefault(export.student if export else own, []).append(top)
    if not theirs:
        raise Refused(f"{shown(path.name)} holds no submissions. Is it the right one?")
    return [
        Share(whole, told, sorted(theirs[told], key=lambda top: top.parts), times.get(told))
        for told in sorted(theirs, key=_id)
    ]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Class]:
    """The class in a folder or a zip. Raises Refused."""
    with contextlib.ExitStack() as stack:
        yield _opened(path, stack)


def is_exported(whole: Class) -> bool:
    """Whether an LMS has named what is in it."""
    return any(top.name == METADATA or lms.parse(top.name) for top in whole.tops())


def received(metadata: bytes) -> dict[str, datetime]:
    """When Gradescope received the submissions, by their number.

    >>> received(b"submission_12:\\n  :created_at: 2026-04-26 17:34:00.861687000 Z\\n")["12"].isoformat()
    '2026-04-26T17:34:00.861687+00:00'
    """
    times: dict[str, datetime] = {}
    number = ""
    for found in _RECEIVED.finditer(metadata):
        if found[1]:
            number = found[1].decode()
        elif when := _time(found[2].decode(errors="replace")):
            times.setdefault(number, when)
    return times


def _opened(path: Path, stack: contextlib.ExitStack) -> Class:
    try:
        path = Path(os.path.abspath(path))
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            return _without_wrapper(_OnDisk(path))
        if stat.S_ISREG(mode) and path.suffix.lower() == ".zip":
            return _Zip(stack.enter_context(open(path, "rb")), path)
    except Refused:
        raise
    except (OSError, ValueError) as error:
        why = f"can't be read: {error.strerror}" if isinstance(error, OSError) else "is no path"
        raise Refused(f"{shown(str(path))} {why}. Is the path right, and may you read it?") from None
    raise Refused(f"{shown(path.name)} is no class. Name the folder or the zip that holds the submissions.")


def _time(text: str) -> datetime | None:
    """A time as YAML writes it."""
    try:
        when = datetime.fromisoformat(re.sub(r" (?=Z|[+-])", "", text.strip("'\"\r ")))
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _id(told: str) -> str:
    """A student's id that can be part of a path, whatever was told. Where that is none, it is known by its hash."""
    try:
        return path_part(told)
    except Refused:
        return f"unnamed-{hashlib.sha256(told.encode(errors='surrogatepass')).hexdigest()[:12]}"


def _handed(share: Share) -> Handed:
    try:
        return Handed(share.student, choose(share, share.name, share.student), "", share.received)
    except Refused as error:
        return Handed(share.student, None, str(error), share.received)
    except OSError as error:
        why = f"{shown(share.name)} can't be read: {error.strerror}. May you read all that is in it?"
        return Handed(share.student, None, why, share.received)


def _is_nobodys(top: Entry) -> bool:
    """What systems leave behind, the name that a zip has for its own top, and files that can't be anybody's work."""
    hidden = top.name.startswith(".") and top.name != ".."
    if not top.name or hidden or (top.kind == FOLDER and ignored(top.name)):
        return True
    loose = top.kind == FILE and not top.name.lower().endswith((".ipynb", ".zip"))
    return loose and not lms.parse(top.name)


def _moved(entry: Entry, parts: tuple[str, ...]) -> Entry:
    return Entry(parts, entry.kind, entry.unsafe, entry.index)


class _OnDisk:
    """A class in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def tops(self) -> list[Entry]:
        with os.scandir(self.path) as listing:
            return [
                Entry(
                    (item.name,),
                    LINK if item.is_symlink() else FOLDER if item.is_dir(follow_symlinks=False) else FILE,
                )
                for item in listing
            ]

    def below(self, top: Entry) -> list[Entry]:
        with Folder(self.path / top.name) as folder:
            return folder.entries()

    def read(self, entry: Entry, most: int) -> bytes:
        with Folder(self.path) as folder:
            return folder.read(entry, most)


def _without_wrapper(whole: _OnDisk) -> _OnDisk:
    """The folder in which an LMS put the whole class, where there is one."""
    tops = [top for top in whole.tops() if not _is_nobodys(top)]
    if len(tops) == 1 and tops[0].kind == FOLDER and not lms.parse(tops[0].name):
        inner = _OnDisk(whole.path / tops[0].name)
        return inner if is_exported(inner) else whole
    return whole


class _Zip(Archive):
    """A class in a zip on disk, of any size: only its directory is in memory."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        """Raises Refused when it is no zip."""
        self._name = shown(path.name)
        with self._refusing(self._name):
            self._zip = zipfile.ZipFile(stream)
            self._infos = self._zip.infolist()
        self._tops: dict[str, list[Entry]] = {}
        self._group(self.entries())
        if wrapper := self._wrapper(path.stem):
            self._group(self.below(wrapper))

    def tops(self) -> list[Entry]:
        found = []
        for name, group in self._tops.items():
            found += [Entry((name,), FOLDER)] if len(group[-1].parts) > 1 else group
        return found

    def below(self, top: Entry) -> list[Entry]:
        return [_moved(entry, entry.parts[1:]) for entry in self._tops[top.name] if len(entry.parts) > 1]

    def _group(self, entries: list[Entry]) -> None:
        """Sort entries by what they lie in at the top: the shallowest comes first."""
        self._tops = {}
        for entry in entries:
            self._tops.setdefault(entry.parts[0], []).append(entry)

    def _wrapper(self, stem: str) -> Entry | None:
        """The one folder in which everything lies: an LMS's, or the one that was made into this zip."""
        tops = [top for top in self.tops() if not _is_nobodys(top)]
        if len(tops) != 1 or tops[0].kind != FOLDER or lms.parse(tops[0].name):
            return None
        inner = {entry.parts[0] for entry in self.below(tops[0])}
        exported = METADATA in inner or any(lms.parse(name) for name in inner)
        return tops[0] if exported or tops[0].name == stem else None
