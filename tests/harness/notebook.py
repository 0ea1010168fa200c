"""The way to a student's code in a notebook: its code cells, run in order in one namespace."""

import __future__

import contextlib
import linecache
import re
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from tests import limits
from tests.harness.clean import clean_globals
from tests.harness.observations import Place, Raised
from tests.harness.student import Finder, Student, Unavailable

MODULE = "__notebook__"  # where dataclasses and pickle look for the notebook's classes
_FUTURE = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})


class Notebook(Student):
    """The code cells of a notebook, (number, source) each, run once, when the first function is asked for.

    As in Jupyter a cell that raises ends there, the next one runs all the same, and what is defined later wins.
    """

    def __init__(self, name: str, cells: Iterable[tuple[int, str]]) -> None:
        self._cells = {f"<cell {number}>": (number, source) for number, source in cells}
        # A class is looked for in this order, and the last definition is the one that counts.
        super().__init__(sources={file: source for file, (_, source) in reversed(self._cells.items())})
        self._name = name
        self._module: ModuleType | None = None
        self._flags = 0  # the __future__ imports so far: in a notebook they hold for later cells
        self._failed: dict[str, Raised] = {}  # the cells that did not run to their end
        self._timeout: Raised | None = None
        Finder.serve(None)

    def namespace(self, name: str) -> Mapping[str, Any]:
        if self._module is None:
            self._run()
            assert self._module is not None
        if self._timeout:
            raise Unavailable("timeout", self._timeout)
        names = vars(self._module)
        if name not in names:
            for file in reversed(self._failed):
                if _defines(self._cells[file][1], name):
                    raise Unavailable("unreadable", self._failed[file])
        return names

    def file(self, name: str) -> str:
        return self._name

    def shown(self, filename: str) -> str:
        return self._name if filename in self._cells else filename

    def place(self, filename: str, line: int) -> Place | None:
        if filename not in self._cells:
            return None
        number, source = self._cells[filename]
        lines = source.split("\n")
        text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        return Place(self._name, line, text, number)

    def _run(self) -> None:
        """Run all cells, with clean globals around them. Never again, not even when that took too long."""
        self._module = sys.modules[MODULE] = ModuleType(MODULE)
        self._module.__dict__["display"] = _display
        with contextlib.suppress(limits.TimeUp), clean_globals():
            for file in self._cells:
                # Told unless the loop comes to its end: time may be up at any moment, and soon after once more.
                self._timeout = self._unfinished(file, self.place(file, 1))
                try:
                    self._run_cell(file, self._module.__dict__)
                except limits.TimeUp as error:
                    self._timeout = self._unfinished(file, self.raised(error).place)
                    raise
            self._timeout = None

    def _unfinished(self, file: str, place: Place | None) -> Raised:
        return Raised("TimeUp", f"cell {self._cells[file][0]} of {self._name} did not finish", place)

    def _run_cell(self, file: str, namespace: dict[str, Any]) -> None:
        source = self._cells[file][1]
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        try:
            code = compile(source, file, "exec", self._flags, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            line = getattr(error, "lineno", None) or 1
            message = getattr(error, "msg", None) or str(error)
            self._failed[file] = Raised("SyntaxError", message, self.place(file, line))
            return
        self._flags |= code.co_flags & _FUTURE
        try:
            exec(code, namespace)
        except (limits.TimeUp, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._failed[file] = self.raised(error)


def _display(*objects: object, **options: object) -> None:
    """In place of IPython's: there is no page to show anything on."""


def _defines(source: str, name: str) -> bool:
    """Whether a cell means to define a name; it may be no Python."""
    return bool(
        re.search(rf"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*=", source, re.MULTILINE)
    )
