"""Notebooks as students break them, and what each is worth to the grader. All are made from a solved one."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from grading.notebooks import FILE

Notebook = dict[str, Any]


class Broken(NamedTuple):
    """break_it changes the notebook, or returns the bytes that are handed in instead."""

    break_it: Callable[[Notebook], bytes | None]
    points: int  # of 100
    says: str = ""  # words of the note
    unread: bool = False


def cell(notebook: Notebook, name: str) -> Any:
    return next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == name)


def _delete(*names: str) -> Callable[[Notebook], None]:
    def break_it(notebook: Notebook) -> None:
        for name in names:
            notebook["cells"].remove(cell(notebook, name))

    return break_it


def _double(name: str) -> Callable[[Notebook], None]:
    def break_it(notebook: Notebook) -> None:
        at = notebook["cells"].index(cell(notebook, name))
        notebook["cells"].insert(at, copy.deepcopy(notebook["cells"][at]))

    return break_it


def _set(name: str, **values: Any) -> Callable[[Notebook], None]:
    return lambda notebook: cell(notebook, name).update(values)


def _mark(name: str, **values: Any) -> Callable[[Notebook], None]:
    return lambda notebook: cell(notebook, name)["metadata"]["nbgrader"].update(values)


def _unname(*names: str) -> Callable[[Notebook], None]:
    def break_it(notebook: Notebook) -> None:
        for name in names:
            cell(notebook, name)["metadata"] = {}

    return break_it


def _top(**values: Any) -> Callable[[Notebook], None]:
    return lambda notebook: notebook.update(values)


def _bytes(data: bytes) -> Callable[[Notebook], bytes]:
    return lambda notebook: data


def _renamed(notebook: Notebook) -> None:
    for number, each in enumerate(notebook["cells"]):
        if "nbgrader" in each["metadata"]:
            each["metadata"]["nbgrader"]["grade_id"] = f"cell-{number}"


def _retyped(notebook: Notebook) -> None:
    for each in notebook["cells"]:
        each["cell_type"] = "markdown" if each["cell_type"] == "code" else "code"


def _outputs(notebook: Notebook) -> None:
    many = {"output_type": "stream", "name": "stdout", "text": "x" * (50 << 20)}
    cell(notebook, "ex3-train")["outputs"] = [many]


def _printed_marks(notebook: Notebook) -> None:
    """Results and warnings in the locked cells, as if they had been run."""
    full = {
        "output_type": "execute_result",
        "data": {"text/plain": "1000"},
        "metadata": {},
        "execution_count": 1,
    }
    warned = {"output_type": "stream", "name": "stderr", "text": "a warning"}
    for name in ("ex1", "ex2", "workflow"):
        cell(notebook, name)["outputs"] = [full, warned]


def _truncated(notebook: Notebook) -> bytes:
    return json.dumps(notebook).encode()[:-2000]


def _nested(notebook: Notebook) -> bytes:
    return b'{"nbformat": 4, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


BROKEN = {
    "a deleted function": Broken(_delete("ex1-create_dataset"), 80, "missing"),
    "a deleted check": Broken(_delete("ex1", "workflow"), 100, "missing"),
    "all named cells deleted": Broken(
        lambda nb: _top(cells=[c for c in nb["cells"] if "nbgrader" not in c["metadata"]])(nb), 0, "missing"
    ),
    "no cells": Broken(_top(cells=[]), 0, "missing"),
    "a doubled function": Broken(_double("ex3-train"), 100, "twice"),
    "a doubled check": Broken(_double("ex3"), 100, "twice"),
    "an emptied function": Broken(_set("ex2-LinearRegressionModel", source=""), 75),
    "emptied checks": Broken(lambda nb: [_set(name, source="")(nb) for name in ("ex1", "ex5")] and None, 100),
    "code turned into text": Broken(_set("ex3-train", cell_type="markdown"), 100),
    "a check turned into text": Broken(_set("ex3", cell_type="markdown"), 100),
    "an answer turned into code": Broken(_set("why-it-converges", cell_type="code"), 100),
    "all types changed": Broken(_retyped, 0),
    "names lost": Broken(_unname("ex1-plot_data", "ex3-train", "why-it-converges"), 100, "names"),
    "all names changed": Broken(_renamed, 100, "names"),
    "points raised": Broken(_mark("ex1", points=1000), 100),
    "a check that is no longer graded": Broken(_mark("ex1", grade=False, locked=False), 100),
    "a function marked as a test": Broken(_mark("ex4-predict", grade=True, solution=False), 77),
    "a schema of tomorrow": Broken(_mark("ex1", schema_version=99), 100),
    "a schema of yesterday": Broken(_mark("ex1", schema_version=0), 100),
    "marks that are text": Broken(_set("ex1", metadata={"nbgrader": "yes"}), 100),
    "outputs of 50 MB": Broken(_outputs, 100),
    "marks printed by hand": Broken(_printed_marks, 100),
    "broken cell ids": Broken(_set("ex1", id="not a valid id !"), 100),
    "cells without ids": Broken(lambda nb: [c.pop("id") for c in nb["cells"]] and None, 100),
    "half a character": Broken(_set("why-it-converges", source="\ud800"), 100),
    "a source that is a number": Broken(_set("ex2-LinearRegressionModel", source=5), 75, "can't be read"),
    "a cell that is a list": Broken(lambda nb: nb["cells"].insert(3, [1, 2]), 100, "can't be read"),
    "metadata gone": Broken(lambda nb: nb.pop("metadata") and None, 100),
    "not JSON": Broken(_bytes(b"# My homework\nprint('hello')\n"), 0, "not a notebook", unread=True),
    "truncated": Broken(_truncated, 0, "not a notebook", unread=True),
    "an empty file": Broken(_bytes(b""), 0, "not a notebook", unread=True),
    "a list": Broken(_bytes(b"[]"), 0, "no notebook", unread=True),
    "format 3": Broken(_top(nbformat=3), 0, "old format", unread=True),
    "nested too deeply": Broken(_nested, 0, "not a notebook", unread=True),
    "not UTF-8": Broken(_bytes(b'{"nbformat": 4, "cells": ["\xff\xfe"]}'), 0, "not a notebook", unread=True),
}


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _link(target: str) -> Callable[[Path], None]:
    def lay(file: Path) -> None:
        file.unlink()
        file.symlink_to(target)

    return lay


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _beside(name: str, text: str) -> Callable[[Path], None]:
    return lambda file: file.with_name(name).write_text(text) and None


def _links_beside(file: Path) -> None:
    file.with_name("data").symlink_to("/etc")
    file.with_name("passwords.txt").symlink_to("/etc/passwd")
    os.mkfifo(file.with_name("pipe"))


# What else can lie in a submitted folder: laid there beside a solved notebook, or in its place.
LAID: dict[str, tuple[Callable[[Path], None], int]] = {
    "another file name": (lambda file: file.rename(file.with_name("homework (2).ipynb")) and None, 100),
    "two notebooks": (lambda file: file.with_name("Untitled.ipynb").write_bytes(b"{}") and None, 100),
    "a folder for a notebook": (_folder, 0),
    "a link for a notebook": (_link("/etc/passwd"), 0),
    "a link to the solution": (_link(f"../../../source/pytorch-workflow/{FILE}"), 0),
    "a pipe for a notebook": (_pipe, 0),
    "links beside it": (_links_beside, 100),
    "a junk time": (_beside("timestamp.txt", "tomorrow, perhaps"), 100),
    "a forged time": (_beside("timestamp.txt", "1999-01-01 00:00:00.000000 UTC"), 100),
    "a folder for a time": (lambda file: file.with_name("timestamp.txt").mkdir(), 100),
    "nothing": (lambda file: file.unlink(), 0),
}
