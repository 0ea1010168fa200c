"""Notebooks in which anything may be missing, doubled or something else: as files, by hypothesis."""

import copy
import json
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

HOW_MANY = 500

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)

# The same ones in every run.
each_time = settings(
    max_examples=HOW_MANY, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def damaged(notebook: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """The notebook with one to six damages."""
    places = [place for place in _places(notebook) if place]
    kinds = st.sampled_from(["remove", "double", "replace"])
    damages = st.lists(st.tuples(st.sampled_from(places), kinds, _values), min_size=1, max_size=6)

    def made(damages: list[tuple[tuple[Any, ...], str, Any]]) -> bytes:
        broken = copy.deepcopy(notebook)
        for place, kind, value in damages:
            _damage(broken, place, kind, value)
        return json.dumps(broken).encode()

    return damages.map(made)


def all_damaged(notebook: dict[str, Any]) -> list[bytes]:
    """HOW_MANY of them."""
    found: list[bytes] = []

    @settings(each_time, phases=[Phase.generate])
    @given(damaged(notebook))
    def find(data: bytes) -> None:
        found.append(data)

    find()
    return found


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to everything in a JSON document."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, child in children for place in _places(child, (*path, key)))]


def _damage(notebook: Any, place: tuple[Any, ...], kind: str, value: Any) -> None:
    *above, last = place
    try:
        for key in above:
            notebook = notebook[key]
        if kind == "remove":
            del notebook[last]
        elif kind == "double" and isinstance(notebook, list):
            notebook.insert(last, copy.deepcopy(notebook[last]))
        else:
            notebook[last] = value
    except (LookupError, TypeError):
        pass  # gone with an earlier damage
