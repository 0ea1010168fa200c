"""The folder that a batch writes: reports/STUDENT.json, plots/STUDENT/, and the journal of what is done.

A file is written beside its place and renamed, and only then noted in the journal, with a digest of what was written.
So whatever a run that was killed left behind, the next one finds every result whole or not at all.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from grading.batch.tally import Result
from grading.grade import Pictures
from grading.submissions import Refused
from tests.coach.files import replace
from tests.coach.pictures import PICTURES
from tests.coach.report import Report, to_json

JOURNAL = "journal.jsonl"
DRAWERS = tuple(function for _, function in PICTURES.values())  # the student's functions that plot
_RESULTS = ("reports", "plots", "marks.csv", "class.html")


class Entry(msgspec.Struct, frozen=True):
    """A line of the journal.

    key: of what was graded, and how (see run.How). plots: whether they were drawn. written: sha256 of the result's files.
    """

    student: str
    key: str
    plots: bool
    written: str


class Head(msgspec.Struct, frozen=True):
    """The journal's first line. course_key: sha256 of the key that all of it was graded with."""

    course_key: str | None


class Known(NamedTuple):
    """What is kept of an entry, for 100,000 students."""

    key: bytes
    plots: bool
    written: bytes


def _known(entry: Entry) -> Known:
    return Known(bytes.fromhex(entry.key), entry.plots, bytes.fromhex(entry.written))


class Store:
    """The results in a folder, for one run at a time."""

    def __init__(self, folder: Path, key: bytes | None) -> None:
        """Make the folder, or take up what an earlier run left in it. Raises Refused, OSError.

        key: the course key. Marks on other numbers than those that are there need a folder of their own.
        """
        self.folder = folder
        if folder.exists() and (others := _others(folder)):
            raise Refused(
                f"{folder} holds what no batch has written ({others[0]}). Name a new folder for the results."
            )
        for part in ("reports", "plots"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self._journal: IO[bytes] = (folder / JOURNAL).open("a+b")
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._journal.close()
            raise Refused(f"Another run is writing {folder}. Wait for it, or name another folder.") from None
        self._known = dict(self._read())
        try:
            self._insist_on(hashlib.sha256(b"course key\0" + key).hexdigest() if key else None)
        except Refused:
            self.close()
            raise
        for left in (*folder.glob("*.new"), *folder.glob(".*.csv.*"), *folder.glob("reports/*.new")):
            left.unlink()  # of a run that was killed

    def close(self) -> None:
        self._journal.close()

    @property
    def students(self) -> set[str]:
        """All who have a report, from whichever run."""
        return set(self._known)

    def has(self, student: str, key: str, plots: bool) -> bool:
        """Whether this very submission was graded, with plots where they are wanted, and all is as it was written."""
        known = self._known.get(student)
        if known is None or known.key != bytes.fromhex(key) or (plots and not known.plots):
            return False
        try:
            return self._digest(student) == known.written
        except OSError:
            return False

    def put(self, student: str, key: str, report: Report, pictures: Pictures | None) -> None:
        """pictures: None where none were to be drawn. Raises OSError; then nothing of this student is half written."""
        plots = self._plots(student)
        if plots.exists():
            shutil.rmtree(plots)
        if pictures:
            plots.mkdir()
            for function, data in pictures.items():
                replace(plots / f"{function}.png", data)
        replace(self._report(student), to_json(report))
        entry = Entry(student, key, pictures is not None, self._digest(student).hex())
        self._append(msgspec.json.encode(entry) + b"\n")
        self._known[student] = _known(entry)

    def get(self, student: str, plots: bool) -> Result:
        """What `put` has written. Raises OSError, msgspec.DecodeError."""
        report = msgspec.json.decode(self._report(student).read_bytes(), type=Report)
        found = {}
        for function in DRAWERS if plots else ():
            with contextlib.suppress(FileNotFoundError):
                found[function] = (self._plots(student) / f"{function}.png").read_bytes()
        return Result(student, report, pictures=found)

    def _report(self, student: str) -> Path:
        return self.folder / "reports" / f"{student}.json"

    def _plots(self, student: str) -> Path:
        return self.folder / "plots" / student

    def _digest(self, student: str) -> bytes:
        whole = hashlib.sha256(self._report(student).read_bytes())
        for function in DRAWERS:
            with contextlib.suppress(FileNotFoundError):
                data = (self._plots(student) / f"{function}.png").read_bytes()
                whole.update(f"{function}\0{len(data)}\0".encode() + data)
        return whole.digest()

    def _read(self) -> Iterator[tuple[str, Known]]:
        """The journal's entries, a later one after an earlier. A line that was cut short is no entry, and ends here."""
        self._journal.seek(0)
        ended = True
        for line in self._journal:
            ended = line.endswith(b"\n")
            with contextlib.suppress(msgspec.DecodeError, ValueError):
                entry = msgspec.json.decode(line, type=Entry)
                yield entry.student, _known(entry)
        if not ended:
            self._append(b"\n")

    def _insist_on(self, course_key: str | None) -> None:
        self._journal.seek(0)
        try:
            before = msgspec.json.decode(self._journal.readline(), type=Head).course_key
        except msgspec.DecodeError:  # there was none, or nothing is known of it
            os.ftruncate(self._journal.fileno(), 0)
            self._known = {}
            self._append(msgspec.json.encode(Head(course_key)) + b"\n")
            return
        if before != course_key:
            how = (
                "without a course key, and this run has one" if before is None
                else "with a course key, and this run has none" if course_key is None
                else "with another course key than this run has"
            )  # fmt: skip
            raise Refused(
                f"{self.folder} was graded {how}. Give it the same --secret-file, or another --out."
            )

    def _append(self, line: bytes) -> None:
        """In one write: where the disk is full, a part of the line may stay, which ends with the next one."""
        descriptor = self._journal.fileno()
        written = os.write(descriptor, line)
        if written < len(line):
            with contextlib.suppress(OSError):
                os.write(descriptor, b"\n")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder / JOURNAL))


def _others(folder: Path) -> list[str]:
    """What lies in a folder that can't be a batch's; nothing, where a batch has written there before."""
    names = sorted(os.listdir(folder))
    return [] if JOURNAL in names else [name for name in names if name not in _RESULTS]
