"""One experiment must not feel another: the process is put back as it was around student code."""

import builtins
import contextlib
import io
import os
import pdb
import random
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch

from tests import limits


class Sink(io.TextIOBase):
    """A stream that keeps the beginning of what is printed, and forgets the rest at no cost."""

    def __init__(self, most: int = limits.OUTPUT_BYTES) -> None:
        self.kept: list[str] = []
        self.left = most
        self.cut = False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.left > 0:
            self.kept.append(text[: self.left])
            self.left -= len(text)
        else:
            self.cut = True
        return len(text)

    def reconfigure(self, **options: object) -> None:
        """As a terminal's stream has it: programs made for Windows call it at their start."""

    def text(self) -> str:
        return "".join(self.kept) + ("\n… (more was printed and cut)" if self.cut else "")


class NobodyTypes(io.StringIO):
    """Standard input while student code runs: there is nobody to answer `input()`."""

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        raise EOFError("input() was called, but nobody is there to type while the tests run")

    def read(self, size: int | None = -1, /) -> str:
        return self.readline()


@contextlib.contextmanager
def quiet() -> Iterator[tuple[Sink, list[warnings.WarningMessage]]]:
    """Catch what is printed and warned of; a `breakpoint()` gets the terminal and the time it needs."""
    sink, streams = Sink(), (sys.stdin, sys.stdout, sys.stderr)
    hook, set_trace = sys.breakpointhook, pdb.set_trace

    def stop_here(*args: Any, **kwargs: Any) -> None:
        limits.pause()
        sys.stdin, sys.stdout, sys.stderr = streams
        pdb.Pdb().set_trace(sys._getframe(1))

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        sys.stdin, sys.stdout, sys.stderr = NobodyTypes(), sink, sink
        sys.breakpointhook = pdb.set_trace = stop_here
        try:
            yield sink, warned
        finally:
            sys.breakpointhook, pdb.set_trace = hook, set_trace
            sys.stdin, sys.stdout, sys.stderr = streams


@contextlib.contextmanager
def clean_globals(seed: int = 0) -> Iterator[None]:
    """Run the body in an empty folder, with PyTorch, NumPy and matplotlib as just imported and `seed`
    sown everywhere; afterwards everything is as it was before."""
    cwd, path, environment = os.getcwd(), list(sys.path), dict(os.environ)
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    printing = builtins.print
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    # Through `dict`, past matplotlib's validation of every entry, which costs a millisecond.
    style = {name: dict.__getitem__(matplotlib.rcParams, name) for name in dict.keys(matplotlib.rcParams)}
    folder = tempfile.mkdtemp(prefix=_PREFIX)
    try:
        os.chdir(folder)
        sow(seed)
        yield
    finally:
        plt.close("all")
        dict.update(matplotlib.rcParams, style)
        torch.set_default_dtype(dtype)
        torch.set_default_device(None)
        torch.set_grad_enabled(True)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        builtins.print = printing
        sys.path[:] = path
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
        os.chdir(cwd)
        shutil.rmtree(folder, ignore_errors=True)


def tidy(text: str) -> str:
    """What student code said, as it would say it again: without our temporary folder's name and the addresses of
    objects, which change from run to run, and with nothing in it that can't be written as UTF-8."""
    *before, last = _TEMPORARY.split(text)
    text = "".join(part[: max(map(part.rfind, _PATH_ENDS)) + 1] for part in before) + last
    return _ADDRESS.sub("0x…", text).encode("utf-8", "replace").decode()


_PREFIX = "pytorch-workflow-"
_TEMPORARY = re.compile(rf"{_PREFIX}\w{{0,8}}[\\/]?")
_PATH_ENDS = " \t\n'\"()[]<>=,:"  # what a path in a text begins after
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,16}\b")


def sow(seed: int) -> None:
    """Seed every generator that a student might draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed remembers every call for devices to come
