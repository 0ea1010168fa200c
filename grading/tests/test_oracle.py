"""The oracle against PyTorch itself: right runs raise no alarm, wrong loops are caught and named.

Every run here is a real PyTorch loop, from fixed seeds.
"""

# mypy: disable-error-code="no-untyped-call"
# (Tensor.backward has no type hints.)

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grading.tests import corpus
from tests import oracle
from tests.harness.given import PRACTICE, Column
from tests.harness.observations import Pair

STEPS = (1 / 64, 1 / 128, 1 / 256, 0.01, 0.02, 0.005)
LR = 0.01
STARTS = range(100, 120)  # seeds of the wrong loops' data and models

pytestmark = pytest.mark.filterwarnings("ignore:Using a target size")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def gradient_is_right(
    observed: tuple[float | None, float | None], at: Pair, x: Column, y: Column, loss: str = "l1"
) -> bool:
    return not oracle.wrong_gradients([observed], [at], x, y, loss)


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


MakeOptimizer = Callable[[nn.Module, float, bool | None], torch.optim.Optimizer]


def sgd(times: float = 1, momentum: float = 0, part: slice = slice(None)) -> MakeOptimizer:
    def make(model: nn.Module, lr: float, foreach: bool | None) -> torch.optim.Optimizer:
        parameters = list(model.parameters())[part]
        return torch.optim.SGD(parameters, lr=times * lr, momentum=momentum, foreach=foreach)

    return make


def adam(model: nn.Module, lr: float, foreach: bool | None) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=lr, foreach=foreach)


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
    f"lr x {times}": Loop(
        "learning rate", optimizer=sgd(times), says=f"a learning rate of {times * LR:.4g}, not 0.01:"
    )
    for times in (0.1, 0.5, 0.73, 0.9, 0.99, 0.999, 1.01, 1.1, 10)
}
WRONG |= {
    f"momentum {m}": Loop("momentum", optimizer=sgd(momentum=m), says=f"a momentum of {m}:")
    for m in (0.1, 0.5, 0.9)
}


def crossing(seed: int, data: Data) -> Pair:
    """A line that crosses the training points near their middle, but not on one of them."""
    rng = np.random.default_rng(seed)
    x, y = data.train
    middle, slope = len(x) // 2, float((y[-1] - y[0]) / (x[-1] - x[0]))
    weight = slope + float(rng.choice([-1, 1]) * rng.uniform(0.2, 1))
    return weight, float(y[middle] - weight * x[middle] + rng.uniform(0.001, 0.01))


def some_training(seed: int, loop: Loop = RIGHT, epochs: int = 30, lr: float = LR) -> tuple[Data, Training]:
    data, model = some_data(seed), some_model(seed)
    if loop.crossing:
        put(model, crossing(seed, data))
    return data, train(loop, model, data, lr, epochs, foreach=(None, True, False)[seed % 3])


def practice_training(loop: Loop, epochs: int = PRACTICE.epochs) -> tuple[Data, Training]:
    columns = [torch.from_numpy(c).reshape(-1, 1) for c in (*PRACTICE.train(), *PRACTICE.test())]
    data, model = Data(*columns), nn.Linear(1, 1)
    put(model, PRACTICE.start_at)
    return data, train(loop, model, data, PRACTICE.lr, epochs, foreach=None)


# --- Right runs --------------------------------------------------------------------------------------


