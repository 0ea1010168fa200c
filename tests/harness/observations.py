"""What an experiment saw: plain typed data, with no expected value in it.

Observations cross a process boundary as msgpack when a submission is graded, so everything here is a
msgspec struct of numbers, strings and bytes. A pair is (weight, bias).
"""

import math

import msgspec
import numpy as np
import numpy.typing as npt

Pair = tuple[float, float]


MOST_DIMENSIONS = 64  # PyTorch's own limit
BYTES_OF = {"bfloat16": "float32"}  # NumPy has no such type, so the values travel as another


class Array(msgspec.Struct, frozen=True):
    """A tensor: `dtype` as in "float32", `shape`, the bytes of its values, where it lay."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes
    device: str = "cpu"
    requires_grad: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError where the bytes can't be those of such a tensor."""
        if (
            len(self.shape) > MOST_DIMENSIONS or not self.dtype.isalnum()
        ):  # a product, a parser: asked for sense only
            raise ValueError("no tensor has such a shape or type")
        kind = np.dtype(BYTES_OF.get(self.dtype, self.dtype))
        if (
            kind.kind not in "biufc"
            or min(self.shape, default=0) < 0
            or math.prod(self.shape) * kind.itemsize != len(self.data)
        ):
            raise ValueError(f"{len(self.data)} bytes are no {self.dtype} of shape {self.shape}")

    def values(self) -> npt.NDArray[np.float64]:
        """The values as float64, in the tensor's shape."""
        kind = BYTES_OF.get(self.dtype, self.dtype)
        return np.frombuffer(self.data, dtype=kind).reshape(self.shape).astype(np.float64)

    def flat(self) -> npt.NDArray[np.float64]:
        """The values as float64, (N,)."""
        return self.values().reshape(-1)


class Seen(msgspec.Struct, frozen=True):
    """Any value that a student's function returned."""

    type: str  # "Tensor", "tuple", "NoneType", "float", "ndarray", …
    text: str  # a short repr
    tensor: Array | None = None
    items: tuple["Seen", ...] | None = None  # what a tuple or a list holds
    number: float | None = None  # what an int, a float, a bool or a 0-dim tensor says


class Place(msgspec.Struct, frozen=True):
    """A place in the student's code. `cell` is None in a module."""

    file: str
    line: int
    source: str
    cell: int | None = None


class Raised(msgspec.Struct, frozen=True):
    """An exception in the student's code. `place` is None when no line of theirs was running."""

    type: str
    message: str
    place: Place | None = None
    todo: bool = False  # a `raise NotImplementedError` statement of the stub


class Outcome(msgspec.Struct, frozen=True):
    """One experiment, run once: its encoded observation, or why there is none."""

    status: (
        str  # "ok", "raised", "timeout", "missing" (no such function), "unreadable" (no such module), "lost"
    )
    observation: bytes = b""
    raised: Raised | None = None
    function: str | None = None  # the student's function that the experiment is about …
    place: Place | None = None  # … and where it is defined
    output: str = ""  # what the student's code printed
    warnings: tuple[str, ...] = ()


class Attempt(msgspec.Struct, frozen=True):
    """A call that may rightly raise: what came back, or the exception."""

    returned: Seen | None = None
    raised: Raised | None = None


class Devices(msgspec.Struct, frozen=True):
    """`pick_device` on a machine without any accelerator, and on one with a CUDA GPU."""

    without: Seen
    with_cuda: Seen
    asked: int  # how often PyTorch was asked what the machine has


class Data(msgspec.Struct, frozen=True):
    """What `create_dataset` or `split_dataset` returned."""

    returned: Seen
    device: str = "cpu"  # asked for

    def tensors(self) -> tuple[Array, ...]:
        return tuple(item.tensor for item in self.returned.items or () if item.tensor is not None)


class Split(msgspec.Struct, frozen=True):
    """`split_dataset(X, y)`; `fraction` is None where the default was used."""

    X: Array
    y: Array
    fraction: float | None
    returned: Seen

    def tensors(self) -> tuple[Array, ...]:
        return tuple(item.tensor for item in self.returned.items or () if item.tensor is not None)


class Series(msgspec.Struct, frozen=True):
    """One artist on a plot. kind: "line" or "points"."""

    kind: str
    label: str
    points: tuple[Pair, ...]


class Plot(msgspec.Struct, frozen=True):
    """What a plot function returned, and what can be seen on it. `legend` is None where there is none."""

    returned: Seen
    is_axes: bool
    series: tuple[Series, ...] = ()
    legend: tuple[str, ...] | None = None


class Picture(msgspec.Struct, frozen=True):
    """The figure that a plot function drew on: uint8, (320, 480, 3), red, green and blue from the top left."""

    pixels: Array


class Parameter(msgspec.Struct, frozen=True):
    name: str
    array: Array
    in_state_dict: bool


class Built(msgspec.Struct, frozen=True):
    """A model, just made under a seed. `next_random` is drawn from PyTorch's generator afterwards."""

    seed: int
    returned: Seen
    is_module: bool
    parameters: tuple[Parameter, ...]
    buffers: tuple[str, ...]
    plain_tensors: tuple[str, ...]  # attributes that are tensors and no parameters
    next_random: float


class Models(msgspec.Struct, frozen=True):
    """The model class called under a seed, another seed and the first seed again."""

    first: Built
    other: Built
    again: Built


