"""Exercise 1: what the data functions return."""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from tests.harness import accelerator
from tests.harness.given import Column, Given
from tests.harness.observations import Data, Devices, Picture, Plot, Split
from tests.harness.student import Student
from tests.harness.watch import array, picture_of, plot, seen


def columns(*values: Column, device: str = "cpu") -> tuple[Tensor, ...]:
    """(N,) arrays as (N, 1) tensors on a device."""
    return tuple(torch.from_numpy(v.copy()).unsqueeze(1).to(device) for v in values)


def devices(student: Student, given: Given) -> Devices:
    with _machine(None) as asked:
        without = seen(student.pick_device())
    with _machine(torch.device("cuda")) as asked_again:
        with_cuda = seen(student.pick_device())
    return Devices(without, with_cuda, asked.call_count + asked_again.call_count)


@contextlib.contextmanager
def _machine(gpu: torch.device | None) -> Iterator[mock.Mock]:
    """A machine with this GPU or with none, as PyTorch describes it; the Mock counts the questions."""
    there = mock.Mock(return_value=gpu is not None)
    answers: list[tuple[Any, str, Any]] = [
        (torch.cuda, "is_available", there),
        (torch.cuda, "device_count", mock.Mock(return_value=int(gpu is not None))),
        (torch.accelerator, "is_available", there),
        (torch.accelerator, "device_count", mock.Mock(return_value=int(gpu is not None))),
        (
            torch.accelerator,
            "current_accelerator",
            mock.Mock(side_effect=lambda *_, **__: gpu if there() else None),
        ),
        (torch.backends.mps, "is_available", mock.Mock(return_value=False)),
        (torch.xpu, "is_available", mock.Mock(return_value=False)),
    ]
    if gpu is not None:  # tutorials print its name
        answers.append((torch.cuda, "current_device", mock.Mock(return_value=0)))
        answers.append((torch.cuda, "get_device_name", mock.Mock(return_value="a GPU")))
    with contextlib.ExitStack() as stack:
        for owner, name, answer in answers:
            stack.enter_context(mock.patch.object(owner, name, answer))
        yield there


def default_data(student: Student, given: Given) -> Data:
    return Data(seen(student.create_dataset()))


def other_data(student: Student, given: Given) -> Data:
    line = given.other_line
    data = student.create_dataset(
        weight=line.weight, bias=line.bias, start=line.start, end=line.end, step=line.step
    )
    return Data(seen(data))


def data_on_device(student: Student, given: Given) -> tuple[Data, ...]:
    """Asked for by name and as a torch.device."""
    found = []
    for name in accelerator.devices():
        for device in (name, torch.device(name)):
            line = given.other_line
            data = student.create_dataset(
                weight=line.weight,
                bias=line.bias,
                start=line.start,
                end=line.end,
                step=line.step,
                device=device,
            )
            found.append(Data(seen(data), name))
    return tuple(found)


def splits(student: Student, given: Given) -> tuple[Split, ...]:
    """All rows with the default fraction; other fractions; an odd number of rows; all rows on a second device."""
    x, y = given.line.x(), given.line.y()
    odd = given.odd_rows
    found = [_split(student, columns(x, y), None)]
    found += [_split(student, columns(x, y), fraction) for fraction in given.other_fractions]
    found += [_split(student, columns(x[:odd], y[:odd]), given.other_fractions[0])]
    found += [_split(student, columns(x, y, device=accelerator.NAME), None)]
    return tuple(found)


def _split(student: Student, rows: tuple[Tensor, ...], fraction: float | None) -> Split:
    X, y = rows
    named = {} if fraction is None else {"train_fraction": fraction}
    before = array(X), array(y)
    return Split(*before, fraction, seen(student.split_dataset(X, y, **named)))


def data_plot(student: Student, given: Given) -> Plot:
    return plot(student.plot_data(*columns(*given.train(), *given.test(), device=accelerator.NAME)))


def picture(student: Student, given: Given) -> Picture:
    """What `plot_data` draws, for people to look at: no test does."""
    return picture_of(student.plot_data(*columns(*given.train(), *given.test())))
