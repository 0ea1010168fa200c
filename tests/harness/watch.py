"""Eyes: a model, a loss and an optimizer that note what is done with them, and plain copies of values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import Tensor, nn

from tests.harness import accelerator
from tests.harness.clean import tidy
from tests.harness.observations import (
    Array,
    Attempt,
    Column,
    Forward,
    History,
    LossCall,
    Pair,
    Picture,
    Plot,
    Seen,
    Series,
    Step,
)
from tests.harness.student import Student

Start = tuple[float, float]
PICTURE_INCHES, PICTURE_DPI = (6.4, 4.8), 75  # 480 × 360 pixels, in matplotlib's own proportions


def array(tensor: Tensor) -> Array:
    """A tensor as plain data, wherever it lies."""
    values = tensor.detach() if tensor.device.type == "cpu" else accelerator.on_cpu(tensor)
    values = (values.float() if values.dtype == torch.bfloat16 else values).contiguous()
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Array(
        dtype, tuple(tensor.shape), values.numpy().tobytes(), tensor.device.type, tensor.requires_grad
    )


def seen(value: Any) -> Seen:
    """Whatever a student's function returned, as plain data."""
    kind = type(value).__name__
    if isinstance(value, Tensor):
        text = f"a tensor of shape {tuple(value.shape)}, {str(value.dtype).removeprefix('torch.')}"
        single = value.numel() == 1 and not value.is_complex()
        number = float(accelerator.on_cpu(value).item()) if single else None
        return Seen(kind, text, tensor=array(value), number=number)
    if isinstance(value, tuple | list):
        items = tuple(seen(item) for item in value[:8])
        return Seen(kind, f"a {kind} of {len(value)}", items=items if len(value) <= 8 else None)
    number = float(value) if isinstance(value, int | float | np.number | np.bool_) else None
    return Seen(kind, short(value), number=number)


def short(value: Any) -> str:
    """A repr of at most 80 characters, of whatever the student made."""
    try:
        said = str(value) if isinstance(value, Path) else repr(value)
        text = " ".join(tidy(said[:1000]).split())
    except Exception:
        return f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:79]}…"


def attempt(student: Student, function: Any, *args: Any) -> Attempt:
    """Call a function that may rightly raise."""
    try:
        return Attempt(returned=seen(function(*args)))
    except NotImplementedError:
        raise
    except Exception as error:
        return Attempt(raised=student.raised(error))


class Line(nn.Module):
    """weight * x + bias, (N, 1) -> (N, 1), with the parameters put in; notes every forward pass."""

    def __init__(self, at: Start = (0.0, 0.0)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([at[0]], dtype=torch.float32))
        self.bias = nn.Parameter(torch.tensor([at[1]], dtype=torch.float32))
        self.forwards: list[Forward] = []
        self.inputs: dict[bytes, tuple[int, Array]] = {}
        self.steps_taken = 0

    def forward(self, x: Tensor) -> Tensor:
        entry = array(x)
        index, _ = self.inputs.setdefault(entry.data, (len(self.inputs), entry))
        self.forwards.append(Forward(self.steps_taken, index, self.training, torch.is_grad_enabled()))
        return x * self.weight + self.bias

    def pair(self) -> Pair:
        return self.weight.item(), self.bias.item()

    def seen_inputs(self) -> tuple[Array, ...]:
        return tuple(entry for _, entry in self.inputs.values())


class MoodyLine(Line):
    """A line that answers differently in train mode, as a network with dropout does."""

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return out + 1.0 if self.training else out


class WatchedLoss(nn.Module):
    """The loss `inside`, noting the shapes that it was called with."""

    def __init__(self, inside: nn.Module, model: Line) -> None:
        super().__init__()
        self.inside = inside
        self.calls: list[LossCall] = []
        self._taken: Callable[[], int] = lambda: (
            model.steps_taken
        )  # not an attribute: that would be a submodule

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        shapes = tuple(getattr(prediction, "shape", ())), tuple(getattr(target, "shape", ()))
        self.calls.append(LossCall(self._taken(), *shapes))
        loss: Tensor = self.inside(prediction, target)
        return loss


