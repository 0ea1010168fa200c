"""What an instructor should look at in a submission's source. A flag costs no points: it may be quite innocent.

Only the syntax tree is read, with names as the imports give them (`from os import _exit as e` is os._exit). Whoever
wants to hide from this can: that a mark can't be forged is the jail's promise, not this module's.
"""

import ast
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

from grading import flag_rules as rules
from grading.notebooks import Cell
from tests.coach.report import Flag
from tests.limits import shorten

MOST = 50  # flags of one submission
MOST_SOURCE = (
    300_000  # bytes of a submission that are parsed, in seconds: the five solved modules have 20,000
)
MOST_NAME = 60  # characters of the student's own in a message
MOST_DOTS = 20  # in a name

Finding = tuple[str, str]  # rule and message


def flags(modules: Mapping[str, bytes], cells: Sequence[Cell] | None = None) -> tuple[Flag, ...]:
    """At most MOST flags, in the order of files and lines, then one that counts the rest.

    The file is "exercises/ex3_training.py", or "notebook, cell 3" where there are cells. Source that Python can't
    read has no flags: it runs nowhere. Source that is too much to be looked through has one that says so.
    """
    if cells is None:
        units = [[(f"exercises/{name}", data)] for name, data in sorted(modules.items())]
    else:
        units = [[(f"notebook, cell {cell.number}", cell.source.encode(errors="replace")) for cell in cells]]
    left, found = MOST_SOURCE, list[Flag]()
    for unit in units:
        found += _of_unit(unit, left)
        left -= sum(len(data) for _, data in unit)
    rest = len(found) - MOST
    more = (Flag("more", found[MOST].file, found[MOST].line, f"{rest} more findings"),) if rest > 0 else ()
    return (*found[:MOST], *more)


def _of_unit(files: list[tuple[str, bytes]], left: int) -> Iterator[Flag]:
    """The flags of files that share one namespace, while there is room `left` for their bytes."""
    trees: list[tuple[str, ast.Module | _TooMuch]] = []
    for file, data in files:
        left -= len(data)
        trees.append((file, _parse(data) if left >= 0 else _TooMuch("so much source")))
    readable = [tree for _, tree in trees if isinstance(tree, ast.Module)]
    names = dict(pair for tree in readable for node in ast.walk(tree) for pair in _imported(node))
    defined = {node.name for tree in readable for node in tree.body if isinstance(node, ast.FunctionDef)}
    finder = _Finder(names, defined)
    for file, tree in trees:
        if isinstance(tree, _TooMuch):
            yield Flag("unread", file, 1, f"not looked through: {tree}")
        else:
            yield from (Flag(rule, file, line, words) for line, rule, words in sorted(finder.findings(tree)))


class _TooMuch(Exception):
    """Source that may run, but can't be looked through."""


