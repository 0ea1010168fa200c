"""Pictures of plots: pixels come from the student's side, and become a PNG only if they are what they have to be."""

import io
import os
from pathlib import Path

import matplotlib.pyplot as plt
import msgspec
import numpy as np
import pytest
from PIL import Image

from grading.tests import corpus
from tests.coach.pictures import PICTURES, png
from tests.harness.given import PRACTICE
from tests.harness.observations import Array, Outcome, Picture
from tests.harness.observe import observe
from tests.harness.student import Folder, Student

os.environ.setdefault("MPLBACKEND", "agg")
NAMES = [name for name, _ in PICTURES.values()]
SHAPE, BYTES = (360, 480, 3), 360 * 480 * 3


def plotting(body: str) -> Outcome:
    """What comes of a `plot_data` with this body."""
    namespace: dict[str, object] = {"plt": plt}
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    exec(f"def plot_data(X_train, y_train, X_test, y_test):\n{lines}", namespace)
    return observe("dataset.picture", Student(namespace), PRACTICE)


def pixels(outcome: Outcome) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    found = png(outcome)
    assert found
    with Image.open(io.BytesIO(found)) as image:
        image.load()
        assert (image.format, image.size, image.mode) == ("PNG", (480, 360), "RGB")
        return np.asarray(image)


@pytest.mark.parametrize("name", NAMES)
def test_solutions_draw_pictures(name: str) -> None:
    outcome = observe(name, Folder(corpus.SOLUTIONS), PRACTICE)
    assert outcome.status == "ok", outcome.raised
    drawn = pixels(outcome)
    assert (drawn[0, 0] == 255).all(), "the margin is white"
    assert 100 < (drawn != 255).any(axis=-1).sum() < drawn.shape[0] * drawn.shape[1] / 2
    seen = msgspec.msgpack.decode(outcome.observation, type=Picture).pixels
    assert seen.data == drawn.tobytes()
    assert not plt.get_fignums()


def test_they_are_the_exercises_plots() -> None:
    assert list(PICTURES) == ["ex1", "ex3", "ex4"]
    student = Student({})
    for name, function in PICTURES.values():
        assert observe(name, student, PRACTICE).function == function


@pytest.mark.parametrize(
    "body",
    [
        "_, ax = plt.subplots(figsize=(20, 1), dpi=300)\nax.plot([0, 1])\nreturn ax",
        "fig = plt.figure()\nax = fig.subfigures(1, 2)[0].subplots()\nax.plot([0, 1])\nreturn ax",
        "from matplotlib.figure import Figure\nax = Figure().subplots()\nax.plot([0, 1])\nreturn ax",
        "from matplotlib.backends.backend_svg import FigureCanvasSVG as C\n"
        "fig, ax = plt.subplots()\nC(fig)\nax.plot([0, 1])\nreturn ax",
        "fig, ax = plt.subplots(facecolor='none')\nax.plot([0, 1])\nreturn ax",
    ],
)
def test_any_figure_comes_out_at_one_size_on_white(body: str) -> None:
    drawn = pixels(plotting(body))
    assert (drawn[0, 0] == 255).all()
    assert (drawn != 255).any()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("pass", "None came back, not the Axes"),
        ("return plt.figure()", "came back, not the Axes"),
        ("_, ax = plt.subplots()\nax.remove()\nreturn ax", "removed from their figure"),
        ("_, ax = plt.subplots()\nax.set_title('$\\\\frac$')\nreturn ax", "frac"),
        ("raise KeyError(3)", "3"),
    ],
)
def test_what_is_no_plot_has_no_picture(body: str, why: str) -> None:
    outcome = plotting(body)
    assert outcome.raised
    assert why in outcome.raised.message
    assert png(outcome) is None
    assert not plt.get_fignums()


def encoded(**changed: object) -> bytes:
    of = {"dtype": "uint8", "shape": SHAPE, "data": bytes(BYTES), "device": "cpu", "requires_grad": False}
    return msgspec.msgpack.encode({"pixels": of | changed})


GOOD = encoded()


def test_these_bytes_would_be_right() -> None:
    assert msgspec.msgpack.encode(Picture(Array("uint8", SHAPE, bytes(BYTES)))) == GOOD
    assert png(Outcome("ok", GOOD))


@pytest.mark.parametrize(
    "observation",
    [
        b"",
        b"\xc1",
        b"\x89PNG\r\n\x1a\n",
        GOOD[:-1],
        GOOD + b"\0",
        msgspec.msgpack.encode(None),
        msgspec.msgpack.encode({"pixels": None}),
        msgspec.msgpack.encode({"pixels": "<img>"}),
        b"\x91" * 100_000,
        b"\x81\xa6pixels" + b"\x81\xa1x" * 100_000,
        encoded(dtype="float32"),
        encoded(dtype="f4,("),
        encoded(dtype="O"),
        encoded(dtype=["uint8"]),
        encoded(shape=(480, 360, 3)),
        encoded(shape=(1, BYTES)),
        encoded(shape=(360, 480, -3)),
        encoded(shape=(360, 480, 3.0)),
        encoded(shape=(360.5, 480, 3)),
        encoded(shape=[2**62] * 100_000, data=b""),
        encoded(data=b""),
        encoded(data=bytes(BYTES - 1)),
        encoded(data=bytes(4 * BYTES)),
        encoded(data="x" * BYTES),
        encoded(data=None),
    ],
)
def test_hostile_observations_have_no_picture(observation: bytes) -> None:
    assert png(Outcome("ok", observation)) is None


@pytest.mark.parametrize("status", ["raised", "timeout", "missing", "unreadable", "lost"])
def test_an_outcome_without_an_observation_has_no_picture(status: str) -> None:
    assert png(Outcome(status)) is None
    assert png(Outcome(status, GOOD)) is None


def test_the_trusted_side_needs_no_torch_and_no_matplotlib(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys, tests.coach.pictures, tests.coach.table; "
        "print({'torch', 'matplotlib', 'PIL'} & sys.modules.keys())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=corpus.SOLUTIONS.parent, capture_output=True, text=True
    )
    assert run.stdout == "set()\n", run.stderr
