"""The oracle against PyTorch itself: right runs raise no alarm, wrong loops are caught and named.

Every run here is a real PyTorch loop. Seeds are fixed, so the same runs are judged each time (on one
machine; another CPU rounds otherwise and gives other runs, which must pass as well).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests import oracle
from tests.harness.given import PRACTICE, Column
from tests.harness.observations import Pair

STEPS = (1 / 64, 1 / 128, 1 / 256, 0.01, 0.02, 0.005)
RATES = (0.01, 1 / 64, 0.01, 0.05)
LR = 0.01


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# --- Data, models, loops -----------------------------------------------------------------------------


class Data(NamedTuple):
    """Training and test rows, (n, 1) each."""

    X: Tensor
    y: Tensor
    X_test: Tensor
    y_test: Tensor

    @property
    def train(self) -> tuple[Column, Column]:
        return self.X.numpy().reshape(-1), self.y.numpy().reshape(-1)

    @property
    def test(self) -> tuple[Column, Column]:
        return self.X_test.numpy().reshape(-1), self.y_test.numpy().reshape(-1)


def some_data(seed: int) -> Data:
    """50 to 260 points on a random line, a fifth of them for testing."""
    rng = np.random.default_rng(seed)
    weight, bias, start = rng.uniform(-2, 2, 3).round(2).tolist()
    X = torch.arange(int(rng.integers(50, 260)), dtype=torch.float32)[:, None] * STEPS[seed % 6]
    X = X + (start if seed % 2 else round(start))
    y = weight * X + bias
    n = int(0.8 * len(X))
    return Data(X[:n], y[:n], X[n:], y[n:])


class Own(nn.Module):
    """Two parameters, and one of four ways to write the line."""

    def __init__(self, shape: tuple[int, ...], forward: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.randn(shape))
        self.way = forward

    def forward(self, x: Tensor) -> Tensor:
        match self.way:
            case 0:
                return self.weight * x + self.bias
            case 1:
                return self.bias + x * self.weight
            case 2:
                return F.linear(x, self.weight.reshape(1, 1), self.bias.reshape(1))
            case _:
                return torch.addmm(self.bias.reshape(1), x, self.weight.reshape(1, 1))


def some_model(seed: int) -> nn.Module:
    """nn.Linear, or parameters of shape (1,), (1, 1) or (), from a random start."""
    torch.manual_seed(seed)
    kind = seed % 4
    return nn.Linear(1, 1) if kind == 0 else Own(((1,), (1, 1), ())[kind - 1], seed // 4 % 4)


def put(model: nn.Module, start: Pair) -> None:
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), start, strict=True):
            parameter.fill_(value)


def where_it_is(model: nn.Module) -> Pair:
    weight, bias = (parameter.item() for parameter in model.parameters())
    return weight, bias


class Pieces(NamedTuple):
    """What a training loop works on."""

    model: nn.Module
    loss_fn: nn.Module
    optimizer: torch.optim.Optimizer
    data: Data


def right(on: Pieces) -> Tensor:
    loss: Tensor = on.loss_fn(on.model(on.data.X), on.data.y)
    on.optimizer.zero_grad()
    loss.backward()
    on.optimizer.step()
    return loss


def never_cleared(on: Pieces) -> Tensor:
    loss: Tensor = on.loss_fn(on.model(on.data.X), on.data.y)
    on.optimizer.zero_grad  # noqa: B018
    loss.backward()
    on.optimizer.step()
    return loss


def no_step(on: Pieces) -> Tensor:
    loss: Tensor = on.loss_fn(on.model(on.data.X), on.data.y)
    on.optimizer.zero_grad()
    loss.backward()
    on.optimizer.step  # noqa: B018
    return loss


def cleared_before_the_step(on: Pieces) -> Tensor:
    loss: Tensor = on.loss_fn(on.model(on.data.X), on.data.y)
    loss.backward()
    on.optimizer.zero_grad()
    on.optimizer.step()
    return loss


def step_before_backward(on: Pieces) -> Tensor:
    loss: Tensor = on.loss_fn(on.model(on.data.X), on.data.y)
    on.optimizer.step()
    on.optimizer.zero_grad()
    loss.backward()
    return loss


def backward_twice(on: Pieces) -> Tensor:
    loss: Tensor = on.loss_fn(on.model(on.data.X), on.data.y)
    on.optimizer.zero_grad()
    loss.backward(retain_graph=True)
    loss.backward()
    on.optimizer.step()
    return loss


def uphill(on: Pieces) -> Tensor:
    loss: Tensor = -on.loss_fn(on.model(on.data.X), on.data.y)
    on.optimizer.zero_grad()
    loss.backward()
    on.optimizer.step()
    return loss


def y_of_shape_n(on: Pieces) -> Tensor:
    return right(on._replace(data=on.data._replace(y=on.data.y.reshape(-1))))


def on_all_rows(on: Pieces) -> Tensor:
    X, y = torch.cat([on.data.X, on.data.X_test]), torch.cat([on.data.y, on.data.y_test])
    return right(on._replace(data=on.data._replace(X=X, y=y)))


def on_the_test_rows(on: Pieces) -> Tensor:
    return right(on._replace(data=on.data._replace(X=on.data.X_test, y=on.data.y_test)))


def sgd(times: float = 1, momentum: float = 0, part: slice = slice(None)) -> "MakeOptimizer":
    def make(model: nn.Module, lr: float, foreach: bool | None) -> torch.optim.Optimizer:
        parameters = list(model.parameters())[part]
        return torch.optim.SGD(parameters, lr=times * lr, momentum=momentum, foreach=foreach)

    return make


def adam(model: nn.Module, lr: float, foreach: bool | None) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=lr, foreach=foreach)


MakeOptimizer = Callable[[nn.Module, float, bool | None], torch.optim.Optimizer]


class Loop(NamedTuple):
    """A PyTorch training loop, and what the oracle should call it."""

    name: str
    epoch: Callable[[Pieces], Tensor] = right
    loss_fn: nn.Module = nn.L1Loss()
    optimizer: MakeOptimizer = sgd()
    says: str = ""
    crossing: bool = False  # differs from a right loop only where predictions cross the data


class Training(NamedTuple):
    """What happened: the trace, and the gradients and the loss of every epoch."""

    trace: list[Pair]
    gradients: list[Pair]
    losses: list[float]


def train(loop: Loop, model: nn.Module, data: Data, lr: float, epochs: int, foreach: bool | None) -> Training:
    optimizer = loop.optimizer(model, lr, foreach)
    weight, bias = model.parameters()
    done = Training([where_it_is(model)], [], [])
    for _ in range(epochs):
        loss = loop.epoch(Pieces(model, loop.loss_fn, optimizer, data))
        done.losses.append(loss.item())
        done.trace.append(where_it_is(model))
        if weight.grad is not None and bias.grad is not None:
            done.gradients.append((weight.grad.item(), bias.grad.item()))
    return done


RIGHT = Loop("right")
WRONG = {
    "no step": Loop("no step", no_step),
    "cleared before the step": Loop("no step", cleared_before_the_step),
    "never cleared": Loop("never cleared", never_cleared, says="is `optimizer.zero_grad()` called"),
    "step before backward": Loop("one step late", step_before_backward),
    "backward twice": Loop("twice as far", backward_twice),
    "uphill": Loop("uphill", uphill),
    "weight only": Loop("weight only", optimizer=sgd(part=slice(0, 1))),
    "bias only": Loop("bias only", optimizer=sgd(part=slice(1, 2))),
    "Adam": Loop("Adam", optimizer=adam),
    "MSE": Loop("MSE", loss_fn=nn.MSELoss()),
    "SmoothL1": Loop("SmoothL1", loss_fn=nn.SmoothL1Loss(), crossing=True),
    "sum": Loop("sum", loss_fn=nn.L1Loss(reduction="sum")),
    "y of shape (N,)": Loop("broadcast", y_of_shape_n, crossing=True),
    "all rows": Loop("all rows", on_all_rows),
    "test rows": Loop("test rows", on_the_test_rows),
    "lr x 2": Loop("twice as far", optimizer=sgd(2)),
}
WRONG |= {
    f"lr x {times}": Loop("learning rate", optimizer=sgd(times))
    for times in (0.1, 0.5, 0.73, 0.9, 0.99, 0.999, 1.01, 1.1, 10)
}
WRONG |= {f"momentum {m}": Loop("momentum", optimizer=sgd(momentum=m)) for m in (0.1, 0.5, 0.9)}


def some_training(
    seed: int, loop: Loop = RIGHT, epochs: int = 60, lr: float = LR
) -> tuple[Data, Training]:
    data, model = some_data(seed), some_model(seed)
    if loop.crossing:
        put(model, crossing(seed, data))
    foreach = (None, True, False)[seed % 3]
    return data, train(loop, model, data, lr, epochs, foreach)


def crossing(seed: int, data: Data) -> Pair:
    """A line that crosses the training points near their middle, but not on one of them."""
    rng = np.random.default_rng(seed)
    x, y = data.train
    middle, slope = len(x) // 2, float((y[-1] - y[0]) / (x[-1] - x[0]))
    weight = slope + float(rng.choice([-1, 1]) * rng.uniform(0.2, 1))
    return weight, float(y[middle] - weight * x[middle] + rng.uniform(0.001, 0.01))
