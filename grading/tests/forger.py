"""A submission that solves nothing: it knows what the reference solutions looked like at home, and says that.

    python -m grading.tests.forger FOLDER [--kind replay|forge|answer]

replay: the observations of a run on the practice numbers, word for word.
forge:  what merely echoes the inputs is put into the numbers that the worker was given, and every structural fact
        is made up: which modes, which order, how many steps. Nothing is computed that an exercise asks for.
answer: the same, and its trainings claim to have begun at the answer, where nothing is left to learn.

What `forge` earns on secret numbers are the points of the suite that can be had without solving anything. The
forged modules patch one name of the harness, `observe.Outcome`, which is looked up when an experiment is over.
"""

import argparse
import base64
import inspect
import os
import sys
import zlib
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

import tests.conftest  # noqa: F401  # names the experiments
from grading.variants import derive
from tests.coach.suite import EXPERIMENTS, ROOT, Practice
from tests.harness.given import PRACTICE
from tests.harness.student import FUNCTIONS

Kind = Literal["replay", "forge", "answer"]


def build(folder: Path, kind: Kind) -> Path:
    """Write the five modules. Runs the reference solutions in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    # Numbers that are all different tell best which of them an observation repeats.
    home = PRACTICE if kind == "replay" else derive(b"the forger's own", "at home")
    practice = Practice(ROOT / "solutions", home)
    found = {name: practice.observe(name).observation for name in EXPERIMENTS.values()}
    for module, functions in FUNCTIONS.items():
        own = module.partition("_")[2]
        harness = {"workflow", own} if own == "dataset" else {own}  # the workflow asks for this one first
        recorded = {name: seen for name, seen in found.items() if name.partition(".")[0] in harness}
        payload = base64.b85encode(zlib.compress(msgspec.msgpack.encode([kind, home, recorded]), 9)).decode()
        parts = [HEAD, *(inspect.getsource(function) for function in WORKER), f'PAYLOAD = "{payload}"', TAIL]
        nothing = "\n".join(f"{function} = nothing" for function in functions)
        (folder / f"{module}.py").write_text("\n\n".join([*parts, nothing, ""]), encoding="utf-8")
    return folder


HEAD = '''\
import base64
import os
import sys
import zlib
from typing import Any

import msgspec
import numpy as np


def nothing(*_, **__):
    """What an exercise asks for."""'''
TAIL = "install(*msgspec.msgpack.decode(zlib.decompress(base64.b85decode(PAYLOAD))))"


# ── what runs in the worker, beside the harness ──────────────────────────────────────────────────


def install(kind: str, home: Any, recorded: dict[str, bytes]) -> None:
    """Give every experiment of this process the outcome that was made up for it."""
    observe: Any = sys.modules["tests.harness.observe"]
    honest = observe.Outcome

    def outcome(*arguments: Any, **named: Any) -> Any:
        about = sys._getframe(1).f_locals
        name, given = about["name"], about["given"]
        if name not in recorded:
            return honest(*arguments, **named)
        if kind == "replay":
            return honest("ok", recorded[name])
        told = Forgery(msgspec.convert(home, type(given)), given, kind).tell(name, recorded[name])
        return honest("ok", msgspec.msgpack.encode(told))

    observe.Outcome = outcome


class Forgery:
    """Observations of one set of numbers, told as if they were made on another one."""

    def __init__(self, home: Any, given: Any, kind: str) -> None:
        self.given = given
        self.kind = kind
        self.numbers = dict(zip(self.floats(home), self.floats(given), strict=True))
        self.arrays = dict(zip(self.inputs(home), self.inputs(given), strict=True))
        self.arrays |= {np.float32(a).tobytes(): np.float32(b).tobytes() for a, b in self.numbers.items()}
        self.drawn = [
            ([[float(v) for v in p] for p in a], b)
            for a, b in zip(self.sets(home), self.sets(given), strict=True)
        ]
        self.rows = {
            len(a) // 4: len(b) // 4 for a, b in zip(self.inputs(home), self.inputs(given), strict=True)
        }

    def floats(self, value: Any) -> list[float]:
        """Every float among the numbers of a run, in its order, and as float32 makes it."""
        if isinstance(value, float):
            return [value, float(np.float32(value))]
        if isinstance(value, tuple):
            return [number for item in value for number in self.floats(item)]
        fields = getattr(value, "__struct_fields__", ())
        return [number for name in fields for number in self.floats(getattr(value, name))]

    def inputs(self, given: Any) -> list[bytes]:
        """Every column that the harness hands to a student."""
        from tests.harness.given import made_up_predictions

        x, y, odd = given.line.x(), given.line.y(), given.odd_rows
        (x_train, y_train), (x_test, y_test) = given.train(), given.test()
        columns = [x, y, x[:odd], y[:odd], x_train, y_train, x_test, y_test, made_up_predictions(given)]
        columns += [np.concatenate([x_test, y_test]), np.concatenate([y_test, x_test])]
        columns += [np.linspace(-10, 12, len(x), dtype=np.float32)]
        return [column.astype(np.float32).tobytes() for column in columns]

    def sets(self, given: Any) -> list[Any]:
        """Every set of points that a student is to draw: these are inputs, too."""
        from tests.harness.given import made_up_history, made_up_predictions

        history, (x_test, _) = made_up_history(given), given.test()
        sets = [given.train(), given.test(), (x_test, made_up_predictions(given))]
        sets += [(history["epoch"], history[key]) for key in ("train_loss", "test_loss")]
        return [[[float(x), float(y)] for x, y in zip(*columns, strict=True)] for columns in sets]

    def tell(self, name: str, recorded: bytes) -> Any:
        """The observation of an experiment: translated, then with its structure made up."""
        told = self.translate(msgspec.msgpack.decode(recorded))
        lie = getattr(self, name.partition(".")[2], None)
        return lie(told) if lie else told

    def translate(self, value: Any) -> Any:
        if isinstance(value, dict):
            told = {key: self.translate(item) for key, item in value.items()}
            return self.column(told, value["data"]) if isinstance(value.get("data"), bytes) else told
        if isinstance(value, list):
            known = [points for recorded, points in self.drawn if recorded == value]
            return known[0] if known else [self.translate(item) for item in value]
        return self.numbers.get(value, value) if isinstance(value, float) else value

    def column(self, told: dict[str, Any], recorded: bytes) -> dict[str, Any]:
        """An array with the counterpart of its values; of values that nobody knows, as many as there should be."""
        rows = self.rows.get(len(recorded) // 4, len(recorded) // 4)
        data = self.arrays.get(recorded, recorded if rows == len(recorded) // 4 else bytes(4 * rows))
        shape = [len(data) // 4, *told["shape"][1:]] if told["shape"] else []
        return told | {"data": data, "shape": shape}

    def splits(self, told: Any) -> Any:
        """All rows are for training: none is lost, none is in both parts."""
        fractions = None, *self.given.other_fractions, self.given.other_fractions[0], None
        for split, fraction in zip(told, fractions, strict=True):
            split["fraction"] = fraction
            none = split["X"] | {"data": b"", "shape": [0, 1]}
            parts = split["X"], split["y"], none, none
            for part, array in zip(split["returned"]["items"], parts, strict=True):
                part["tensor"] = array
        return told

    def models(self, told: Any) -> Any:
        told["first"]["seed"] = told["again"]["seed"] = self.given.seed
        told["other"]["seed"] = self.given.other_seed
        return told

    def forward(self, told: Any) -> Any:
        """One answer a row, all of them 0."""
        told["returned"]["tensor"]["data"] = bytes(len(told["x"]["data"]))
        told["at_zero_and_one"] = [told["returned"]] * 2
        return told

    def forward_on_device(self, told: Any) -> Any:
        return [self.forward(run) for run in told]

    def full_run(self, told: Any) -> Any:
        given = self.given
        return self.training(told, given.start_at, given.lr, 0.0, given.epochs, given.eval_every)

    def short_run(self, told: Any) -> Any:
        given = self.given
        rates = given.short_lr, given.short_momentum
        return self.training(told, given.short_start_at, *rates, given.short_epochs, given.short_eval_every)

    def no_epochs(self, told: Any) -> Any:
        return self.training(told, self.given.start_at, self.given.lr, 0.0, 0, self.given.eval_every)

    def device_run(self, told: Any) -> Any:
        given = self.given
        return [self.training(run, given.start_at, given.lr, 0.0, given.device_epochs, 2) for run in told]

    def training(
        self, told: Any, start: tuple[float, float], lr: float, momentum: float, epochs: int, every: int
    ) -> Any:
        """The first step leads right to the answer, and there the training stays: no loss, no gradient."""
        line = self.given.line
        answer = np.array([line.weight, line.bias], np.float32).astype(float)
        begin = np.array(start, np.float32).astype(float)
        begin = answer if self.kind == "answer" else begin
        recorded = range(0, epochs, every)
        jump = (begin - answer) / lr
        gradients = [jump, -momentum * jump] + [0 * jump] * epochs
        train, test = ({"dtype": "float32", "shape": [len(x), 1], "data": x.tobytes(), "device": told["device"]}
                       for x, _ in (self.given.train(), self.given.test()))  # fmt: skip
        forwards, calls = [], []
        for epoch in range(epochs):
            forwards.append([epoch, 0, True, True])
            calls.append([epoch, train["shape"], train["shape"]])
            if epoch in recorded:
                forwards.append([epoch + 1, 1, False, False])
                calls.append([epoch + 1, test["shape"], test["shape"]])
        losses: dict[str, list[float | None]] = {
            "epoch": [float(e) for e in recorded],
            "test_loss": [0.0 for _ in recorded],
        }
        losses["train_loss"] = [0.0 if e or self.kind == "answer" else None for e in recorded]
        columns = {
            key: {"type": "list", "types": ["int" if key == "epoch" else "float"], "numbers": numbers}
            for key, numbers in losses.items()
        }
        places = [begin, *[answer] * epochs][:epochs]
        return told | {
            "epochs": epochs,
            "eval_every": every,
            "history": {"columns": columns},
            "inputs": [train, test],
            "forwards": forwards,
            "losses": calls,
            "steps": [[at.tolist(), g.tolist(), 1] for at, g in zip(places, gradients, strict=False)],
            "start": begin.tolist(),
            "end": (answer if epochs else begin).tolist(),
        }

    def prediction(self, told: Any) -> Any:
        """A column of zeros, asked for in the right mode."""
        told["returned"]["tensor"]["data"] = bytes(len(told["x"]["data"]))
        return told

    def device_prediction(self, told: Any) -> Any:
        return [self.prediction(run) for run in told]

    def resumed(self, told: Any) -> Any:
        told["epoch"] = self.given.checkpoint_after
        told["returned"]["number"] = float(self.given.checkpoint_after)
        rest = len(self.given.gradients) - self.given.checkpoint_after
        told["uninterrupted"] = told["continued"] = [told["restored"]] * rest
        return told

    def resumed_on_device(self, told: Any) -> Any:
        return [self.resumed(run) for run in told]

    def resumed_from_gpu(self, told: Any) -> Any:
        return self.resumed(told)

    def workflow(self, told: Any) -> Any:
        return self.staying(told, self.given.workflow_epochs)

    def device_workflow(self, told: Any) -> Any:
        return [self.staying(run, self.given.device_epochs) for run in told]

    def staying(self, told: Any, epochs: int) -> Any:
        """A model that happened to begin at the answer, and predicts what was to be predicted."""
        answer = [float(np.float32(v)) for v in (self.given.line.weight, self.given.line.bias)]
        for key in ("predictions", "reloaded"):
            told[key]["tensor"]["data"] = told["split"]["items"][3]["tensor"]["data"]
        return told | {"trace": [answer] * (epochs + 1)}


WORKER = (install, Forgery)


# ── at home ──────────────────────────────────────────────────────────────────────────────────────


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m grading.tests.forger", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", default="forge", choices=("replay", "forge", "answer"))
    options = parser.parse_args(arguments)
    os.environ.setdefault("MPLBACKEND", "agg")
    print(build(options.folder, options.kind))
    return 0


if __name__ == "__main__":
    sys.exit(main())
