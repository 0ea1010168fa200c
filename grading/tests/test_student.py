"""`Student` over one namespace, as a notebook has it, and over a folder: the same observations, the same places."""

import re
from typing import Any

import pytest

from grading.tests import corpus, suite
from tests.coach.suite import EXPERIMENTS
from tests.harness.given import PRACTICE
from tests.harness.observations import Outcome
from tests.harness.observe import observe
from tests.harness.student import Folder, Student


def notebook(changed: str = "") -> Student:
    """All five reference modules run one after the other in one namespace, under the names that a folder shows."""
    namespace: dict[str, Any] = {}
    sources = {f"solutions/{m}.py": (corpus.SOLUTIONS / f"{m}.py").read_text("utf-8") for m in corpus.MODULES}
    sources["cell 5"] = changed
    for name, source in sources.items():
        exec(compile(source, name, "exec"), namespace)
    return Student(namespace, sources)


def outcomes(in_a_notebook: bool) -> list[Outcome]:
    student = notebook() if in_a_notebook else Folder(corpus.SOLUTIONS)
    return [observe(name, student, PRACTICE) for name in EXPERIMENTS.values()]


def settled(outcome: Outcome) -> bytes:
    """The observation, but for the random name of its empty folder."""
    return re.sub(rb"pytorch-workflow-\w{8}", b"folder", outcome.observation)


def failing() -> list[Outcome]:
    student = notebook("def predict(model, X):\n    return X.nothing\n\ndel split_dataset\n")
    return [observe(name, student, PRACTICE) for name in ("predictions.prediction", "dataset.splits")]


def test_a_namespace_is_observed_like_a_folder(forks: suite.Forks) -> None:
    pairs = zip(forks.call(outcomes, True), forks.call(outcomes, False), strict=True)
    for in_a_notebook, in_a_folder in pairs:
        assert in_a_notebook.status == in_a_folder.status == "ok", in_a_notebook.raised
        assert settled(in_a_notebook) == settled(in_a_folder), in_a_notebook.function


@pytest.mark.filterwarnings("ignore")
def test_an_exception_is_placed_in_its_cell(forks: suite.Forks) -> None:
    raised, missing = forks.call(failing)
    assert raised.raised is not None
    assert raised.raised.place is not None
    assert (raised.raised.place.file, raised.raised.place.line) == ("cell 5", 2)
    assert raised.raised.place.source == "return X.nothing"
    assert missing.status == "missing"
    assert missing.raised is not None
    assert missing.raised.message == "the notebook has no `split_dataset`"
