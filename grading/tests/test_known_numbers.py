"""The design's table of known numbers comes out of solutions/, to the digits given there."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"


def solved(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SOLUTIONS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


dataset, training, predictions = solved("ex1_dataset"), solved("ex3_training"), solved("ex4_predictions")
TwoParameters: type[nn.Module] = solved("ex2_model").LinearRegressionModel

Pair = tuple[float, float]


class LinearLayer(nn.Module):
    """The other usual way to write the model of exercise 2."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x)
        return out


class Run:
    """A model from seed 42, and what it was before and after its training."""

    def __init__(self, model_class: type[nn.Module], epochs: int, eval_every: int) -> None:
        X, y = dataset.create_dataset(weight=0.7, bias=0.3, step=0.02)
        self.rows = dataset.split_dataset(X, y)
        with torch.random.fork_rng():
            torch.manual_seed(42)
            self.model = model_class()
        self.start, self.predicted_at_start = self.parameters(), self.prediction_range()
        loss_fn, optimizer = training.create_loss(), training.create_optimizer(self.model)
        history = training.train(self.model, loss_fn, optimizer, *self.rows, epochs, eval_every)
        self.end, self.predicted_at_end = self.parameters(), self.prediction_range()
        self.losses: dict[int, Pair] = {
            epoch: (round(train, 7), round(test, 7))
            for epoch, train, test in zip(*history.values(), strict=True)
        }

    def parameters(self) -> Pair:
        weight, bias = (round(parameter.item(), 4) for parameter in self.model.parameters())
        return weight, bias

    def prediction_range(self) -> Pair:
        predicted = predictions.predict(self.model, self.rows[2])
        return round(predicted.min().item(), 4), round(predicted.max().item(), 4)


@pytest.fixture(scope="module")
def two_parameters() -> Run:
    return Run(TwoParameters, epochs=100, eval_every=10)


@pytest.fixture(scope="module")
def linear_layer() -> Run:
    return Run(LinearLayer, epochs=1000, eval_every=20)


def test_the_split_is_40_to_10(two_parameters: Run) -> None:
    assert [tuple(part.shape) for part in two_parameters.rows] == [(40, 1), (40, 1), (10, 1), (10, 1)]


def test_two_parameters_after_100_epochs(two_parameters: Run) -> None:
    assert two_parameters.start == (0.3367, 0.1288)
    assert two_parameters.end == (0.5784, 0.3513)


@pytest.mark.parametrize(
    ("epoch", "losses"),
    [(0, (0.3128814, 0.4810652)), (50, (0.0416786, 0.0991995)), (90, (0.0278874, 0.0647356))],
)
def test_losses_of_two_parameters(two_parameters: Run, epoch: int, losses: Pair) -> None:
    assert two_parameters.losses[epoch] == losses


def test_predictions_of_two_parameters(two_parameters: Run) -> None:
    assert two_parameters.predicted_at_start == (0.3982, 0.4588)
    assert two_parameters.predicted_at_end == (0.8141, 0.9182)


def test_a_linear_layer_after_1000_epochs(linear_layer: Run) -> None:
    assert linear_layer.start == (0.7645, 0.8300)
    assert linear_layer.end == (0.6968, 0.3025)


@pytest.mark.parametrize(("epoch", "losses"), [(0, (0.5551780, 0.5739762)), (100, (0.0062157, 0.0140867))])
def test_losses_of_a_linear_layer(linear_layer: Run, epoch: int, losses: Pair) -> None:
    assert linear_layer.losses[epoch] == losses


def test_a_linear_layer_is_at_rest_from_epoch_120(linear_layer: Run) -> None:
    late = {losses for epoch, losses in linear_layer.losses.items() if epoch >= 120}
    assert late == {(0.0012645, 0.0138018)}