def test_right_runs_raise_no_alarm() -> None:
    """300 of them, of every kind; a thousand with ALL."""
    worst = 0.0
    for seed in range(1000 if corpus.ALL else 300):
        lr = (LR, 1 / 64, LR, 0.05)[seed // 3 % 4]
        data, run = some_training(seed, epochs=300 if seed % 19 == 0 else 40, lr=lr)
        x, y = data.train
        worst = max(worst, oracle.step_errors(run.trace, x, y, lr).max())
        assert oracle.wrong_steps(run.trace, x, y, lr) == [], seed
        assert oracle.names(run.trace, data.train, data.test, lr) == ["right"], seed
        assert oracle.diagnose(run.trace, data.train, data.test, lr) is None, seed
        for at, slope, loss in zip(run.trace, run.gradients, run.losses, strict=False):
            assert gradient_is_right(slope, at, x, y), seed
            assert oracle.loss_is_right(loss, at, x, y), seed
    assert worst < oracle.STEP / 2


def test_mean_squared_error_with_momentum_raises_no_alarm() -> None:
    """The gradients and the losses; `wrong_steps` is for plain steps on the absolute error only."""
    loop = Loop("", loss_fn=nn.MSELoss(), optimizer=sgd(momentum=0.5))
    for seed in range(60):
        data, run = some_training(seed, loop)
        for at, slope, loss in zip(run.trace, run.gradients, run.losses, strict=False):
            assert gradient_is_right(slope, at, *data.train, loss="mse"), seed
            assert oracle.loss_is_right(loss, at, *data.train, loss="mse"), seed
            assert not gradient_is_right((slope[0], slope[1] + 0.001), at, *data.train, loss="mse"), seed
            assert not oracle.loss_is_right(1.001 * loss + 1e-5, at, *data.train, loss="mse"), seed


@pytest.mark.parametrize(
    ("model", "epochs", "end"), [(Own, 100, (0.5784, 0.3513)), (nn.Linear, 1000, (0.6968, 0.3025))]
)
def test_the_known_numbers_raise_no_alarm(model: type[nn.Module], epochs: int, end: Pair) -> None:
    """The two runs of DESIGN.md, which end where other people's do."""
    X = torch.arange(0, 1, 0.02).unsqueeze(1)
    y = 0.7 * X + 0.3
    data = Data(X[:40], y[:40], X[40:], y[40:])
    torch.manual_seed(42)
    built = Own((1,), 0) if model is Own else nn.Linear(1, 1)
    run = train(RIGHT, built, data, LR, epochs, foreach=None)
    assert run.trace[-1] == pytest.approx(end, abs=1e-4)
    assert oracle.wrong_steps(run.trace, *data.train, LR) == []


def test_the_practice_run_raises_no_alarm_and_converges() -> None:
    data, run = practice_training(RIGHT)
    assert oracle.names(run.trace, data.train, data.test, LR) == ["right"]
    assert oracle.converges(PRACTICE.start_at, *(data.train, data.test), LR, PRACTICE.epochs, tolerance=0.1)
    assert oracle.mean_absolute_error(run.trace[-1], *data.test) <= 0.1


# --- Wrong loops -------------------------------------------------------------------------------------


def test_every_wrong_loop_is_tried_and_has_its_sentence() -> None:
    assert {loop.name for loop in WRONG.values()} == set(oracle.WRONG_LOOPS) == set(oracle.SENTENCES)


@pytest.mark.parametrize("label", WRONG)
def test_a_wrong_loop_is_caught_and_named_from_every_start(label: str) -> None:
    """From starts where predictions cross the data, for the two loops that differ only there."""
    loop = WRONG[label]
    for seed in STARTS:
        data, run = some_training(seed, loop)
        assert oracle.wrong_steps(run.trace, *data.train, LR), seed
        assert oracle.names(run.trace, data.train, data.test, LR) == [loop.name], seed
        said = oracle.diagnose(run.trace, data.train, data.test, LR)
        assert said and said.startswith("Your parameters move exactly as in a loop that ") and ": " in said
        assert said.endswith("?") and loop.says in said, said


@pytest.mark.parametrize("label", WRONG)
def test_a_wrong_loop_is_caught_and_named_on_the_practice_numbers(label: str) -> None:
    data, run = practice_training(WRONG[label])
    assert oracle.wrong_steps(run.trace, *data.train, LR)
    assert oracle.names(run.trace, data.train, data.test, LR) == [WRONG[label].name]


def test_an_unknown_loop_is_caught_and_not_named() -> None:
    """Weight decay is in no list; nor is a loop that is right for a while."""
    for seed in STARTS:
        decay = Loop(
            "", optimizer=lambda model, lr, _: torch.optim.SGD(model.parameters(), lr, weight_decay=0.1)
        )
        data, run = some_training(seed, decay)
        assert oracle.wrong_steps(run.trace, *data.train, LR)
        assert oracle.diagnose(run.trace, data.train, data.test, LR) is None
        _, later = some_training(seed, WRONG["MSE"])
        _, run = some_training(seed)
        trace = run.trace[:20] + later.trace[20:]
        assert oracle.diagnose(trace, data.train, data.test, LR) is None


def test_few_steps_are_judged_but_not_named() -> None:
    data, run = some_training(100, WRONG["MSE"])
    assert oracle.wrong_steps(run.trace[:3], *data.train, LR) == [0, 1]
    assert oracle.names(run.trace[:3], data.train, data.test, LR) == []
    assert oracle.wrong_steps(run.trace[:1], *data.train, LR) == []
    assert oracle.diagnose(run.trace[:1], data.train, data.test, LR) is None


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), -float("inf"), 1e308])
@pytest.mark.filterwarnings("error")
def test_junk_is_wrong_and_never_an_exception(junk: float) -> None:
    data, run = some_training(100)
    x, y = data.train
    trace = [*run.trace[:5], (junk, run.trace[5][1]), *run.trace[6:]]
    assert 4 in oracle.wrong_steps(trace, x, y, LR)
    assert oracle.diagnose(trace, data.train, data.test, LR) is None
    assert oracle.diagnose([(junk, junk)] * 10, data.train, data.test, LR) in (None, said_of("no step"))
    for loss in ("l1", "mse"):
        assert not gradient_is_right((junk, run.gradients[0][1]), run.trace[0], x, y, loss)
        assert not oracle.loss_is_right(junk, run.trace[0], x, y, loss)
    assert oracle.diagnose_loss(junk, {"right": 1.0}) is None


