"""Exercise 5: files written and read. Every experiment runs in an empty folder of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from tests.harness import accelerator
from tests.harness.dataset import columns
from tests.harness.given import Given
from tests.harness.observations import (
    BadFiles,
    DeviceMatch,
    Loaded,
    Matches,
    Pair,
    Resumed,
    Saved,
    SavedFile,
)
from tests.harness.student import Student
from tests.harness.training import step_by_hand
from tests.harness.watch import Line, MoodyLine, array, attempt, seen

# A tensor saved on a GPU is tagged with it, and can't be read where there is no GPU unless mapped.
tagged_as_on_a_gpu = mock.patch("torch.serialization.location_tag", return_value="cuda:0")


def saved(student: Student, given: Given) -> Saved:
    path = Path.cwd() / "models" / "lines" / "line.pth"
    first = _save(student, Line(given.trained), path)
    second = _save(student, Line(given.other_trained), str(path))
    return Saved(first, second, Line(given.trained).pair(), Line(given.other_trained).pair())


def _save(student: Student, model: Line, path: Path | str) -> SavedFile:
    returned = student.save_model(model, path)
    content, values = _content(path)
    return SavedFile(_relative(path), seen(returned), _path(returned), _files(), content, values)


def _relative(path: str | Path) -> str:
    full = Path.cwd() / path
    return full.relative_to(Path.cwd()).as_posix() if full.is_relative_to(Path.cwd()) else full.as_posix()


def _path(returned: Any) -> str | None:
    return _relative(returned) if isinstance(returned, str | Path) else None


def _files() -> tuple[str, ...]:
    return tuple(sorted(_relative(path) for path in Path.cwd().rglob("*") if path.is_file()))[:50]


def _content(path: Path | str) -> tuple[str, dict[str, Any]]:
    try:
        found = torch.load(path, weights_only=True)
    except FileNotFoundError:
        return "nothing: there is no such file", {}
    except Exception as error:
        return f"something that weights_only=True refuses ({type(error).__name__})", {}
    if isinstance(found, dict) and found and all(isinstance(value, Tensor) for value in found.values()):
        return "state_dict", {str(key): array(value) for key, value in found.items()}
    return f"a {type(found).__name__}", {}


def loaded(student: Student, given: Given) -> Loaded:
    path = Path.cwd() / "line.pth"
    torch.save(Line(given.trained).state_dict(), path)
    return _load(student, given, path)


def loaded_from_gpu(student: Student, given: Given) -> Loaded:
    """The file was saved on a machine with a GPU, and is read on one without."""
    path = Path.cwd() / "line.pth"
    with tagged_as_on_a_gpu:
        torch.save(Line(given.trained).state_dict(), path)
    return _load(student, given, path)


def loaded_on_device(student: Student, given: Given) -> tuple[Loaded, ...]:
    path = Path.cwd() / "line.pth"
    torch.save(Line(given.trained).state_dict(), path)
    return tuple(_load(student, given, path, device) for device in accelerator.devices())


def _load(student: Student, given: Given, path: Path, device: str | None = None) -> Loaded:
    pair = Line(given.trained).pair()
    named = {} if device is None else {"model_class": Line, "path": path, "device": device}
    models = [student.load_model(**named) if named else student.load_model(Line, path) for _ in range(2)]
    model, device = models[0], device or "cpu"
    if not isinstance(model, Line):
        return Loaded(device, pair, seen(model), False)
    lies_on = model.weight.device.type
    (X,) = columns(given.test()[0], device=lies_on)
    values, answers, new = model.pair(), seen(model(X)), models[1] is not model
    return Loaded(device, pair, seen(model), True, model.training, values, lies_on, answers, new)


def bad_files(student: Student, given: Given) -> BadFiles:
    folder = Path.cwd()
    other, truncated, missing = (folder / name for name in ("other.pth", "truncated.pth", "missing.pth"))
    values = Line(given.trained).state_dict()
    torch.save({f"linear.{name}": value for name, value in values.items()}, other)
    torch.save(values, truncated)
    _truncate(truncated)
    load = student.load_model
    return BadFiles(*(attempt(student, load, Line, path) for path in (other, truncated, missing)))


def bad_checkpoints(student: Student, given: Given) -> BadFiles:
    """The other model's checkpoint is one that the student's own `save_checkpoint` wrote."""
    folder = Path.cwd()
    other, truncated, missing = (folder / name for name in ("other.pth", "truncated.pth", "missing.pth"))
    strange = torch.nn.Sequential(Line(given.trained))
    for model, path in ((strange, other), (Line(given.trained), truncated)):
        student.save_checkpoint(model, torch.optim.SGD(model.parameters(), lr=given.short_lr), 1, path)
    _truncate(truncated)
    model = Line(given.other_trained)
    optimizer = torch.optim.SGD(model.parameters(), lr=given.short_lr)
    resume = student.resume_checkpoint
    return BadFiles(
        *(attempt(student, resume, model, optimizer, path) for path in (other, truncated, missing))
    )


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


class OneRowOff(Line):
    """The same line, but for one value of x."""

    def __init__(self, at: Pair, row: Tensor) -> None:
        super().__init__(at)
        self.row = row

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0.5 * (x == self.row)


def matches(student: Student, given: Given) -> Matches:
    (X,) = columns(given.line.x())
    model, same, other = Line(given.trained), Line(given.trained), Line(given.other_trained)
    middle, last = (OneRowOff(given.trained, X[row]) for row in (len(X) // 2, len(X) - 1))
    in_train, in_eval = MoodyLine(given.trained), MoodyLine(given.trained).eval()
    match = student.predictions_match
    moods = seen(match(in_train, in_eval, X)), seen(match(in_eval.eval(), in_train.train(), X))
    said = [seen(match(model, m, X)) for m in (same, other, middle, last)]
    return Matches(said[0], moods, said[1], said[2], said[3], tuple(same.forwards))


def matches_on_devices(student: Student, given: Given) -> tuple[DeviceMatch, ...]:
    """The first model and X on the device, the second model on the CPU; and the other way round."""
    found = []
    for device in accelerator.devices():
        for first, second in ((device, "cpu"), ("cpu", device)):
            (X,) = columns(given.line.x(), device=first)
            models = (Line(given.trained).to(where) for where in (first, second))
            found.append(DeviceMatch((first, second), seen(student.predictions_match(*models, X))))
    return tuple(found)


def resumed(student: Student, given: Given) -> Resumed:
    return _resume(student, given, "cpu")


def resumed_on_device(student: Student, given: Given) -> tuple[Resumed, ...]:
    """The paths as text, this time."""
    return tuple(_resume(student, given, device, str) for device in accelerator.devices())


def resumed_from_gpu(student: Student, given: Given) -> Resumed:
    with tagged_as_on_a_gpu:
        return _resume(student, given, "cpu")


def _resume(
    student: Student, given: Given, device: str, kind_of_path: Callable[[Path], Path | str] = Path
) -> Resumed:
    def fresh(at: Pair) -> tuple[Line, torch.optim.Optimizer]:
        model = Line(at).to(device)
        return model, torch.optim.SGD(model.parameters(), lr=given.short_lr, momentum=given.short_momentum)

    path = kind_of_path(Path.cwd() / "checkpoints" / "last.pth")
    before, rest = given.gradients[: given.checkpoint_after], given.gradients[given.checkpoint_after :]
    model, optimizer = fresh(given.trained)
    student.save_checkpoint(model, optimizer, 0, path)  # to be overwritten
    for gradient in before:
        step_by_hand(model, optimizer, gradient)
    at_checkpoint = model.pair()
    saved = student.save_checkpoint(model, optimizer, epoch=len(before), path=path)
    saved_path, files = _path(saved), _files()
    uninterrupted = tuple(step_by_hand(model, optimizer, gradient) for gradient in rest)
    model, optimizer = fresh(given.other_trained)
    returned = seen(student.resume_checkpoint(model=model, optimizer=optimizer, path=path))
    restored = model.pair()
    continued = tuple(step_by_hand(model, optimizer, gradient) for gradient in rest)
    return Resumed(
        device,
        len(before),
        _relative(path),
        files,
        seen(saved),
        saved_path,
        returned,
        at_checkpoint,
        restored,
        uninterrupted,
        continued,
    )
