"""What a student handed in, read with care: the five modules or the one notebook, and whose they are.

Nothing else of a submission is opened, and nothing is written anywhere.
"""

import hashlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from grading import lms, notebooks
from grading.notebooks import Cell, Text
from grading.trees import (
    FILE,
    FOLDER,
    LINK,
    Archive,
    Entry,
    Folder,
    Refused,
    Tree,
    plain,
    read_file,
    shown,
)
from tests.coach import curriculum

__all__ = ["MODULES", "Cell", "Refused", "Submission", "choose", "digest", "read"]

MODULES = tuple(exercise.file for exercise in curriculum.load() if exercise.file)
MOST_SOURCE = 1 << 20  # bytes of one module
MOST_ZIP = 32 << 20

_LISTED = 3  # names in one message; the rest is counted


class Submission(msgspec.Struct, frozen=True):
    """What is graded. A module that is missing is absent from `modules`, and costs its own exercise only.

    name: the folder's, the zip's or the notebook's, printable.
    student: the number by which the LMS knows the student, as the export's name tells it (see grading.lms).
    cells: the notebook's code cells; None when modules were handed in.
    notes: for the instructor: what was ignored, renamed or could not be used.
    texts: all of the notebook's cells as they were written, for those who show it; not graded.
    folder: of the modules, "/" between its parts, if they lie in one that is not called exercises.
    """

    name: str
    student: str | None
    modules: dict[str, bytes]
    cells: tuple[Cell, ...] | None = None
    notes: tuple[str, ...] = ()
    texts: tuple[Text, ...] = ()
    folder: str | None = None


def read(path: Path) -> Submission:
    """Read a folder with the modules anywhere in it, a zip of one, or a notebook. Raises Refused."""
    nowhere = f"{shown(str(path))} is no path."
    if "\0" in str(path):
        raise Refused(nowhere)
    try:
        return _read(Path(os.path.abspath(path)))
    except UnicodeEncodeError:
        raise Refused(nowhere) from None
    except OSError as error:
        why = f"{shown(str(path))} can't be read: {error.strerror}."
        raise Refused(f"{why} Is the path right, and may you read all that is in it?") from None


def digest(submission: Submission) -> str:
    """sha256 over the modules, as tests.coach.run.digest has it; over the cells where there is a notebook."""
    whole = hashlib.sha256()
    if submission.cells is None:
        pieces = [(name, submission.modules.get(name)) for name in MODULES]
    else:
        pieces = [(f"cell {cell.number}", cell.source.encode()) for cell in submission.cells]
    for name, data in pieces:
        whole.update(f"{name}\0{-1 if data is None else len(data)}\0".encode())
        whole.update(data or b"")
    return whole.hexdigest()


def _read(path: Path) -> Submission:
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        with Folder(path) as folder:
            return choose(folder, path.name)
    if stat.S_ISLNK(mode):
        raise Refused(
            f"{shown(path.name)} is a symbolic link. Name the folder, zip or notebook it points to."
        )
    kind = path.suffix.lower()
    if kind == ".zip":
        data = read_file(path, MOST_ZIP, shown(path.name))
        return choose(Archive(data, shown(path.name)), path.name)
    if kind == ".ipynb":
        data = read_file(path, notebooks.MOST_BYTES, shown(path.name))
        return _notebook(path.name, _student_of([path.name]), data, [])
    raise Refused(f"{shown(path.name)} can't be graded. Name a folder, a .zip or a .ipynb notebook.")


def choose(tree: Tree, name: str, from_outside: str | None = None) -> Submission:
    """The modules of a tree, or else its one notebook, or else what is in the one zip of it, unless it is a zip itself.

    `from_outside`: the student, where what lies around the tree tells it. Raises Refused, and OSError for a folder.
    """
    entries = list(_without_solutions(tree.entries()))
    copies = {module: list(_copies(module, entries)) for module in MODULES}
    found = [entry for of_one in copies.values() for entry in of_one]
    loose = _ending(".ipynb", entries)
    zips = [] if isinstance(tree, Archive) else _ending(".zip", entries)
    student = (
        from_outside
        or _student_of([name])
        or _only_student(
            name,
            [entry.parts for entry in found or loose or zips],
            [entry.parts[:-1] for entry in (*loose, *zips)],  # beside modules, a name may be anything
        )
    )
    if found:
        chosen = {module: _shallowest(module, of_one) for module, of_one in copies.items() if of_one}
        modules = {module: tree.read(entry, MOST_SOURCE) for module, entry in chosen.items()}
        notes = (*_about(modules, chosen, copies), *_unused(entries, modules, [*loose, *zips]))
        folders = {entry.parts[:-1] for entry in chosen.values()}
        (folder,) = folders if len(folders) == 1 else [None]
        return Submission(
            plain(name), student, modules, notes=notes, folder=_other_than_exercises(name, folder)
        )
    ours = [entry for entry in loose if _own_name(entry) == notebooks.FILE]
    if len(loose) == 1 or len(ours) == 1:
        (only,) = loose if len(loose) == 1 else ours
        others = [entry for entry in loose if entry is not only]
        data = tree.read(only, notebooks.MOST_BYTES)
        return _notebook(_own_name(only), student, data, _unused(entries, MODULES, [*others, *zips]))
    if len(zips) == 1 and not loose:
        inner = Archive(tree.read(zips[0], MOST_ZIP), str(zips[0]))
        return choose(inner, name, student)
    raise Refused(_nothing(name, entries, loose or zips))


