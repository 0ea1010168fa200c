"""Exercise 3: loss, optimizer, and `train` watched step by step."""

import numpy as np
import torch
from torch import nn

from tests.harness import accelerator
from tests.harness.dataset import columns
from tests.harness.given import Given, made_up_history
from tests.harness.observations import LossValues, OptimizerSteps, Pair, Picture, Plot, TrainingRun
from tests.harness.student import Student, defaults
from tests.harness.watch import Line, WatchedLoss, Watcher, array, history, picture_of, plot, seen


def loss(student: Student, given: Given) -> LossValues:
    """The loss of predictions on both sides of their targets: x and y, and y and x."""
    created = student.create_loss()
    x, y = given.test()
    predictions, targets = columns(np.concatenate([x, y]), np.concatenate([y, x]))
    predictions.requires_grad_()
    usable = callable(created) and not isinstance(created, type)  # a class makes a loss, and compares nothing
    value = seen(created(predictions, targets)) if usable else None
    return LossValues(seen(created), usable, array(predictions), array(targets), value)


def optimizer(student: Student, given: Given) -> OptimizerSteps:
    """Two steps with the default learning rate, one with another, on gradients set by hand."""
    model = Line(given.trained)
    created = student.create_optimizer(model)
    if not isinstance(created, torch.optim.Optimizer):
        return OptimizerSteps(seen(created), False, type(created).__name__, {})
    settings = {k: float(v) for k, v in created.param_groups[0].items() if isinstance(v, int | float)}
    after = tuple(step_by_hand(model, created, gradient) for gradient in given.gradients[:2])
    slow = Line(given.trained)
    slow_after = step_by_hand(slow, student.create_optimizer(slow, lr=given.short_lr), given.gradients[0])
    return OptimizerSteps(
        seen(created),
        True,
        type(created).__name__,
        settings,
        Line(given.trained).pair(),
        given.gradients[:2],
        after,
        given.short_lr,
        slow_after,
    )


def step_by_hand(model: Line, optimizer: torch.optim.Optimizer, gradient: Pair) -> Pair:
    """One optimizer step on a gradient that nobody computed; the parameters after it."""
    for parameter, value in zip((model.weight, model.bias), gradient, strict=True):
        parameter.grad = torch.full_like(parameter, value)
    optimizer.step()
    return model.pair()


def full_run(student: Student, given: Given) -> TrainingRun:
    return _train(student, given, given.start_at, given.lr, 0.0, nn.L1Loss(), given.epochs, given.eval_every)


def short_run(student: Student, given: Given) -> TrainingRun:
    """Another loss, an optimizer with momentum, other epochs: `train` has to use what it is given."""
    lr, momentum = given.short_lr, given.short_momentum
    epochs, every = given.short_epochs, given.short_eval_every
    return _train(student, given, given.short_start_at, lr, momentum, nn.MSELoss(), epochs, every)


def no_epochs(student: Student, given: Given) -> TrainingRun:
    return _train(student, given, given.start_at, given.lr, 0.0, nn.L1Loss(), 0, given.eval_every)


def device_run(student: Student, given: Given) -> tuple[TrainingRun, ...]:
    """The model on another device than the data."""
    epochs, every = given.device_epochs, 2
    return tuple(
        _train(student, given, given.start_at, given.lr, 0.0, nn.L1Loss(), epochs, every, device)
        for device in accelerator.devices()
    )


def _train(
    student: Student,
    given: Given,
    start: Pair,
    lr: float,
    momentum: float,
    loss_fn: nn.Module,
    epochs: int,
    eval_every: int,
    device: str = "cpu",
) -> TrainingRun:
    model = Line(start).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    watcher, watched_loss = Watcher(model, optimizer), WatchedLoss(loss_fn, model)
    data = columns(*given.train(), *given.test())
    before, train = model.pair(), student.train
    returned = train(model, watched_loss, optimizer, *data, epochs=epochs, eval_every=eval_every)
    return TrainingRun(
        device,
        epochs,
        eval_every,
        defaults(train),
        seen(returned),
        history(returned),
        model.seen_inputs(),
        tuple(model.forwards),
        tuple(watched_loss.calls),
        tuple(watcher.steps),
        before,
        model.pair(),
    )


def loss_plot(student: Student, given: Given) -> Plot:
    return plot(student.plot_loss_curves(made_up_history(given)))


def picture(student: Student, given: Given) -> Picture:
    """What `plot_loss_curves` draws, for people to look at: no test does."""
    return picture_of(student.plot_loss_curves(made_up_history(given)))
