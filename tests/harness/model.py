"""Exercise 2: the model as it is made, and what its forward pass answers."""

from typing import Any

import numpy as np
import torch
from torch import nn

from tests.harness import accelerator
from tests.harness.clean import sow
from tests.harness.dataset import columns
from tests.harness.given import Given
from tests.harness.observations import Built, ForwardRun, Models, Parameter
from tests.harness.student import Student
from tests.harness.watch import array, seen


def models(student: Student, given: Given) -> Models:
    seeds = given.seed, given.other_seed, given.seed
    return Models(*(_build(student, seed) for seed in seeds))


def _build(student: Student, seed: int) -> Built:
    make = student.LinearRegressionModel
    sow(seed)
    model = make()
    drawn = torch.rand(1).item()
    if not isinstance(model, nn.Module):
        return Built(seed, seen(model), False, (), (), (), drawn)
    saved = model.state_dict()
    return Built(
        seed,
        seen(model),
        True,
        tuple(Parameter(name, array(p), name in saved) for name, p in model.named_parameters()),
        tuple(name for name, _ in model.named_buffers()),
        tuple(name for name, value in vars(model).items() if isinstance(value, torch.Tensor)),
        drawn,
    )


def forward(student: Student, given: Given) -> ForwardRun:
    return _forward(student, given, "cpu")


def forward_on_device(student: Student, given: Given) -> tuple[ForwardRun, ...]:
    return tuple(_forward(student, given, device) for device in accelerator.devices())


def _forward(student: Student, given: Given, device: str) -> ForwardRun:
    model: Any = student.LinearRegressionModel().to(device)
    parameters = list(model.parameters())
    put_in = given.parameters[: len(parameters)]
    with torch.no_grad():
        for parameter, value in zip(parameters, put_in, strict=False):
            parameter.fill_(value)
    # Wide enough for answers of either sign: an activation function bends a line somewhere.
    (x,) = columns(np.linspace(-10, 12, len(given.line.x()), dtype=np.float32), device=device)
    answer = model(x)
    zero, one = (seen(model(torch.full((1, 1), value, device=device))) for value in (0.0, 1.0))
    gradients = None
    if isinstance(answer, torch.Tensor) and answer.requires_grad:
        answer.sum().backward()
        gradients = tuple(
            None if p.grad is None else accelerator.on_cpu(p.grad).sum().item() for p in parameters
        )
    return ForwardRun(device, put_in, array(x), seen(answer), (zero, one), gradients)