def _notebook(name: str, student: str | None, data: bytes, notes: Iterable[str]) -> Submission:
    cells, skipped = notebooks.read(data, shown(name))
    texts = notebooks.texts(data, shown(name))
    return Submission(plain(name), student, {}, cells, (*notes, *skipped), texts)


def _without_solutions(entries: list[Entry]) -> Iterator[Entry]:
    """Leave out the kit's own `solutions` folder: one that stands beside `exercises`."""
    beside = {
        parts[:depth]
        for parts in (entry.parts if entry.kind == FOLDER else entry.parts[:-1] for entry in entries)
        for depth, part in enumerate(parts)
        if part == "exercises"
    }
    for entry in entries:
        folders = enumerate(entry.parts[:-1])
        if not any(part == "solutions" and entry.parts[:depth] in beside for depth, part in folders):
            yield entry


def _copies(module: str, entries: list[Entry]) -> Iterator[Entry]:
    """Everything that stands for a module: under its name in any case, or under the one that an LMS made of it."""
    for entry in entries:
        export = lms.parse(entry.name) if len(entry.name) > len(module) else None
        name = export.file if export else entry.name
        if name.isascii() and name.lower() == module:
            yield entry


def _shallowest(module: str, copies: list[Entry]) -> Entry:
    """Of those that are equally deep, the one in a folder `exercises`. Raises Refused where nobody can tell which one
    the student means."""
    equal = [copy for copy in copies if len(copy.parts) == len(copies[0].parts)]
    named = [copy for copy in equal if copy.parts[-2:-1] == ("exercises",)]
    first, *others = named or equal
    if others:
        raise Refused(
            f"{module} is there twice: {first} and {others[0]}. Keep the one that shall be graded, and remove the other."
        )
    return first


def _other_than_exercises(name: str, folder: tuple[str, ...] | None) -> str | None:
    """The modules' folder in what was handed in, where it isn't the one that the exercises have by themselves."""
    if folder is None or folder == ("exercises",) or (folder == () and name == "exercises"):
        return None
    return plain("/".join(folder))


def _ending(suffix: str, entries: list[Entry]) -> list[Entry]:
    """The files with a suffix, but for hidden ones (AppleDouble's "._" among them)."""
    return [
        entry
        for entry in entries
        if entry.name.lower().endswith(suffix) and not entry.name.startswith(".") and entry.kind != FOLDER
    ]


def _own_name(entry: Entry) -> str:
    """What the student called a file."""
    export = lms.parse(entry.name)
    return (export and export.file) or entry.name


def _student_of(names: Iterable[str]) -> str | None:
    """The student that the outermost of the names tells."""
    return next((export.student for name in names if (export := lms.parse(name))), None)


def _only_student(name: str, *paths: list[tuple[str, ...]]) -> str | None:
    """The student that the names within a tree tell. Raises Refused when there are several."""
    students = sorted({student for path in itertools.chain(*paths) if (student := _student_of(path))})
    if len(students) > 1:
        raise Refused(
            f"{shown(name)} holds the work of {len(students)} students ({few(students)}). Grade them one by one, or all of them with `batch`."
        )
    return students[0] if students else None


def _about(
    modules: dict[str, bytes], chosen: dict[str, Entry], copies: dict[str, list[Entry]]
) -> Iterator[str]:
    """Notes on the modules that are graded."""
    for module, entry in chosen.items():
        if entry.name != module:
            yield f"{entry} is graded as {module}"
        if others := [copy for copy in copies[module] if copy is not entry]:
            yield f"{entry} is graded, copies of it in other folders are not: {few(others)}"
        try:
            modules[module].decode("utf-8-sig")
        except UnicodeDecodeError:
            yield f"{entry} is not UTF-8 text: its exercise can't be graded"


def _unused(entries: list[Entry], graded: Iterable[str], others: list[Entry]) -> Iterator[str]:
    """Notes on what may have been meant to be graded and is not."""
    missing = [module for module in MODULES if module not in graded]
    for module in missing:
        stem = module.removesuffix(".py")
        if near := [e for e in entries if e.kind == FILE and stem in e.name.lower()[:1000]]:
            yield f"no {module} was handed in. {few(near)}: not graded under that name"
    if others:
        yield f"not opened, since other files are graded: {few(others)}"
    if links := [entry for entry in entries if entry.kind == LINK]:
        yield f"symbolic links are not followed: {few(links)}"


def _nothing(name: str, entries: list[Entry], several: list[Entry]) -> str:
    """Why there is nothing to be graded, and what is there instead."""
    looked_for = f"{shown(name)} has none of the modules {MODULES[0]} … {MODULES[-1]}"
    if several:
        return f"{looked_for}, and more than one file that could be meant: {few(several)}. Leave the right one only."
    files = [entry for entry in entries if entry.kind != FOLDER] or entries
    there = f"only {few(files)}" if entries else "is empty"
    links = " Symbolic links are not followed." if any(entry.kind == LINK for entry in entries) else ""
    return (
        f"{looked_for}, and no notebook: it {'holds ' if entries else ''}{there}.{links} Is it the right one?"
    )


def few(things: Iterable[object]) -> str:
    """The first few, and how many more there are."""
    texts = [str(thing) for thing in things]
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more