def _parse(data: bytes) -> "ast.Module | _TooMuch":
    """The tree; an empty one for what is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data.decode("utf-8-sig"))
    except (RecursionError, MemoryError):
        return _TooMuch("source nested so deeply")
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Names that an import binds, and what they stand for in full."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            root = alias.name.split(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (root, root)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


class _Finder:
    """Looks through syntax trees, without recursion: their depth is the student's choice.

    names: what the imported names stand for. defined: functions that may hide a builtin of the same name.
    """

    def __init__(self, names: Mapping[str, str], defined: set[str]) -> None:
        self.names = names
        self.defined = defined

    def findings(self, tree: ast.Module) -> set[tuple[int, str, str]]:
        """(line, rule, message)."""
        found: set[tuple[int, str, str]] = set()
        waiting: list[tuple[ast.AST, str]] = [(tree, "")]
        while waiting:
            node, learned = waiting.pop()
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in rules.LEARNED:
                learned = learned or node.name
            line = getattr(node, "lineno", 1)
            found |= {(line, rule, message) for rule, message in self._about(node, learned)}
            waiting += [(child, learned) for child in self._below(node)]
        return found

    def _below(self, node: ast.AST) -> Iterable[ast.AST]:
        """What to look at below a node: not the shorter names in a dotted one, nor what is only tuned or set."""
        if isinstance(node, ast.Attribute) and self._full(node):
            return ()
        if (
            isinstance(node, ast.keyword)
            and node.arg in rules.TUNING
            and isinstance(node.value, ast.Constant)
        ):
            return ()
        if isinstance(node, ast.Assign) and all(self._sets_environment(target) for target in node.targets):
            return (node.value,)
        if isinstance(node, ast.Call) and self._full(node.func) == "os.environ.setdefault":
            return node.args
        return ast.iter_child_nodes(node)

    def _about(self, node: ast.AST, learned: str) -> Iterator[Finding]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imports(node)
        elif isinstance(node, ast.Name):
            yield from self._name(node)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node)
        elif isinstance(node, ast.Call):
            yield from self._call(node)
            yield from self._seed(node, learned)
        elif isinstance(node, ast.ClassDef):
            yield from self._class(node)
        elif isinstance(node, ast.Constant):
            yield from _constant(node, learned)

    def _full(self, node: ast.AST) -> str:
        """The full name of a dotted name that starts with an imported one; empty for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute) and len(parts) < MOST_DOTS:
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.names:
            return ""
        return ".".join([self.names[node.id], *reversed(parts)])

    def _builtin(self, node: ast.AST) -> str:
        """A name that no import and no function of theirs hides."""
        if not isinstance(node, ast.Name) or node.id in self.names or node.id in self.defined:
            return ""
        return node.id

    def _name(self, node: ast.Name) -> Iterator[Finding]:
        if isinstance(node.ctx, ast.Store):
            if node.id == "__class__":
                yield "lies", "sets __class__: passes for another type"
            return
        yield from _use(self._full(node))
        if (builtin := self._builtin(node)) in rules.BUILTINS:
            yield rules.BUILTINS[builtin], f"uses {builtin}"
        if node.id in rules.INTERNALS:
            yield "internals", f"uses {node.id}: {rules.NAMES['internals'][0]}"

    def _attribute(self, node: ast.Attribute) -> Iterator[Finding]:
        full = self._full(node)
        foreign = rules.is_foreign(full)
        yield from _use(full)
        if node.attr in rules.INTERNALS:
            yield "internals", f"uses {node.attr}: {rules.NAMES['internals'][0]}"
        if node.attr == "__dict__" and foreign:
            yield "patching", f"uses {_short(full)}: reaches into other code"
        if not isinstance(node.ctx, ast.Load):
            if node.attr == "__class__":
                yield "lies", "sets __class__: passes for another type"
            elif foreign and not full.startswith(rules.SWITCHES):
                yield "patching", f"sets {_short(full)}: changes other code"

    def _call(self, node: ast.Call) -> Iterator[Finding]:
        function = self._full(node.func) or self._builtin(node.func)
        first = node.args[0] if node.args else None
        path = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
        if function in rules.OPENING and rules.OUTSIDE.match(path):
            yield "files", f"{function}({_short(path)!r}): a path outside the exercise's folder"
        if function == "torch.load" and any(
            k.arg == "weights_only" and _is(k.value, False) for k in node.keywords
        ):
            yield "pickle", "torch.load(…, weights_only=False): loads objects that can run code"
        if first is None:
            return
        of = self._full(first)
        if function == "type" and len(node.args) == 3:
            yield "lies", "makes a class with type(…): it can pass for another type"
        if function in ("setattr", "delattr", "vars") and rules.is_foreign(of):
            yield "patching", f"{function}({_short(of)}, …): changes other code"
        elif function == "getattr" and of.split(".")[0] in rules.SECRETIVE and len(node.args) > 1:
            yield from _getattr(of, node.args[1])

    def _seed(self, node: ast.Call, learned: str) -> Iterator[Finding]:
        """`generator.manual_seed(0)` as well: by whatever it is called on."""
        full = self._full(node.func)
        last = node.func.attr if isinstance(node.func, ast.Attribute) else full.rpartition(".")[2]
        if learned and last in rules.SEEDS:
            yield "seed", f"{learned} sets a random seed: that is its caller's choice"

    def _class(self, node: ast.ClassDef) -> Iterator[Finding]:
        name = f"class {_short(node.name)}"
        for base in node.bases:
            if (full := self._full(base)) in rules.TENSORS:
                yield "lies", f"{name} is a kind of {full}: it can answer for itself"
        for method in node.body:
            if isinstance(method, ast.FunctionDef):
                if method.name in rules.LYING_METHODS:
                    yield "lies", f"{name} defines {method.name}: it can pass for another type"
                elif method.name in rules.COMPARISONS and _always(method):
                    yield "lies", f"{name}: its {method.name} always gives the same answer"
            elif isinstance(method, ast.Assign) and (set_ := rules.COMPARISONS & _names(method.targets)):
                yield "lies", f"{name} sets {min(set_)}: its answer may always be the same"

    def _sets_environment(self, target: ast.expr) -> bool:
        """`os.environ["NAME"] = …` asks nothing."""
        if not isinstance(target, ast.Subscript) or not isinstance(target.slice, ast.Constant):
            return False
        return self._full(target.value) == "os.environ"


def _imports(node: ast.Import | ast.ImportFrom) -> Iterator[Finding]:
    prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) and not node.level else ""
    for alias in node.names:
        full = prefix + alias.name
        if rule := rules.rule(full):
            yield rule, f"imports {_short(full)}: {rules.NAMES[rule][0]}"


def _use(full: str) -> Iterator[Finding]:
    if rule := rules.rule(full):
        yield rule, f"uses {_short(full)}: {rules.NAMES[rule][0]}"


def _getattr(module: str, name: ast.expr) -> Iterator[Finding]:
    """An attribute by a name that is spelt out, or put together so that it can't be read."""
    spelt = str(name.value) if isinstance(name, ast.Constant) else None
    if rule := "internals" if spelt is None else rules.rule(f"{module}.{spelt}"):
        yield rule, f"getattr({_short(module)}, {_short(spelt or '…')}): {rules.NAMES[rule][0]}"


def _constant(node: ast.Constant, learned: str) -> Iterator[Finding]:
    if isinstance(node.value, str):
        if found := rules.SNIFFED.search(node.value):
            yield "environment", f"mentions {found[0]!r}: where a grader may run"
        if node.value in rules.INTERNALS:
            yield "internals", f"names {node.value}: {rules.NAMES['internals'][0]}"
    elif learned and isinstance(node.value, float) and rules.is_answer(node.value):
        yield "answer", f"{learned} contains {node.value!r}, a number that training has to find"


def _names(targets: list[ast.expr]) -> set[str]:
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _always(function: ast.FunctionDef) -> bool:
    """Whether all that a function does is to return one constant."""
    body = [s for s in function.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return len(body) == 1 and isinstance(body[0], ast.Return) and _is(body[0].value, True, False)


def _is(node: ast.AST | None, *values: object) -> bool:
    return isinstance(node, ast.Constant) and any(node.value is value for value in values)


def _short(text: str) -> str:
    return shorten(text, MOST_NAME)
