"""What an instructor should look at in a submission's source. A flag costs no points: it may be quite innocent.

Only the syntax tree is read, names as the imports give them (`from os import _exit as e` is os._exit). Whoever wants
to hide from this can: that a mark can't be forged is the jail's promise, not this module's.
"""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from grading.notebooks import Cell
from tests import oracle
from tests.coach.report import Flag
from tests.harness.given import PRACTICE
from tests.limits import shorten

MOST = 50  # flags of one submission
MOST_SOURCE = 200_000  # bytes that are parsed: the five modules have 25,000 together
MOST_NAME = 60  # characters of the student's own in a message

# Rule, what it means, and the names it is about: each of them and all that is below it.
NAMES = {
    "exit": ("ends the process past every check", "os._exit os.abort"),
    "frames": (
        "reaches into the code that calls it",
        "sys._getframe sys._current_frames sys.settrace sys.setprofile inspect.currentframe inspect.stack inspect.trace "
        "inspect.getouterframes inspect.getinnerframes gc.get_objects gc.get_referrers gc.get_referents",
    ),
    "native": ("runs native code", "ctypes _ctypes cffi mmap"),
    "imports": ("imports by way of a function", "importlib imp runpy pkgutil zipimport sys.meta_path sys.path_hooks"),
    "processes": (
        "starts or ends processes or threads",
        "subprocess multiprocessing torch.multiprocessing threading _thread concurrent.futures pty os.system os.popen "
        "os.fork os.forkpty os.kill os.killpg os.setsid os.posix_spawn os.posix_spawnp os.execv os.execve os.execvp "
        "os.execvpe os.execl os.execle os.execlp os.spawnl os.spawnv os.spawnve os.spawnvp",
    ),
    "network": (
        "asks the network",
        "socket socketserver ssl http urllib urllib3 requests httpx aiohttp ftplib smtplib xmlrpc torch.hub",
    ),
    "main": ("looks at the modules that run it", "__main__ sys.modules"),
    "environment": (
        "looks at the machine it runs on",
        "os.environ os.environb os.getenv os.getlogin os.getppid os.uname platform getpass pwd psutil",
    ),
    "hooks": (
        "runs when the program ends or is interrupted",
        "atexit signal sys.excepthook sys.unraisablehook weakref.finalize",
    ),
    "internals": ("reaches Python's internals", "builtins os.* sys.* gc.* inspect.*"),
    "patching": ("replaces parts of other code", "unittest.mock mock forbiddenfruit"),
    "kit": ("imports from the kit or its test tools", "tests grading solutions conftest pytest _pytest pytest_check"),
    "pickle": ("loads objects that can run code", "pickle _pickle dill cloudpickle joblib marshal shelve"),
    "lies": (
        "makes tensors that answer for themselves",
        "torch.Tensor._make_subclass torch.Tensor._make_wrapper_subclass torch.overrides torch.utils._python_dispatch",
    ),
}  # fmt: skip
RULE_OF = {name: rule for rule, (_, names) in NAMES.items() for name in names.split()}
BUILTINS = {"exec": "internals", "eval": "internals", "compile": "internals", "__import__": "imports"}
INTERNALS = frozenset(
    "__subclasses__ __globals__ __builtins__ __code__ __closure__ f_back f_globals f_locals tb_frame gi_frame".split()
)
LYING_METHODS = frozenset(
    "__class__ __torch_function__ __torch_dispatch__ __instancecheck__ __subclasscheck__".split()
)
COMPARISONS = frozenset("__eq__ __ne__ __lt__ __le__ __gt__ __ge__".split())
TENSORS = frozenset("torch.Tensor torch.FloatTensor torch.nn.Parameter torch.nn.parameter.Parameter".split())
LIBRARIES = frozenset(
    "torch numpy matplotlib pytest pytest_check msgspec tests grading math copy builtins os gc".split()
)
SWITCHES = ("torch.backends.", "matplotlib.pyplot.rcParams", "matplotlib.rcParams")  # meant to be assigned
SNIFFED = re.compile(r"PYTEST|GITHUB_ACTIONS|GITLAB_CI|GRADESCOPE|NBGRADER|/proc/")
OPENING = frozenset(
    "open io.open os.open os.listdir os.scandir os.walk glob.glob pathlib.Path torch.load numpy.load".split()
)
OUTSIDE = re.compile(r"/|~|[A-Za-z]:[\\/]|(?:.*[\\/])?\.\.(?:[\\/]|$)")

LEARNED = ("LinearRegressionModel", "train", "predict")  # in these, an answer or a seed has no place
TUNING = frozenset("momentum lr dampening weight_decay alpha gamma eps p s linewidth label".split())
STARTS = (
    (0.3367, 0.1288),
    (0.7645, 0.8300),
    PRACTICE.start_at,
)  # seed 42: two randn, nn.Linear; the tests' own
SEEDS = frozenset(("manual_seed", "manual_seed_all", "seed"))


