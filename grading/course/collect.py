"""What `nbgrader collect` does here: no time and no file is taken on a student's word.

In the exchange, a submission is a folder that the student's own process made, under a name with a time in it. Neither
that time nor the one in its timestamp.txt means anything. What a student can't set is when the file system last saw
something in that folder change (st_ctime), so that is when it was received. Who runs chmod, chown or a restore over
the exchange makes everything there look newly received; a warning says so.
"""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from nbgrader.exchange.default import ExchangeCollect

from grading.classes import path_part
from grading.course import received
from grading.course.zip_collect import words
from grading.submissions import Refused
from grading.trees import FILE, FOLDER, Entry, Folder, shown

_EPOCH = datetime.fromtimestamp(0, UTC)
_SUBMITTING = timedelta(minutes=10)  # what copying a submission into the exchange may take
_NOBODY = {"username": "", "filename": "", "timestamp": _EPOCH.replace(tzinfo=None)}


class Times(NamedTuple):
    """changed: when a folder or something in it last changed. dated: the newest date that its owner gave anything."""

    changed: datetime
    dated: datetime


class Collect(ExchangeCollect):  # type: ignore[misc]  # nbgrader has no types
    """Collects submissions from the exchange. One that can't be collected stops none of the others."""

    def init_src(self) -> None:
        super().init_src()
        self.src_records: list[dict[str, Any]] = [record for record in self.src_records if record["username"]]

    def _path_to_record(self, path: str) -> dict[str, Any]:
        """Whose a folder in the exchange is, and when it was received, in UTC without a zone as nbgrader compares it."""
        name = os.path.basename(path)
        try:
            student = path_part(name.partition(f"+{self.coursedir.assignment_id}+")[0])
            changed = times(Path(path)).changed
        except (Refused, OSError) as error:
            self.log.error("Not collected: %s. %s", shown(name), words(error))
            return _NOBODY
        return {"username": student, "filename": name, "timestamp": received.naive(changed)}

    def copy_files(self) -> None:
        assignment = self.coursedir.assignment_id
        self.log.info("Processing %s submissions of '%s'", len(self.src_records), assignment)
        for record in sorted(self.src_records, key=lambda record: str(record["username"])):
            try:
                self._collect(record["username"], record["filename"], received.utc(record["timestamp"]))
            except (Refused, OSError) as error:
                self.log.error("Not collected: %s. %s", shown(record["filename"]), words(error))

    def _collect(self, student: str, name: str, when: datetime) -> None:
        """Collect a submission, unless it was collected before."""
        root, assignment = Path(self.coursedir.root), self.coursedir.assignment_id
        source = Path(self.inbound_path) / name
        place = Path(self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment))
        known = received.when(root, assignment, student)
        self._check_owner(student, source)
        if place.is_dir():
            newer = self.update and (known is None or when > known)
            if not newer and not (self.before_duedate and when != known):
                hint = (
                    "No newer submission to collect"
                    if self.update
                    else "Already there, --update takes newer ones"
                )
                self.log.info("%s: %s %s", hint, student, assignment)
                return
        self.log.info("Collecting submission: %s %s", student, assignment)
        self._replace(source, place, student)

    def _replace(self, source: Path, place: Path, student: str) -> None:
        """Put a submission in the place of what is there. Killed at any moment, the next `collect` does it again."""
        new, old = (place.with_name(f".{place.name}.{age}") for age in ("new", "old"))
        shutil.rmtree(new, ignore_errors=True)
        try:
            self.do_copy(str(source), str(new))
            seen = times(source)  # again: what changed while it was copied was received now
            received.stamp(new, seen.changed)
            if place.exists():
                shutil.rmtree(old, ignore_errors=True)
                place.rename(old)
            received.record(Path(self.coursedir.root), self.coursedir.assignment_id, student, seen.changed)
            new.rename(place)
        finally:
            if old.exists() and not place.exists():
                old.rename(place)
            for folder in (new, old):
                shutil.rmtree(folder, ignore_errors=True)
        if seen.changed - seen.dated > _SUBMITTING:
            self.log.warning(
                "%s counts as received at %s: something in it was changed or moved then, though its files are dated %s "
                "or earlier. If you did that yourself (chmod, a restore), write the right time into %s",
                shown(source.name),
                f"{seen.changed:%Y-%m-%d %H:%M %Z}",
                f"{seen.dated:%Y-%m-%d %H:%M %Z}",
                received.place(Path(self.coursedir.root), self.coursedir.assignment_id, student),
            )

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """Copy the files of a submission as nbgrader does, from a copy of them that holds nothing but files.

        Raises Refused and OSError.
        """
        with tempfile.TemporaryDirectory() as name:
            safe = Path(name) / "submission"
            safe.mkdir()
            for entry in _copied(Path(src), safe, 1000 * self.coursedir.max_dir_size):
                self.log.warning("Left out: %s in %s is %s", entry, shown(os.path.basename(src)), entry.kind)
            super().do_copy(str(safe), dest, log)

    def _check_owner(self, student: str, source: Path) -> None:
        """As nbgrader has it: whoever made the folder should be the one it is named after."""
        if not self.check_owner:
            return
        try:
            owner = pwd.getpwuid(os.lstat(source).st_uid).pw_name
        except KeyError:
            owner = "unknown id"
        if student != owner:
            self.log.warning(
                "%s claims to be submitted by %s but is owned by %s; cheating attempt? "
                "Where all share one account, c.ExchangeCollect.check_owner = False ends this warning",
                shown(str(source)),
                student,
                owner,
            )


def times(path: Path) -> Times:
    """When something in a folder of the exchange last changed. Raises Refused and OSError.

    A folder is looked at after what is in it: who swaps something for something older changes the folder.
    """
    with Folder(path) as folder:
        places = [path.joinpath(*entry.parts) for entry in reversed(folder.entries())]
    found = [os.lstat(place) for place in (*places, path)]
    if {status.st_dev for status in found} != {os.stat(path.parent).st_dev}:
        raise Refused("Part of it lies on another file system, whose times may be anybody's.")
    return Times(
        _time(max(status.st_ctime_ns for status in found)), _time(max(status.st_mtime_ns for status in found))
    )


def _time(nanoseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:  # a date is whatever its owner wants
        return datetime.max.replace(tzinfo=UTC)


def _copied(source: Path, target: Path, most: int) -> Iterator[Entry]:
    """Copy the files of a folder, and yield what is neither a file nor a folder. Raises Refused and OSError."""
    left = most
    with Folder(source) as folder:
        for entry in folder.entries():
            if entry.kind == FILE:
                data = folder.read(entry, left)
                left -= len(data)
                place = target.joinpath(*entry.parts)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
            elif entry.kind != FOLDER:
                yield entry
