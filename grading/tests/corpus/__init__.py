"""Submissions that are wrong and must fail, submissions that are right and must pass, and attacks on the grader.

Each is a small change of the reference solution: `edits` replace a piece of a module's text, `define` is
appended to it, so that a definition there takes the place of the one above. `source` is a module from scratch.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")
ALL = bool(os.environ.get("ALL"))  # `make check ALL=1`: every entry in every way, where otherwise a part of them is
HERE = Path(__file__).parent
SOLUTIONS = HERE.parents[2] / "solutions"
MODULES = tuple(sorted(file.stem for file in SOLUTIONS.glob("ex*.py")))


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """edits: [old, new] pairs; each old text must stand in the module exactly once. source: the whole module."""

    module: str
    source: str = ""
    edits: tuple[tuple[str, str], ...] = ()
    define: str = ""

    def apply(self, source: str) -> str:
        source = self.source or source
        for old, new in self.edits:
            if source.count(old) != 1:
                raise ValueError(f"{self.module}: {old!r} occurs {source.count(old)} times, not once")
            source = source.replace(old, new)
        return source + (f"\n\n{self.define}\n" if self.define else "")


class Mistake(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wrong submission: the test that must fail first, and words that the student must read there."""

    name: str
    cause: str
    change: Change
    fails: str
    says: tuple[str, ...]
    field: tuple[str, ...] = ()  # rows of the table of mistakes from the field, by their short names
    in_a_notebook: str = ""  # why it is none in a notebook, where all exercises share their names


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A right submission in another style, and what it stands for."""

    name: str
    accepts: str
    changes: tuple[Change, ...]


class Attack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A submission that tries to be marked right although it isn't, or to do harm."""

    name: str
    tries: str  # what it tries, and where that is known to have won
    changes: tuple[Change, ...]
    costs: tuple[str, ...]  # worth 0: exercises ("ex1", "workflow"), tests ("ex3.some_test")
    files: dict[str, str] = {}  # what lies beside the modules
    field: tuple[str, ...] = ()  # keys of ATTACKS
    slow: bool = False  # a limit has to stop it, after seconds
    in_a_notebook: str = ""  # why it is none there, and costs nothing


# The attacks that have won somewhere, in the words of the field report, by short names.
ATTACKS = {
    "exit": "os._exit(0) or sys.exit at import or in a call",
    "lying objects": "always-equal or always-close objects, tensor subclasses that lie",
    "patching": "patching pytest, pytest-check, torch or the harness",
    "looking around": "frames, gc, linecache to read tests or secrets",
    "files beside": "a conftest.py, pytest.ini, pyproject.toml, torch.py, sitecustomize.py or tests/ beside it",
    "reading the disk": "reading solutions, tests, gradebook or other submissions from disk",
    "forged results": "writing the results file or the pipe (also from atexit, a thread, a child left running)",
    "fork bomb": "fork bomb",
    "memory bomb": "memory bomb",
    "endless loop": "endless loop that ignores signals",
    "endless output": "gigabytes of output",
    "huge observation": "a huge observation",
    "network": "network",
    "odd files": "symlinks, `..`, absolute paths, devices (archives with such entries are the intake's own test)",
    "pickle": "a .pth file with a pickle payload",
    "killing": "killing the parent or a neighbour",
    "knowing": "telling that it is being graded and behaving otherwise",
}


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mistake that was seen in the field: the names under which the corpus has it, or why it can't."""

    mistake: str
    field: tuple[str, ...]
    students: int | None = None  # of 75; None: from questions that were asked
    note: str = ""
    why_not: str = ""


def field() -> list[Row]:
    return msgspec.convert(tomllib.loads((HERE / "field.toml").read_text(encoding="utf-8"))["row"], list[Row])


def mistakes() -> list[Mistake]:
    return _read("mistakes", "mistake", Mistake)


def variants() -> list[Variant]:
    return _read("variants", "variant", Variant)


def attacks() -> list[Attack]:
    return _read("attacks", "attack", Attack)


def _read(folder: str, key: str, kind: type[T]) -> list[T]:
    files = sorted((HERE / folder).glob("*.toml"))
    entries = [entry for file in files for entry in tomllib.loads(file.read_text(encoding="utf-8"))[key]]
    return [msgspec.convert(entry, kind) for entry in entries]


def write(folder: Path, *changes: Change, files: Mapping[str, str] = {}) -> Path:
    """The five reference modules with these changes, in a folder, and other files beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for module in MODULES:
        source = (SOLUTIONS / f"{module}.py").read_text(encoding="utf-8")
        for change in changes:
            source = change.apply(source) if change.module == module else source
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def together(entries: Mapping[str, set[str]]) -> list[list[str]]:
    """Names in as few groups as may be, so that no two of a group change the same module. entries: their modules."""
    groups: list[tuple[set[str], list[str]]] = []
    for name, modules in entries.items():
        free = next((group for group in groups if not group[0] & modules), None)
        if free is None:
            groups.append((set(modules), [name]))
        else:
            free[0].update(modules)
            free[1].append(name)
    return [names for _, names in groups]
