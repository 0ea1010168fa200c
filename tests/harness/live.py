"""The way to a student's code in a running notebook: the names that its cells have defined so far."""

import builtins
import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import torch
from matplotlib._pylab_helpers import Gcf

from tests.harness.clean import NobodyTypes
from tests.harness.observations import Raised
from tests.harness.student import Student


class Live(Student):
    """cells: (execution count, source) by file name, as it stands in tracebacks, of what has run."""

    def __init__(self, namespace: Mapping[str, Any], cells: Mapping[str, tuple[int, str]]) -> None:
        # A class is looked for in this order, and the last definition is the one that counts.
        newest_first = sorted(cells.items(), key=lambda cell: cell[1][0], reverse=True)
        super().__init__(namespace, {file: source for file, (_, source) in newest_first})
        self._counts = {file: count for file, (count, _) in cells.items()}

    def shown(self, filename: str) -> str:
        return f"In [{self._counts[filename]}]" if filename in self._counts else filename

    def _nearest(self, name: str, namespace: Mapping[str, Any]) -> Raised:
        found = super()._nearest(name, namespace)
        if found.place and found.place.source:
            return found
        return Raised("Missing", f"{self.file(name)} has no `{name}` so far: run the cell that defines it")


@contextlib.contextmanager
def set_aside() -> Iterator[None]:
    """Put away what a session may have of its own and `make test` has not; afterwards it is there again.

    That is: open figures and the way they are shown, PyTorch's defaults, Jupyter's field for `input()`.
    """
    dtype, device, grad = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    path, asking = list(sys.path), builtins.input
    backend = matplotlib.get_backend()
    plt.switch_backend(
        backend
    )  # Jupyter's takes its place in the kernel when it is loaded under its own name
    figures = dict(Gcf.figs)
    try:
        Gcf.figs.clear()
        plt.switch_backend("agg")
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
        torch.set_grad_enabled(True)
        # Jupyter's input() does not read from sys.stdin; a debugger, which gets the real one, may ask all the same.
        builtins.input = lambda prompt="", /: (
            sys.stdin.readline() if isinstance(sys.stdin, NobodyTypes) else asking(prompt)
        )
        yield
    finally:
        builtins.input = asking
        torch.set_default_dtype(dtype)
        torch.set_default_device(None if device.type == "cpu" else device)
        torch.set_grad_enabled(grad)
        plt.switch_backend(backend)
        Gcf.figs.clear()
        Gcf.figs.update(figures)
        sys.path[:] = path
