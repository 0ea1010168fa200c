"""Exercise 2: the model. One weight, one bias, and the line that they make."""

import numpy as np
import pytest

points = pytest.mark.points
CALL = "LinearRegressionModel()"


@points(1)
def test_the_model_is_an_nn_Module(models, expect):
    """nn.Module finds the parameters, moves them to a device, saves them and loads them."""
    means = "Derive the class from nn.Module: `class LinearRegressionModel(nn.Module):`."
    expect(CALL, models.first.returned.type).holds(models.first.is_module, "an nn.Module", means)


@points(3)
def test_it_registers_one_weight_and_one_bias(models, expect):
    """An optimizer can only change what is registered: an nn.Parameter, or a layer that holds some."""
    model = models.first
    found = describe(model)
    values = sum(p.array.flat().size for p in model.parameters)
    if len(model.parameters) == 2 and values == 2:
        return
    means = ""
    if len(model.parameters) < 2 and model.plain_tensors:
        names = ", ".join(f"`self.{name}`" for name in model.plain_tensors)
        means = f"{names}: plain tensors, which nn.Module doesn't register. Wrap them: `nn.Parameter(…)`."
    elif len(model.parameters) < 2 and model.buffers:
        means = "A buffer is saved but never trained. Make it an nn.Parameter."
    elif len(model.parameters) > 2 or values > 2:
        means = "A straight line has one weight and one bias, one value each: there is a layer or a value too many."
    elif len(model.parameters) == 1:
        means = "One of the two is missing. In nn.Linear the bias comes by default: don't switch it off."
    elif not model.parameters:
        means = "Make them in `__init__`, as attributes of `self`: nn.Parameter, or a layer such as nn.Linear(1, 1)."
    expect(f"the parameters of {CALL}", found).holds(False, "one weight and one bias, of one value each", means)


def describe(model):
    return ", ".join(f"{p.name} {p.array.shape}" for p in model.parameters) or "none"


@points(1)
def test_both_can_be_trained_and_saved(models, expect):
    """float32, with gradients, and in the state_dict."""
    for p in models.first.parameters:
        expect(f"requires_grad of {p.name}", p.array.requires_grad).equals(True, "A frozen parameter never learns.")
        expect(f"the dtype of {p.name}", p.array.dtype).equals("float32", "PyTorch models compute in float32.")
        expect(f"{p.name} in the state_dict", p.in_state_dict).equals(True, "What isn't in there is not saved.")


@points(2)
def test_it_starts_at_random(models, given, expect):
    """Training has to find the answer from anywhere, so start anywhere."""
    first, other = values(models.first), values(models.other)
    for index, (a, b) in enumerate(zip(first, other, strict=False)):
        name = models.first.parameters[index].name
        if a == b and models.first.next_random == models.other.next_random:
            means = "After making the model, PyTorch's random numbers are the same as well: is there a `torch.manual_seed` inside? It belongs to the caller."
        elif a in (given.line.weight, given.line.bias) or any(abs(a - v) < 1e-6 for v in (0.3, 0.9)):
            means = "It starts at the answer, so there is nothing left to learn. `torch.randn` draws a start."
        else:
            means = "It is a constant: draw it with `torch.randn(1)`, or let nn.Linear draw it."
        expect(f"{name} under two different seeds", (a, b)).holds(a != b, "two different numbers", means)


@points(1)
def test_a_seed_repeats_it(models, expect):
    """An experiment that can be repeated can be trusted."""
    first, again = values(models.first), values(models.again)
    means = "Draw from PyTorch's own generator (torch.randn, torch.rand, a layer), once each."
    expect("the parameters, made twice under the same seed", (first, again)).holds(first == again, "the same", means)


def values(built):
    return [float(p.array.flat()[0]) for p in built.parameters if p.array.flat().size]


@points(1)
def test_forward_keeps_the_shape(forward, expect):
    """(N, 1) in, (N, 1) out: one answer a row."""
    judge_shape(expect, forward, "cpu")


@points(3)
def test_forward_is_weight_times_x_plus_bias(forward, expect):
    """Whatever numbers training puts into the two parameters."""
    judge_line(expect, forward)


@points(1)
def test_gradients_reach_both_parameters(forward, expect):
    """backward() follows the arithmetic of forward back to the parameters: nothing may cut it."""
    means = "Something on the way leaves PyTorch's arithmetic: `.data`, `.detach()`, `.item()`, NumPy, or a new tensor made of the values."
    if expect("backward() through forward(x)", "impossible" if forward.gradients is None else "possible").equals("possible", means):
        rows = forward.x.flat()
        wanted = sorted([float(rows.sum()), float(rows.size)])
        found = [0.0 if g is None else g for g in forward.gradients]
        expect("the gradients of the sum of the answers", sorted(found)).close_to(wanted, means, within=1e-4)


@points(2)
def test_forward_works_on_every_device(forward_on_device, expect):
    """A tensor made inside forward lands on the CPU, wherever the model is."""
    for run in forward_on_device:
        if judge_shape(expect, run, run.device):
            means = "The answer must stay where the model is."
            expect.on_device(f"model(x) on {run.device}", run.returned.tensor, run.device, means)
            judge_line(expect, run)


def judge_shape(expect, run, device):
    where = "" if device == "cpu" else f" on {device}"
    if run.returned.tensor is not None and run.returned.tensor.shape == run.x.shape[::-1]:
        means = "The answer lies on its side: rows must stay rows."
    else:
        means = "Arithmetic on x keeps its shape: `self.weight * x + self.bias`."
    return expect.tensor(f"model(x){where}, for x of shape {run.x.shape},", run.returned, run.x.shape, means)


def judge_line(expect, run):
    """The bias is what comes out for x = 0; the weight is how much more comes out for x = 1."""
    if run.returned.tensor is None or len(run.put_in) != 2 or run.at_zero_and_one is None:
        return
    first, second = run.put_in
    at_zero, at_one = (seen.number for seen in run.at_zero_and_one)
    if at_zero is None or at_one is None:
        return
    call = f"with {first:g} and {second:g} put into the parameters, model(x)"
    bias, weight = at_zero, at_one - at_zero
    right = any(np.allclose((weight, bias), pair, atol=1e-5) for pair in ((first, second), (second, first)))
    if expect(call, f"{weight:.4g} * x + {bias:.4g}").holds(
        right, f"{first:g} * x + {second:g}, or the other way round", "Is each parameter used once, one times x and one added?"
    ):
        x, y = run.x.flat(), run.returned.tensor.flat()
        worst = int(np.abs(y - (weight * x + bias)).argmax())
        expect(f"{call} for x = {x[worst]:.4g}", float(y[worst])).close_to(
            float(weight * x[worst] + bias), "The answers for 0 and 1 are on the line, this one is not."
        )