class Watcher:
    """Follows a model's parameters through the steps of an optimizer."""

    def __init__(self, model: Line, optimizer: torch.optim.Optimizer) -> None:
        self.model = model
        self.steps: list[Step] = []
        self.backwards = 0
        model.weight.register_post_accumulate_grad_hook(self._on_backward)
        optimizer.register_step_pre_hook(self._before_step)

    def _on_backward(self, parameter: Tensor) -> None:
        self.backwards += 1

    def _before_step(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        """The gradient is there; or, in `optimizer.step(closure)`, it will be when the closure has run."""
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)  # args[0] is the optimizer
        if closure is None:
            return self._note_step()

        def closure_then_note() -> Any:
            loss = closure()
            self._note_step()
            return loss

        return (optimizer,), {"closure": closure_then_note}

    def _note_step(self) -> None:
        gradient = tuple(
            None if p.grad is None else p.grad.item() for p in (self.model.weight, self.model.bias)
        )
        self.steps.append(Step(self.model.pair(), (gradient[0], gradient[1]), self.backwards))
        self.backwards = 0
        self.model.steps_taken += 1


def history(value: Any) -> History | None:
    """What `train` returned, when it is a dictionary."""
    if not isinstance(value, dict):
        return None
    return History({short(key).strip("'"): column(entries) for key, entries in list(value.items())[:20]})


def column(entries: Any) -> Column:
    """One list of the history: the numbers in it, and of which types they were."""
    if not isinstance(entries, list | tuple):
        return Column(type(entries).__name__, (), ())
    numbers = [seen(entry) for entry in entries[:10_000]]
    types = sorted({entry.type for entry in numbers})
    return Column(type(entries).__name__, tuple(types), tuple(entry.number for entry in numbers))


def plot(value: Any) -> Plot:
    """The points that can be seen on the returned Axes."""
    if not isinstance(value, Axes):
        return Plot(seen(value), False)
    series = [Series("line", str(line.get_label()), _points(line.get_xydata())) for line in value.lines]
    for dots in value.collections:
        series.append(Series("points", str(dots.get_label()), _points(dots.get_offsets())))
    of_figure = value.figure.legends if value.figure else ()
    legend = value.get_legend() or next(iter(of_figure), None)
    labels = tuple(text.get_text() for text in legend.get_texts()) if legend else None
    return Plot(seen(value), True, tuple(series), labels)


def _points(xy: Any) -> tuple[Pair, ...]:
    values = np.ma.filled(np.ma.asarray(xy, dtype=np.float64), np.nan)
    return tuple((float(x), float(y)) for x, y in values.reshape(-1, 2)[:5000])


def picture_of(value: Any) -> Picture:
    """The figure that the returned Axes belong to, drawn small, whatever backend and size it was made for.

    Raises TypeError or ValueError, with words for the student, where there is nothing to draw.
    """
    if not isinstance(value, Axes):
        raise TypeError(f"there is no picture: {short(value)} came back, not the Axes that was drawn on")
    figure = value.get_figure(root=True)
    if figure is None:
        raise ValueError("there is no picture: the Axes were removed from their figure")
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(PICTURE_DPI)
    figure.set_size_inches(*PICTURE_INCHES)
    canvas.draw()  # type: ignore[no-untyped-call]
    drawn = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    on_white = np.ascontiguousarray(drawn[..., :3])
    if (drawn[..., 3] != 255).any():  # it can be seen through
        colours, alpha = drawn[..., :3].astype(np.uint16), drawn[..., 3:].astype(np.uint16)
        on_white = ((colours * alpha + 255 * (255 - alpha)) // 255).astype(np.uint8)
    return Picture(Array("uint8", on_white.shape, on_white.tobytes()))