def flags(modules: Mapping[str, bytes], cells: Sequence[Cell] | None = None) -> tuple[Flag, ...]:
    """At most MOST flags, in the order of files and lines, then one that counts the rest.

    Source that Python can't read has none: it runs nowhere. Raises nothing.
    """
    if cells is None:
        units = [[(f"exercises/{name}", data)] for name, data in sorted(modules.items())]
    else:
        units = [[(f"notebook, cell {cell.number}", cell.source.encode()) for cell in cells]]
    found = [flag for unit in units for flag in _of_unit(unit)]
    rest = len(found) - MOST
    more = (Flag("more", found[MOST].file, found[MOST].line, f"{rest} more findings"),) if rest > 0 else ()
    return (*found[:MOST], *more)


def _of_unit(files: list[tuple[str, bytes]]) -> Iterator[Flag]:
    """The flags of files that share one namespace."""
    trees: list[tuple[str, ast.Module]] = []
    for file, data in files:
        try:
            trees += [(file, tree) for tree in [_parse(data)] if tree]
        except _TooMuch as reason:
            yield Flag("unread", file, 1, str(reason))
    names = dict(pair for _, tree in trees for node in ast.walk(tree) for pair in _imported(node))
    defined = {node.name for _, tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    for file, tree in trees:
        finder = _Finder(names, defined)
        findings = {(line, rule, words) for line, rule, words in finder.findings(tree)}
        yield from (Flag(rule, file, line, words) for line, rule, words in sorted(findings))


class _TooMuch(Exception):
    """Source that could run, but was not looked through."""


def _parse(data: bytes) -> ast.Module | None:
    if len(data) > MOST_SOURCE:
        raise _TooMuch(f"not looked through: {len(data):,} bytes of source")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data.decode("utf-8-sig"))
    except (RecursionError, MemoryError):
        raise _TooMuch("not looked through: too deeply nested") from None
    except (SyntaxError, ValueError):
        return None


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Names that an import binds, and what they stand for in full."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            root = alias.name.split(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (root, root)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


