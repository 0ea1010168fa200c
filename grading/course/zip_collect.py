"""What `nbgrader zip_collect` does here: an LMS's export is read with care, and its names tell what is whose."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin

from grading import lms, notebooks, submissions
from grading.classes import Class, Share, is_exported, opened, shares
from grading.course import received
from grading.submissions import Refused
from grading.trees import FOLDER, Entry, shown

# What can be graded, and how much of it one student may hand in.
_MOST = {".py": submissions.MOST_SOURCE, ".ipynb": notebooks.MOST_BYTES, ".zip": submissions.MOST_ZIP}
_MOST_FILES = 1_000
_MOST_BYTES = 128 << 20
_LONGEST = 1_000  # bytes of a path within a submission


class Extractor(ExtractorPlugin):  # type: ignore[misc]  # nbgrader has no types
    """Takes what can be graded out of an LMS's export: extracted/STUDENT/… One bad file stops none of the others.

    received: when the LMS received what, where the export says so.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.received: dict[str, datetime] = {}

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """`archive_path`: a folder with a class's zip as the LMS made it, or with what lay in that zip."""
        archive = Path(archive_path)
        files = [file for file in sorted(archive.iterdir()) if not file.name.startswith(".")]
        if not files:
            self.log.warning("No files found in directory: %s", archive)
            return
        classes = [file for file in files if self._is_class(file, alone=len(files) == 1)]
        for file in classes or [archive]:
            try:
                with opened(file) as whole:
                    self._extract_class(whole, file, Path(extracted_path))
            except Refused as error:
                self.log.error("Not extracted: %s", error)
        for file in files if classes else ():
            if file not in classes:
                self.log.error(
                    "Not extracted: %s lies beside %s, which holds the submissions of a class. Collect them one "
                    "after the other",
                    shown(file.name),
                    shown(classes[0].name),
                )

    def _is_class(self, file: Path, alone: bool) -> bool:
        """Whether a zip holds a class: an LMS named what is in it, or it lies there alone and is no one submission."""
        if file.suffix.lower() != ".zip" or lms.parse(file.name):
            return False
        try:
            with opened(file) as whole:
                return is_exported(whole) or (alone and _holds_a_class(whole, file))
        except Refused:  # a damaged one: of a student, if others lie beside it
            return alone

    def _extract_class(self, whole: Class, path: Path, target: Path) -> None:
        """Raises Refused when nothing of it can be read."""
        for share in shares(whole, path):
            if share.received:
                self.received[share.student] = share.received
            try:
                self._extract_share(share, target / share.student)
            except (Refused, OSError) as error:
                self.log.error("Not extracted: %s. %s", shown(share.name), words(error))

    def _extract_share(self, share: Share, target: Path) -> None:
        """Raises Refused and OSError when nothing of it can be read, or there is too much."""
        entries = [
            entry for entry in share.entries() if entry.kind != FOLDER and not entry.name.startswith(".")
        ]
        gradable = [entry for entry in entries if _suffix(entry.name) in _MOST]
        if not gradable:
            raise Refused(f"There is no module, no notebook and no zip in it, among {len(entries)} files.")
        if len(gradable) > _MOST_FILES:
            raise Refused(f"It holds more than {_MOST_FILES:,} modules, notebooks and zips.")
        left = _MOST_BYTES
        for entry in gradable:
            try:
                data = share.read(entry, min(_MOST[_suffix(entry.name)], left))
                left -= len(data)
                _write(_own(entry, target), data)
            except (Refused, OSError) as error:
                self.log.error("Not extracted: %s of %s. %s", entry, shown(share.name), words(error))


class Collector(FileNameCollectorPlugin):  # type: ignore[misc]  # nbgrader has no types
    """Collects what Extractor wrote: extracted/STUDENT/… needs no regular expression."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._known: set[str] = set()

    def collect(self, submitted_file: str) -> dict[str, Any]:
        """Whose a file is, what it is called in that student's submission, and when the LMS received that."""
        root = self.parent._format_collect_path(self.parent.extracted_directory)
        student, *below = Path(submitted_file).relative_to(root).parts
        when = self.parent.extractor_plugin_inst.received.get(student)
        if student not in self._known:
            self._known.add(student)
            self._record(student, when)
        return {"student_id": student, "file_id": "/".join(below), "timestamp": when}

    def _record(self, student: str, when: datetime | None) -> None:
        """Remember when it was received, unless nbgrader is going to leave what was collected before."""
        course = self.parent.coursedir
        place = Path(course.format_path(course.submitted_directory, student, course.assignment_id))
        if place.is_dir() and any(place.iterdir()) and not self.parent.force:
            return
        if when:
            received.record(Path(course.root), course.assignment_id, student, when)
        else:
            received.forget(Path(course.root), course.assignment_id, student)


def words(error: Refused | OSError) -> str:
    """What went wrong, as a sentence."""
    return str(error) if isinstance(error, Refused) else f"It can't be read or written: {error.strerror}."


def _holds_a_class(whole: Class, path: Path) -> bool:
    try:
        return any(shares(whole, path))
    except Refused:
        return False


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _own(entry: Entry, target: Path) -> Path:
    """Where a file goes: under the name that the student gave it, unless that is taken. Raises Refused."""
    *above, name = ("".join(c if c.isprintable() else "_" for c in part) for part in entry.parts)
    export = lms.parse(name) if not above else None
    own = target.joinpath(*above, export.file if export and _suffix(export.file) else name)
    place = target.joinpath(*above, name) if own.exists() else own
    if len(os.fsencode(place.relative_to(target))) > _LONGEST:
        raise Refused("Its name is too long.")
    return place


def _write(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place, "xb") as stream:
        stream.write(data)
