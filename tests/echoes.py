"""What an observation repeats of its inputs must be what was put in: an answer about other numbers is none.

The harness writes this down itself, so an honest run passes whatever the student's code does. An observation that
was recorded on other numbers, and is played back, does not.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.harness.given import Given
from tests.harness.observations import Pair

SECOND = "accel"  # the device beside the CPU that is there on every machine
MOST_STEPS = 20  # for each epoch asked for; more would only be work for the judge


def single(pair: Any) -> tuple[float, ...]:
    """The numbers as a float32 tensor holds them."""
    return tuple(float(np.float32(value)) for value in pair)


def is_column(array: Any, values: Any, device: str = "cpu") -> bool:
    wanted = np.asarray(values, np.float32)
    return bool(array.shape == (len(wanted), 1) and array.data == wanted.tobytes() and array.device == device)


def splits(found: Any, given: Given) -> bool:
    x, y, odd = given.line.x(), given.line.y(), given.odd_rows
    asked = [(x, y, None, "cpu"), *((x, y, fraction, "cpu") for fraction in given.other_fractions)]
    asked += [(x[:odd], y[:odd], given.other_fractions[0], "cpu"), (x, y, None, SECOND)]
    return len(found) == len(asked) and all(
        is_column(split.X, a, device) and is_column(split.y, b, device) and split.fraction == fraction
        for split, (a, b, fraction, device) in zip(found, asked, strict=True)
    )


def models(found: Any, given: Given) -> bool:
    return (found.first.seed, found.other.seed, found.again.seed) == (
        given.seed,
        given.other_seed,
        given.seed,
    )


def forward(found: Any, given: Given, device: str = "cpu") -> bool:
    x = np.linspace(-10, 12, len(given.line.x()), dtype=np.float32)
    put_in = given.parameters[: len(found.put_in)]
    return found.device == device and found.put_in == put_in and is_column(found.x, x, device)


def loss(found: Any, given: Given) -> bool:
    x, y = given.test()
    return is_column(found.predictions, np.concatenate([x, y])) and is_column(
        found.targets, np.concatenate([y, x])
    )


def optimizer(found: Any, given: Given) -> bool:
    return not found.is_optimizer or (
        found.before == single(given.trained)
        and found.gradients == given.gradients[:2]
        and found.slow_lr == given.short_lr
        and len(found.after) == 2
    )


def training(
    start: Callable[[Given], Pair], epochs: Callable[[Given], int], eval_every: Callable[[Given], int]
) -> Callable[..., bool]:
    """The echo of a training run that begins at `start`."""

    def echo(found: Any, given: Given, device: str = "cpu") -> bool:
        return bool(
            found.device == device
            and found.start == single(start(given))
            and (found.epochs, found.eval_every) == (epochs(given), eval_every(given))
            and len(found.steps) <= MOST_STEPS * given.epochs
        )

    return echo


full_run = training(lambda g: g.start_at, lambda g: g.epochs, lambda g: g.eval_every)
short_run = training(lambda g: g.short_start_at, lambda g: g.short_epochs, lambda g: g.short_eval_every)
no_epochs = training(lambda g: g.start_at, lambda g: 0, lambda g: g.eval_every)
short_device_run = training(lambda g: g.start_at, lambda g: g.device_epochs, lambda g: 2)


def prediction(found: Any, given: Given, device: str = "cpu") -> bool:
    return (
        found.device == device
        and is_column(found.x, given.test()[0])
        and found.before == single(given.trained)
    )


def saved(found: Any, given: Given) -> bool:
    return bool((found.trained, found.other_trained) == (single(given.trained), single(given.other_trained)))


def loaded(found: Any, given: Given, device: str = "cpu") -> bool:
    return bool(found.device == device and found.saved == single(given.trained))


def resumed(found: Any, given: Given, device: str = "cpu") -> bool:
    """The interrupted training was ours, momentum and all: it can be worked out."""
    place, velocity, places = np.array(given.trained), np.zeros(2), []
    for gradient in given.gradients:
        velocity = given.short_momentum * velocity + gradient
        place = place - given.short_lr * velocity
        places.append(place)
    done = given.checkpoint_after
    return bool(
        (found.device, found.epoch, found.path) == (device, done, "checkpoints/last.pth")
        and np.allclose(found.at_checkpoint, places[done - 1], atol=1e-5)
        and len(found.uninterrupted) == len(found.continued) == len(places) - done
        and np.allclose(found.uninterrupted, places[done:], atol=1e-5)
    )


def on_devices(one: Callable[..., bool]) -> Callable[[Any, Given], bool]:
    return lambda found, given: (
        bool(found) and found[0].device == SECOND and all(one(f, given, f.device) for f in found)
    )


forward_on_device = on_devices(forward)
device_run = on_devices(short_device_run)
device_prediction = on_devices(prediction)
loaded_on_device = on_devices(loaded)
resumed_on_device = on_devices(resumed)