class _Finder:
    """Looks through one syntax tree, without recursion: its depth is the student's choice."""

    def __init__(self, names: Mapping[str, str], defined: set[str]) -> None:
        self.names = names
        self.defined = defined

    def findings(self, tree: ast.Module) -> Iterator[tuple[int, str, str]]:
        """(line, rule, words)."""
        waiting: list[tuple[ast.AST, str]] = [(tree, "")]
        while waiting:
            node, learned = waiting.pop()
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in LEARNED:
                learned = learned or node.name
            line = getattr(node, "lineno", 1)
            yield from ((line, rule, words) for rule, words in self._about(node, learned))
            waiting += [(child, learned) for child in self._children(node)]

    def _children(self, node: ast.AST) -> Iterable[ast.AST]:
        """What to look at below a node: not the shorter names within a dotted one, nor what is only tuned or set."""
        if isinstance(node, ast.Attribute) and self._full(node):
            return ()
        if isinstance(node, ast.keyword) and node.arg in TUNING and isinstance(node.value, ast.Constant):
            return ()
        if isinstance(node, ast.Assign) and all(self._sets_environment(target) for target in node.targets):
            return (node.value,)
        if isinstance(node, ast.Call) and self._full(node.func) == "os.environ.setdefault":
            return node.args
        return ast.iter_child_nodes(node)

    def _about(self, node: ast.AST, learned: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imports(node)
        elif isinstance(node, ast.Name | ast.Attribute):
            yield from self._name(node)
        elif isinstance(node, ast.Call):
            yield from self._call(node, learned)
        elif isinstance(node, ast.ClassDef):
            yield from self._class(node)
        elif isinstance(node, ast.Constant):
            yield from _constant(node, learned)
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        yield from (found for target in targets for found in self._target(target))

    def _full(self, node: ast.AST) -> str | None:
        """The full name of a dotted name that starts with an imported one, or of a builtin."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        if node.id not in self.names:
            return node.id if not parts and node.id not in self.defined else None
        return ".".join([self.names[node.id], *reversed(parts)])

    def _name(self, node: ast.Name | ast.Attribute) -> Iterator[tuple[str, str]]:
        full = self._full(node) or ""
        if isinstance(node, ast.Name) and node.id not in self.names:
            if full in BUILTINS:
                yield BUILTINS[full], f"uses {full}"
        elif rule := _rule(full):
            yield rule, f"uses {_short(full)}: {NAMES[rule][0]}"
        last = node.attr if isinstance(node, ast.Attribute) else node.id
        if last in INTERNALS:
            yield "internals", f"uses {last}: reaches Python's internals"
        elif last == "__dict__" and full.split(".")[0] in LIBRARIES:
            yield "patching", f"uses {_short(full)}: reaches into other code"

    def _call(self, node: ast.Call, learned: str) -> Iterator[tuple[str, str]]:
        full = self._full(node.func) or ""
        first = node.args[0] if node.args else None
        text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
        attribute = node.func.attr if isinstance(node.func, ast.Attribute) else full.rpartition(".")[2]
        if full in ("getattr", "setattr", "delattr", "vars") and first is not None:
            yield from self._indirect(full, self._full(first) or "", node.args[1:])
        elif full in OPENING and OUTSIDE.match(text):
            yield "files", f"{full}({_short(text)!r}): a path outside the exercise's folder"
        elif full == "torch.load" and any(
            k.arg == "weights_only" and _is(k.value, False) for k in node.keywords
        ):
            yield "pickle", "torch.load(…, weights_only=False): loads objects that can run code"
        if learned and attribute in SEEDS:
            yield "seed", f"{learned} sets a random seed: whoever uses it should choose"

    def _indirect(self, function: str, of: str, names: list[ast.expr]) -> Iterator[tuple[str, str]]:
        """getattr(os, …): an attribute by a name that is spelt out, put together, or set."""
        root = of.split(".")[0]
        if function in ("setattr", "delattr", "vars"):
            if root in LIBRARIES and root in {name.split(".")[0] for name in self.names.values()}:
                yield "patching", f"{function}({_short(of)}, …): changes other code"
        elif root in ("os", "sys", "gc", "inspect", "builtins") and names:
            spelt = names[0].value if isinstance(names[0], ast.Constant) else None
            rule = _rule(f"{of}.{spelt}") if isinstance(spelt, str) else "internals"
            if rule:
                yield rule, f"getattr({of}, …): {NAMES[rule][0]}"

    def _class(self, node: ast.ClassDef) -> Iterator[tuple[str, str]]:
        name = _short(node.name)
        for base in node.bases:
            full = self._full(base) or ""
            if full in TENSORS and self.names:
                yield "lies", f"class {name} is a kind of {full}: it can answer for itself"
        for statement in node.body:
            method = getattr(statement, "name", "")
            if method in LYING_METHODS:
                yield "lies", f"class {name} defines {method}: it can pass for another"
            elif isinstance(statement, ast.FunctionDef) and method in COMPARISONS and _always(statement):
                yield "lies", f"class {name}: its {method} always gives the same answer"

    def _target(self, target: ast.AST | None) -> Iterator[tuple[str, str]]:
        """What is assigned to, or deleted."""
        if isinstance(target, ast.Name) and target.id == "__class__":
            yield "lies", "sets __class__: it can pass for another"
        if not isinstance(target, ast.Attribute):
            return
        full = self._full(target) or ""
        if target.attr == "__class__":
            yield "lies", "sets __class__: it can pass for another"
        elif full.split(".")[0] in LIBRARIES and not full.startswith(SWITCHES):
            yield "patching", f"sets {_short(full)}: changes other code"

    def _sets_environment(self, target: ast.expr) -> bool:
        """`os.environ["NAME"] = …` asks nothing."""
        return (
            isinstance(target, ast.Subscript)
            and isinstance(target.slice, ast.Constant)
            and self._full(target.value) == "os.environ"
        )


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) and not node.level else ""
    for alias in node.names:
        full = prefix + alias.name
        if rule := _rule(full):
            yield rule, f"imports {_short(full)}: {NAMES[rule][0]}"


def _rule(full: str) -> str | None:
    """The rule about a name or about what it belongs to."""
    parts = full.split(".")[:4]  # no name in NAMES is longer
    return next((RULE_OF[p] for n in range(len(parts), 0, -1) if (p := ".".join(parts[:n])) in RULE_OF), None)


def _constant(node: ast.Constant, learned: str) -> Iterator[tuple[str, str]]:
    if isinstance(node.value, str):
        if found := SNIFFED.search(node.value[:MOST_SOURCE]):
            yield "environment", f"mentions {found[0]!r}: where its grader may run"
        if node.value in INTERNALS:
            yield "internals", f"names {node.value}: reaches Python's internals"
    elif learned and isinstance(node.value, float) and _is_answer(node.value):
        yield "answer", f"{learned} contains {node.value!r}, a number that training has to find"


def _is_answer(value: float) -> bool:
    """The exercise's own line to the digit; the end of a known run to three digits."""
    if value in (PRACTICE.line.weight, PRACTICE.line.bias):
        return True
    digits = len(repr(value).partition(".")[2])
    return digits >= 3 and any(abs(value - known) < 0.0006 for known in _known())


@cache
def _known() -> tuple[float, ...]:
    """Where training starts from seed 42, and where it ends from there."""
    runs = (oracle.follow(start, *PRACTICE.train(), PRACTICE.lr, PRACTICE.epochs) for start in STARTS)
    starts = [value for start in STARTS[:2] for value in start]
    return (*starts, *(float(value) for run in runs for value in run[-1]))


def _always(function: ast.FunctionDef) -> bool:
    """Whether all that a function does is to return one constant."""
    body = [s for s in function.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return len(body) == 1 and isinstance(body[0], ast.Return) and _is(body[0].value, True, False)


def _is(node: ast.AST | None, *values: object) -> bool:
    return isinstance(node, ast.Constant) and any(node.value is value for value in values)


def _short(text: str) -> str:
    return shorten(text, MOST_NAME)
