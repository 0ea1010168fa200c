"""Exercise 4: `predict` on a model that answers differently in train mode."""

import torch

from tests.harness import accelerator
from tests.harness.dataset import columns
from tests.harness.given import Given, made_up_predictions
from tests.harness.observations import Picture, Plot, Prediction
from tests.harness.student import Student
from tests.harness.watch import MoodyLine, picture_of, plot, seen


def prediction(student: Student, given: Given) -> Prediction:
    return _predict(student, given, "cpu")


def device_prediction(student: Student, given: Given) -> tuple[Prediction, ...]:
    """The model on another device than the data."""
    return tuple(_predict(student, given, device) for device in accelerator.devices())


def _predict(student: Student, given: Given, device: str) -> Prediction:
    model = MoodyLine(given.trained).to(device)
    (X,) = columns(given.test()[0])
    before = model.pair()
    returned = seen(student.predict(model, X))
    return Prediction(
        device,
        seen(X).tensor or model.seen_inputs()[0],
        returned,
        tuple(model.forwards),
        model.seen_inputs(),
        before,
        model.pair(),
        model.weight.device.type,
        torch.is_grad_enabled(),
    )


def prediction_plot(student: Student, given: Given) -> Plot:
    """Everything on a second device, as it is after training there."""
    predictions = made_up_predictions(given)
    data = columns(*given.train(), *given.test(), predictions, device=accelerator.NAME)
    return plot(student.plot_predictions(*data))


def picture(student: Student, given: Given) -> Picture:
    """What `plot_predictions` draws, for people to look at: no test does."""
    data = columns(*given.train(), *given.test(), made_up_predictions(given))
    return picture_of(student.plot_predictions(*data))
