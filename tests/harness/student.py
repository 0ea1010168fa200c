"""The way to a student's code: attributes of `Student`, over a folder of modules or over a namespace.

`student.train` is the function `train`, wherever it lives; where it doesn't, an `Unavailable` says why.
"""

import bdb
import difflib
import inspect
import linecache
import sys
import tomllib
from collections.abc import Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from traceback import TracebackException
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tests import limits
from tests.harness.clean import clean_globals, tidy
from tests.harness.observations import Place, Raised

CURRICULUM = Path(__file__).parents[1] / "curriculum.toml"
FUNCTIONS: dict[str, tuple[str, ...]] = {  # of each module: those that have hints
    exercise["file"].removesuffix(".py"): tuple(exercise["hints"])
    for exercise in tomllib.loads(CURRICULUM.read_text(encoding="utf-8"))["exercise"]
    if "file" in exercise
}
MODULE_OF = {function: module for module, functions in FUNCTIONS.items() for function in functions}


class Unavailable(Exception):
    """A function that can't be had. status: "missing", "unreadable" or "timeout" (while it was imported)."""

    def __init__(self, status: str, raised: Raised) -> None:
        super().__init__(raised.message)
        self.status = status
        self.raised = raised


class Student:
    """Names looked up in a namespace. `sources` maps a file name, as it stands in tracebacks, to its text."""

    def __init__(
        self, namespace: Mapping[str, Any] | None = None, sources: Mapping[str, str] | None = None
    ) -> None:
        self._namespace = namespace or {}
        self._sources = dict(sources or {})
        self.asked: list[str] = []  # the names looked up so far, for "which function is this about?"

    def __getattr__(self, name: str) -> Any:
        if name not in MODULE_OF:
            raise AttributeError(name)
        self.asked.append(name)
        namespace = self.namespace(name)
        if name not in namespace:
            raise Unavailable("missing", self._nearest(name, namespace))
        return namespace[name]

    def namespace(self, name: str) -> Mapping[str, Any]:
        """The names beside which `name` should stand. Raises Unavailable."""
        return self._namespace

    def file(self, name: str) -> str:
        """Where `name` should stand, as the student knows the place."""
        return "the notebook"

    def shown(self, filename: str) -> str:
        """A file name of a traceback, as the student knows it."""
        return filename

    def place(self, filename: str, line: int) -> Place | None:
        """A line of the student's code; None when `filename` isn't theirs."""
        source = self._sources.get(filename)
        if source is None:
            return None
        lines = source.splitlines()
        return Place(self.shown(filename), line, lines[line - 1].strip() if 0 < line <= len(lines) else "")

    def definition(self, name: str, beside: str = "") -> Place | None:
        """Where `name` is defined (in the module where `beside` belongs); None when that can't be told."""
        try:
            found = inspect.unwrap(self.namespace(beside or name)[name])
        except (KeyError, ValueError, Unavailable):
            return None
        if isinstance(found, FunctionType):
            return self.place(found.__code__.co_filename, found.__code__.co_firstlineno)
        for filename, source in self._sources.items():
            for number, text in enumerate(source.splitlines(), 1):
                if text.startswith((f"class {name}(", f"class {name}:")):
                    return self.place(filename, number)
        return None

    def raised(self, error: BaseException) -> Raised:
        """The exception as the student should see it: at the innermost line of their own."""
        theirs, innermost, traceback = None, None, error.__traceback__
        while traceback is not None:
            innermost = self.place(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
            theirs = innermost or theirs
            traceback = traceback.tb_next
        stub = innermost is not None and innermost.source.startswith("raise NotImplementedError")
        todo = stub and isinstance(error, NotImplementedError)
        return Raised(type(error).__name__, _words(error), theirs, todo)

    def _nearest(self, name: str, namespace: Mapping[str, Any]) -> Raised:
        """That `name` is missing, and what may stand in its place."""
        candidates = [key for key, value in namespace.items() if callable(value) and key not in MODULE_OF]
        near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
        message = f"{self.file(name)} has no `{name}`"
        if near:
            place = self.definition(near[0], name)
            message += f", but a `{near[0]}`" + (f" on line {place.line}" if place else "")
            return Raised("Missing", message, place)
        return Raised("Missing", message, Place(self.file(name), 1, ""))


class Folder(Student):
    """The five modules of a folder. Each is compiled from the bytes on disk when it is first asked for:
    the .pyc cache would run yesterday's code after an edit within the same second."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder.resolve()
        self._name = folder.name if folder.name else self.folder.name
        self._loaded: dict[str, ModuleType | Unavailable] = {}
        Finder.serve(self)

    def namespace(self, name: str) -> Mapping[str, Any]:
        return vars(self.load(MODULE_OF[name]))

    def file(self, name: str) -> str:
        return f"{self._name}/{MODULE_OF[name]}.py"

    def shown(self, filename: str) -> str:
        return f"{self._name}/{Path(filename).name}"

    def load(self, module: str) -> ModuleType:
        """Import a module, once, with clean globals around it. Raises Unavailable, the same again each time."""
        if module not in self._loaded:
            try:
                with clean_globals():
                    self._loaded[module] = self._import(module)
            except Unavailable as error:
                self._loaded[module] = error
        found = self._loaded[module]
        if isinstance(found, Unavailable):
            raise found
        return found

    def _import(self, name: str) -> ModuleType:
        file = self.folder / f"{name}.py"
        module = ModuleType(name)
        module.__file__ = str(file)
        sys.modules[name] = module  # dataclasses, pickle and circular imports look here
        try:
            exec(self._compile(file), module.__dict__)
        except bdb.BdbQuit:  # the student has left the debugger
            raise
        except limits.TimeUp:
            message = f"{self.shown(str(file))} did not finish being imported"
            raise Unavailable("timeout", Raised("TimeUp", message, self.place(str(file), 1))) from None
        except (Exception, SystemExit) as error:
            if isinstance(error, Unavailable):
                raise
            raise Unavailable("unreadable", self.raised(error)) from None
        return module

    def _compile(self, file: Path) -> CodeType:
        """Raises Unavailable for whatever keeps the bytes from being Python."""
        shown = self.shown(str(file))
        try:
            data = file.read_bytes()
        except OSError as error:
            what = (
                "does not exist"
                if isinstance(error, FileNotFoundError)
                else f"can't be read ({error.strerror})"
            )
            raise Unavailable(
                "unreadable", Raised("NoFile", f"{shown} {what}", Place(shown, 1, ""))
            ) from None
        try:
            source = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            place = Place(shown, line, data.splitlines()[line - 1].decode("latin-1").strip())
            message = f"{shown} is not UTF-8 text: byte 0x{data[error.start]:02x} on line {line}"
            raise Unavailable("unreadable", Raised("NotUtf8", message, place)) from None
        source = source.replace("\r\n", "\n")
        self._sources[str(file)] = source
        linecache.cache[str(file)] = (len(source), None, source.splitlines(keepends=True), str(file))
        try:
            return compile(source, str(file), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            message = getattr(error, "msg", None) or str(error)
            raise Unavailable(
                "unreadable", Raised("SyntaxError", message, self.place(str(file), line))
            ) from None


class Finder(MetaPathFinder, Loader):
    """Lets one exercise import another (`from ex1_dataset import create_dataset`), past the .pyc cache."""

    current: Folder | None = None

    @classmethod
    def serve(cls, folder: Folder | None) -> None:
        """From now on, imports find this folder's modules and no earlier one's; None: no modules at all."""
        if not any(isinstance(finder, cls) for finder in sys.meta_path):
            sys.meta_path.insert(0, cls())
        cls.current = folder
        for name in ("exercises", *FUNCTIONS, *(f"exercises.{name}" for name in FUNCTIONS)):
            sys.modules.pop(name, None)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname == "exercises" and self.current:
            return ModuleSpec(fullname, self, is_package=True)  # wherever the modules lie
        module = fullname.removeprefix("exercises.")
        return ModuleSpec(fullname, self) if self.current and module in FUNCTIONS else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        assert self.current is not None
        if spec.name == "exercises":
            return None  # an empty one
        name = spec.name.removeprefix("exercises.")
        module = ModuleType(spec.name)
        vars(module).update(vars(self.current.load(name)))
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing left to run: `create_module` brought a module that has run."""


def defaults(function: Any) -> dict[str, str]:
    """The default values in a signature, as text: {"epochs": "300"}; empty when it has none to show."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {
        p.name: tidy(repr(p.default)[:200])[:80]
        for p in parameters
        if p.default is not inspect.Parameter.empty
    }


def _words(error: BaseException) -> str:
    try:
        if isinstance(
            error, NameError | AttributeError | ImportError
        ):  # Python has a «Did you mean» for these
            lines = TracebackException(type(error), error, error.__traceback__).format_exception_only()
            return tidy(limits.shorten("".join(lines).partition(": ")[2].strip()))
        return tidy(limits.shorten(str(error)))
    except Exception:
        return "(an exception whose text can't be read)"
