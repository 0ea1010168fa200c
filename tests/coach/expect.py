"""`expect`: facts in one grammar. What was called, what came back, what was expected, what it means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import pytest
from pytest_check import check

from tests.harness.observations import Array, Seen

MOST_FACTS = 2  # of one test that are spelt out; the rest are counted

# What came back where a tensor should have.
INSTEAD = {
    "NoneType": "The function ends without `return`, so its caller gets None.",
    "ndarray": "That is a NumPy array. A model only takes tensors: make it with torch, not with NumPy.",
    "list": "Python lists have no shape, dtype or device. Make a tensor of it.",
    "tuple": "Several values came back where one was expected.",
    "float": "A single plain number: one value for each row is needed.",
    "builtin_function_or_method": "A function came back, not its result: is a pair of parentheses missing?",
    "method": "A method came back, not its result: is a pair of parentheses missing?",
}


@dataclass(frozen=True)
class Fact:
    """Something that isn't as it should be."""

    called: str
    returned: str
    expected: str
    means: str

    def __str__(self) -> str:
        lines = f"{self.called}: {self.returned}", f"expected: {self.expected}", self.means
        return "\n".join(line for line in lines if line)


FACTS = pytest.StashKey[list[Fact]]()


class Expectation:
    """Something observed, waiting to be compared. Every method returns whether it is as expected."""

    def __init__(self, facts: list[Fact], called: str, returned: object) -> None:
        self._facts = facts
        self._called = called
        self._returned = returned

    def equals(self, expected: object, means: str = "") -> bool:
        return self.holds(self._returned == expected, show(expected), means)

    def close_to(self, expected: float | Sequence[float], means: str = "", within: float = 1e-5) -> bool:
        return self.holds(close(self._returned, expected, within), show(expected), means)

    def holds(self, condition: bool, expected: str, means: str = "") -> bool:
        """The general form: the test worked the condition out, `expected` says it in words."""
        if not condition:
            fact = Fact(self._called, show(self._returned), expected, means)
            self._facts.append(fact)
            check.fail(str(fact))
        return bool(condition)


class Expect:
    def __init__(self, node: pytest.Item) -> None:
        self._facts = node.stash.setdefault(FACTS, [])

    def __call__(self, called: str, returned: object) -> Expectation:
        return Expectation(self._facts, called, returned)

    def waits_for(self, title: str) -> NoReturn:
        """This lesson can't be judged before that other one has passed."""
        pytest.skip(f"waits for «{title}»")

    def tensor(self, called: str, seen: Seen, shape: tuple[int, ...] | None = None, means: str = "") -> bool:
        """A tensor of this shape (any, when None), float32. Type first, then shape, then dtype."""
        if seen.tensor is None:
            expected = "a tensor" if shape is None else f"a tensor of shape {shape}"
            return self(called, f"{seen.text} ({seen.type})").holds(
                False, expected, INSTEAD.get(seen.type, means)
            )
        if shape is not None and seen.tensor.shape != shape:
            return self(f"the shape of {called}", seen.tensor.shape).equals(shape, means)
        return self(f"the dtype of {called}", seen.tensor.dtype).equals("float32", FLOAT32)

    def items(self, called: str, seen: Seen, names: tuple[str, ...]) -> bool:
        """A tuple of tensors with these names."""
        wanted = f"{len(names)} tensors, ({', '.join(names)})"
        if seen.items is None or len(seen.items) != len(names):
            return self(called, seen.text).holds(
                False,
                wanted,
                "Return all of them, with commas between."
                if seen.tensor or seen.items
                else INSTEAD.get(seen.type, ""),
            )
        wrong = [(n, item) for n, item in zip(names, seen.items, strict=True) if item.tensor is None]
        for name, item in wrong:
            self(f"{name} of {called}", f"{item.text} ({item.type})").holds(
                False, "a tensor", INSTEAD.get(item.type, "")
            )
        return not wrong

    def on_device(self, called: str, tensor: Array | None, device: str, means: str = "") -> bool:
        return tensor is not None and self(f"the device of {called}", tensor.device).equals(device, means)


FLOAT32 = "PyTorch models compute in float32. Integers or float64 came from the numbers put in: say `dtype=torch.float32`."


def close(observed: object, expected: float | Sequence[float], within: float) -> bool:
    if isinstance(expected, Sequence):
        if not isinstance(observed, Sequence) or len(observed) != len(expected):
            return False
        return all(close(o, e, within) for o, e in zip(observed, expected, strict=True))
    return isinstance(observed, int | float) and abs(observed - expected) <= within * max(1.0, abs(expected))


def show(value: object) -> str:
    """Numbers to six digits; strings as they are; long lists cut in the middle."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return f"({', '.join(show(item) for item in value)}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        shown = [show(item) for item in value]
        return f"[{', '.join(shown if len(shown) <= 8 else [*shown[:4], '…', *shown[-2:]])}]"
    return str(value)


def message(facts: list[Fact]) -> str:
    """The facts of one test as the student reads them."""
    text = "\n\n".join(str(fact) for fact in facts[:MOST_FACTS])
    more = len(facts) - MOST_FACTS
    return text if more <= 0 else f"{text}\n\n… and {more} more like {'it' if more == 1 else 'these'}"