class ForwardRun(msgspec.Struct, frozen=True):
    """A forward pass with `put_in` as the parameters, in their order, on `x`; and what backward left."""

    device: str
    put_in: tuple[float, ...]
    x: Array
    returned: Seen
    at_zero_and_one: tuple[Seen, Seen] | None  # the answers for x = 0 and x = 1
    gradients: tuple[float | None, ...] | None  # of the sum of the answers; None: backward is impossible


class Forward(msgspec.Struct, frozen=True, array_like=True):
    """One forward pass of our model."""

    after_steps: int  # optimizer steps taken before it
    input: int  # index into the run's inputs
    training: bool
    grad: bool


class LossCall(msgspec.Struct, frozen=True, array_like=True):
    after_steps: int
    prediction: tuple[int, ...]  # the shapes
    target: tuple[int, ...]


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One `optimizer.step()`: parameters and gradient as it found them, and the backward passes since the last."""

    before: Pair
    gradient: tuple[float | None, float | None]
    backwards: int


class Column(msgspec.Struct, frozen=True):
    """One list of a history: its type, the types in it, its numbers (None for what is no number)."""

    type: str
    types: tuple[str, ...]
    numbers: tuple[float | None, ...]


class History(msgspec.Struct, frozen=True):
    columns: dict[str, Column]


class TrainingRun(msgspec.Struct, frozen=True):
    """One call of `train` on our own model, loss and optimizer."""

    device: str
    epochs: int
    eval_every: int
    defaults: dict[str, str]
    returned: Seen
    history: History | None
    inputs: tuple[Array, ...]
    forwards: tuple[Forward, ...]
    losses: tuple[LossCall, ...]
    steps: tuple[Step, ...]
    start: Pair
    end: Pair

    def trace(self) -> list[Pair]:
        """The parameters before the first step and after every step."""
        return [step.before for step in self.steps] + [self.end]


class LossValues(msgspec.Struct, frozen=True):
    """`create_loss()`, called on predictions and targets, in both orders of magnitude."""

    returned: Seen
    callable: bool
    predictions: Array
    targets: Array
    value: Seen | None


class OptimizerSteps(msgspec.Struct, frozen=True):
    """`create_optimizer(model)` and what two of its steps do to parameters whose gradients we set."""

    returned: Seen
    is_optimizer: bool
    kind: str
    settings: dict[str, float]  # of the first parameter group
    before: Pair = (0.0, 0.0)
    gradients: tuple[Pair, ...] = ()
    after: tuple[Pair, ...] = ()
    slow_lr: float = 0.0  # asked for in a second call …
    slow_after: Pair = (0.0, 0.0)  # … and one step with it


class Prediction(msgspec.Struct, frozen=True):
    """`predict(model, X)` with a model that answers differently in train mode."""

    device: str
    x: Array
    returned: Seen
    forwards: tuple[Forward, ...]
    inputs: tuple[Array, ...]
    before: Pair
    after: Pair
    model_device: str  # where the model was afterwards
    grad_enabled_after: bool


class SavedFile(msgspec.Struct, frozen=True):
    """`save_model(model, path)`, and what was on disk then."""

    asked: str  # the path, relative to an empty folder
    returned: Seen
    returned_path: str | None  # the same, relative too
    files: tuple[str, ...]
    content: str  # "state_dict", the type of what the file holds, or "unreadable: …"
    values: dict[str, Array]


class Saved(msgspec.Struct, frozen=True):
    """Saved into a folder that did not exist; then other values into the same file."""

    first: SavedFile
    second: SavedFile
    trained: Pair
    other_trained: Pair


class Loaded(msgspec.Struct, frozen=True):
    """`load_model(model_class, path)` for a file that holds `saved`."""

    device: str
    saved: Pair
    returned: Seen
    is_model: bool
    training: bool = False
    values: Pair | None = None
    lies_on: str = ""
    answers: Seen | None = None
    new_each_time: bool = True  # a second call gives another object


class BadFiles(msgspec.Struct, frozen=True):
    """What `load_model` or `resume_checkpoint` did with files that hold no such model."""

    other_model: Attempt
    truncated: Attempt
    missing: Attempt


class Matches(msgspec.Struct, frozen=True):
    """`predictions_match` for equal models, for another one, and for one that differs in a single row."""

    equal: Seen
    moods: tuple[Seen, ...]  # equal models that answer differently in train mode, in which one of them is
    other: Seen
    one_row: Seen
    last_row: Seen
    forwards: tuple[Forward, ...]  # of one of the two equal models


class DeviceMatch(msgspec.Struct, frozen=True):
    """`predictions_match` for two equal models on two devices, with X on the first's."""

    devices: tuple[str, str]
    returned: Seen


class Resumed(msgspec.Struct, frozen=True):
    """A training of our own, with momentum, stopped at a checkpoint and taken up again from it."""

    device: str
    epoch: int
    path: str
    files: tuple[str, ...]
    saved: Seen
    saved_path: str | None  # the same, relative to the empty folder
    returned: Seen
    at_checkpoint: Pair
    restored: Pair
    uninterrupted: tuple[Pair, ...]
    continued: tuple[Pair, ...]


class Workflow(msgspec.Struct, frozen=True):
    """The student's five modules in a row."""

    device: str
    data: Seen
    split: Seen
    trace: tuple[Pair, ...]  # (f(1) - f(0), f(0)) before the first step and after every one
    history: History | None
    predictions: Seen
    reloaded: Seen  # what the reloaded model predicts
    match: Seen
    model_device: str
