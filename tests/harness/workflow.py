"""The student's five modules in a row, on their own pieces."""

from pathlib import Path
from typing import Any

import torch

from tests.harness import accelerator
from tests.harness.clean import sow
from tests.harness.given import Given
from tests.harness.observations import Pair, Workflow
from tests.harness.student import Student
from tests.harness.watch import history, seen


def workflow(student: Student, given: Given) -> Workflow:
    return _run(student, given, "cpu", given.workflow_epochs)


def device_workflow(student: Student, given: Given) -> tuple[Workflow, ...]:
    return tuple(_run(student, given, device, given.device_epochs) for device in accelerator.devices())


def _run(student: Student, given: Given, device: str, epochs: int) -> Workflow:
    line = given.line
    data = student.create_dataset(line.weight, line.bias, line.start, line.end, line.step, device=device)
    split = student.split_dataset(*data)
    model_class = student.LinearRegressionModel
    sow(given.seed)
    model = model_class().to(device)
    optimizer = student.create_optimizer(model, lr=given.lr)
    read = _reader(model, device)
    trace = [read()]
    optimizer.register_step_post_hook(lambda *_: trace.append(read()))
    loss_fn = student.create_loss()
    recorded = student.train(model, loss_fn, optimizer, *split, epochs, given.eval_every // 2)
    predictions = seen(student.predict(model, split[2]))
    path = Path.cwd() / "models" / "workflow.pth"
    student.save_model(model, path)
    again = student.load_model(model_class, path, device=device)
    return Workflow(
        device,
        seen(data),
        seen(split),
        tuple(trace),
        history(recorded),
        predictions,
        seen(student.predict(again, split[2])),
        seen(student.predictions_match(model, again, split[2])),
        next(model.parameters()).device.type,
    )


def _reader(model: Any, device: str) -> Any:
    """A function that reads (weight, bias) off the model: the parameter that f(0) shows is the bias."""
    parameters = list(model.parameters())
    with torch.no_grad():
        at_zero = model(torch.zeros(1, 1, device=device)).item()
    bias = min(parameters, key=lambda p: abs(p.item() - at_zero))
    weight = next((p for p in parameters if p is not bias), bias)

    def read() -> Pair:
        return weight.item(), bias.item()

    return read