def said_of(name: str) -> str:
    return f"Your parameters move exactly as in a loop that {oracle.SENTENCES[name]}"


def test_a_missing_gradient_is_wrong() -> None:
    data, run = some_training(100)
    assert not gradient_is_right((None, None), run.trace[0], *data.train)
    assert not gradient_is_right((run.gradients[0][0], None), run.trace[0], *data.train)


# --- Closed forms ------------------------------------------------------------------------------------


def autograd(at: Pair, x: Column, y: Column, loss: str) -> Pair:
    """PyTorch's own gradient, in float64."""
    weight, bias = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in at)
    prediction, target = weight * torch.tensor(x).double() + bias, torch.tensor(y).double()
    if loss == "broadcast":
        prediction = prediction[:, None]
    {
        "l1": F.l1_loss,
        "mse": F.mse_loss,
        "smooth_l1": F.smooth_l1_loss,
        "sum": lambda p, t: F.l1_loss(p, t, reduction="sum"),
        "broadcast": F.l1_loss,
    }[loss](prediction, target).backward()
    assert weight.grad is not None and bias.grad is not None
    return weight.grad.item(), bias.grad.item()


@pytest.mark.parametrize("loss", ["l1", "mse", "smooth_l1", "sum", "broadcast"])
def test_the_gradient_is_autograd_s(loss: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        x, y = rng.uniform(-2, 2, (2, 50)).astype(np.float32)
        weight, bias = rng.uniform(-2, 2, 2).tolist()
        slope = oracle.gradient((weight, bias), x, y, loss)
        if slope.slack_bias == 0:
            assert slope[:2] == pytest.approx(autograd((weight, bias), x, y, loss), rel=1e-9, abs=1e-12)
        else:
            assert loss == "broadcast"  # 2,500 pairs: now and then one is a tie


def test_the_loss_is_pytorch_s() -> None:
    x, y = np.random.default_rng(0).uniform(-2, 2, (2, 50)).astype(np.float32)
    right = F.l1_loss(torch.tensor(0.5 * x - 1), torch.tensor(y)).item()
    assert oracle.mean_absolute_error((0.5, -1), x, y) == pytest.approx(right, rel=1e-6)
    assert oracle.loss_is_right(right, (0.5, -1), x, y)
    assert not oracle.loss_is_right(right * 1.00001, (0.5, -1), x, y)
    assert not oracle.loss_is_right(right, (0.5, -1), x, y, "mse")


def test_a_point_on_the_line_may_count_either_way() -> None:
    """On the line y = x: the point at 2, and the one at 4, as far as float32 can tell."""
    x = np.array([0, 1, 2, 4], dtype=np.float32)
    y = np.array([1, 0, 2, np.nextafter(np.float32(4), np.float32(5))], dtype=np.float32)
    assert oracle.gradient((1, 0), x, y) == (0.25, 0, 1.5, 0.5)
    for sign_2 in (-1, 0, 1):
        for sign_4 in (-1, 0, 1):
            slope = ((1 + 2 * sign_2 + 4 * sign_4) / 4, (sign_2 + sign_4) / 4)
            assert gradient_is_right(slope, (1, 0), x, y)
            assert oracle.wrong_steps([(1, 0), (1 - LR * slope[0], -LR * slope[1])], x, y, LR) == []
    assert not gradient_is_right((1.76, 0), (1, 0), x, y)
    assert oracle.wrong_steps([(1, 0), (1 - LR * 1.76, 0)], x, y, LR) == [0]
    y[3] = 4.00001  # float32 can tell
    assert oracle.gradient((1, 0), x, y) == (-0.75, -0.25, 0.5, 0.25)
    assert not gradient_is_right((1.25, 0.25), (1, 0), x, y)


def test_a_loss_is_recognised_by_its_value() -> None:
    candidates = {"before the step": 0.3128814, "after the step": 0.3078814, "squared": 0.0978}
    assert oracle.diagnose_loss(0.3078815, candidates) == "after the step"
    assert oracle.diagnose_loss(0.30789, candidates) is None
    assert oracle.diagnose_loss(0.3, {}) is None
    assert oracle.diagnose_loss(1.0, {"a little off": 1.000001, "exact": 1.0}) == "exact"


# --- Runs to choose starts by ------------------------------------------------------------------------


def test_follow_is_a_float64_run() -> None:
    for seed in range(20):
        data, model = Data(*(part.double() for part in some_data(seed))), some_model(seed)
        start = where_it_is(model)
        run = train(RIGHT, model.double(), data, LR, 100, foreach=None)
        x, y = (column.astype(np.float32) for column in data.train)
        assert oracle.follow(start, x, y, LR, 100) == pytest.approx(np.array(run.trace), abs=1e-12)


def near_the_line(seed: int) -> tuple[Data, Pair]:
    """Up to 130 points within -1 to 3, and a start from which 300 steps of 0.01 may get to their line."""
    rng = np.random.default_rng(seed)
    weight, bias, start = rng.uniform((-1, -1, -1), (1, 1, 0.5)).round(2).tolist()
    X = torch.arange(int(rng.integers(60, 130)), dtype=torch.float32)[:, None] * STEPS[seed % 5] + start
    n = int(0.8 * len(X))
    y = weight * X + bias
    off_weight, off_bias = rng.uniform(-0.6, 0.6, 2).astype(np.float32).tolist()
    return Data(X[:n], y[:n], X[n:], y[n:]), (weight + off_weight, bias + off_bias)


def test_where_the_oracle_converges_pytorch_does() -> None:
    """Where it does not, it may all the same: such starts are not asked for."""
    promised = 0
    for seed in range(40):
        data, start = near_the_line(seed)
        if oracle.converges(start, data.train, data.test, LR, 300, tolerance=0.05):
            model = some_model(seed)
            put(model, start)
            run = train(RIGHT, model, data, LR, 300, foreach=None)
            assert oracle.mean_absolute_error(run.trace[-1], *data.test) <= 0.05, seed
            promised += 1
    assert promised > 20
