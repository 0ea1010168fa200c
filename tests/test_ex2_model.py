"""Exercise 2: the model. One weight, one bias, and the line that they make.

A test that takes `models` or `forward` beside its own experiment waits for the first lesson of that one.
"""

import numpy as np
import pytest

points = pytest.mark.points
CALL = "LinearRegressionModel()"
ONE_EACH = "one weight and one bias, of one value each"


@points(1)
def test_the_model_is_an_nn_Module(models, expect):
    """nn.Module finds the parameters, moves them to a device, saves them and loads them."""
    means = "Derive the class from nn.Module: `class LinearRegressionModel(nn.Module):`."
    expect(CALL, models.first.returned.type).holds(models.first.is_module, "an nn.Module", means)


@points(3)
def test_it_registers_one_weight_and_one_bias(models, expect):
    """An optimizer can only change what is registered: an nn.Parameter, or a layer that holds some."""
    expect(f"the parameters of {CALL}", describe(models)).holds(
        is_a_line(models), ONE_EACH, what_is_wrong(models.first)
    )


def is_a_line(models):
    return [p.array.flat().size for p in models.first.parameters] == [1, 1]


def describe(models):
    return ", ".join(f"{p.name} {p.array.shape}" for p in models.first.parameters) or "none"


def what_is_wrong(model):
    """Why there isn't one weight and one bias."""
    count, plain = len(model.parameters), " and ".join(f"`self.{name}`" for name in model.plain_tensors)
    values = sum(p.array.flat().size for p in model.parameters)
    if count < 2 and plain:
        return f"Not registered: {plain}. For nn.Module that is just a number: wrap it in `nn.Parameter(…)`."
    if count < 2 and model.buffers:
        return f"A buffer is saved but never trained: make an nn.Parameter of `self.{model.buffers[0]}`."
    if count == 1 and values == 2:
        return "The two values are there: make one parameter each of them."
    if count > 2 or values > 2:
        return "A straight line has one weight and one bias, one value each: there is a layer or a value too many."
    if count == 1:
        return "One of the two is missing. In nn.Linear the bias comes by default: don't switch it off."
    return (
        "Make them in `__init__` (two underscores on each side), as attributes of `self` and in no list: "
        "an nn.Parameter for each, or a layer such as nn.Linear."
    )


@points(1)
def test_both_can_be_trained_and_saved(models, expect):
    """float32, with gradients, and in the state_dict."""
    for p in models.first.parameters:
        expect(f"requires_grad of {p.name}", p.array.requires_grad).equals(
            True, "A frozen parameter never learns."
        )
        expect(f"the dtype of {p.name}", p.array.dtype).equals(
            "float32", "PyTorch models compute in float32."
        )
        expect(f"{p.name} in the state_dict", p.in_state_dict).equals(
            True, "What isn't in there is not saved."
        )


@points(2)
def test_it_starts_at_random(models, given, expect):
    """Training has to find the answer from anywhere, so start anywhere."""
    first, other = values(models.first), values(models.other)
    same = [index for index, (a, b) in enumerate(zip(first, other, strict=False)) if a == b]
    names = " and ".join(models.first.parameters[index].name for index in same)
    found = ", ".join(f"{first[index]:.6g} and {other[index]:.6g}" for index in same)
    answers = given.line.weight, given.line.bias, 0.3, 0.9
    if models.first.next_random == models.other.next_random:
        means = "What PyTorch draws next is the same, too: is a seed set inside? It belongs to the caller."
    elif any(abs(first[index] - answer) < 1e-6 for index in same for answer in answers):
        means = "It starts at the answer, so there is nothing left to learn. `torch.randn` draws a start."
    else:
        means = "It is a constant: let `torch.randn` draw it, or a layer such as nn.Linear."
    expect(f"{names} under two different seeds", found).holds(not same, "two different numbers", means)


@points(1)
def test_a_seed_repeats_it(models, expect):
    """An experiment that can be repeated can be trusted."""
    first, again = values(models.first), values(models.again)
    means = "Let PyTorch draw it (torch.randn, torch.rand, a layer), and set no seed inside, from the clock neither."
    expect("the parameters, made twice under the same seed", (first, again)).holds(
        first == again, "the same", means
    )
    means = "The generator goes its own way afterwards: is a seed set inside? It belongs to the caller."
    expect("what PyTorch draws next", models.first.next_random).holds(
        models.first.next_random in drawn_under(models.first.seed),
        "what follows from the caller's seed",
        means,
    )


def drawn_under(seed):
    """What torch.rand may give under a seed, after so many other draws: its generator is NumPy's Mersenne Twister."""
    generator = np.random.MT19937()
    generator._legacy_seeding(seed)
    return (generator.random_raw(10_000) & 0xFFFFFF) * 2.0**-24


def values(built):
    return [float(p.array.flat()[0]) for p in built.parameters if p.array.flat().size]


@points(1)
def test_forward_keeps_the_shape(models, forward, expect):
    """(N, 1) in, (N, 1) out: one answer a row."""
    judge_shape(expect, forward)


@points(3)
def test_forward_is_weight_times_x_plus_bias(models, forward, expect):
    """Whatever numbers training puts into the two parameters."""
    wait_for_a_line(models, expect)
    judge_line(expect, forward)


@points(1)
def test_gradients_reach_both_parameters(models, forward, expect):
    """backward() follows the arithmetic of forward back to the parameters: nothing may cut it."""
    wait_for_a_line(models, expect)
    cut = (
        "Something in `forward` leaves PyTorch's arithmetic: `.data`, `.detach()`, `.item()`, NumPy, "
        "`torch.no_grad()`, or a new tensor made of the values."
    )
    if not all(p.array.requires_grad for p in models.first.parameters):
        cut = "A frozen parameter gets no gradient."
    if forward.gradients is None:
        expect("backward() through forward(x)", "impossible").equals("possible", cut)
        return
    right = line_of(forward) in (forward.put_in, forward.put_in[::-1])
    for parameter, gradient in zip(models.first.parameters, forward.gradients, strict=True):
        there = gradient is not None and (right or gradient != 0)
        means = cut if right else "It has no part in the answer: see the lesson before this one."
        found = "none" if gradient is None else gradient
        expect(f"the gradient of {parameter.name} after backward()", found).holds(there, "a number", means)
    if right and None not in forward.gradients:
        wanted = sorted([float(forward.x.flat().sum()), float(forward.x.flat().size)])
        expect("the gradients of the sum of the answers", sorted(forward.gradients)).close_to(
            wanted, cut, within=1e-4
        )


@points(2)
def test_forward_works_on_every_device(models, forward, forward_on_device, expect):
    """A tensor made inside forward lands on the CPU, wherever the model is."""
    for run in forward_on_device:
        if not judge_shape(expect, run):
            return
        means = "The answer must stay where the model is."
        there = expect.on_device(f"model(x) on {run.device}", run.returned.tensor, run.device, means)
        if there and is_a_line(models):
            answers, right = run.returned.tensor.flat(), forward.returned.tensor.flat()
            if line_of(forward) not in (forward.put_in, forward.put_in[::-1]):
                expect.waits_for("forward is weight times x plus bias")
            worst = int(np.abs(answers - right).argmax())
            call = f"model(x) on {run.device} for x = {run.x.flat()[worst]:.4g}"
            means = "On the CPU the same numbers give another answer."
            expect(call, float(answers[worst])).close_to(float(right[worst]), means)


def wait_for_a_line(models, expect):
    """These lessons put a number into each of the two parameters."""
    if not is_a_line(models):
        expect.waits_for("it registers one weight and one bias")


def judge_shape(expect, run):
    where = "" if run.device == "cpu" else f" on {run.device}"
    shape = run.returned.tensor.shape if run.returned.tensor else None
    if shape == run.x.shape[::-1]:
        means = "The answer lies on its side: rows must stay rows."
    elif shape == run.x.shape[:1]:
        means = "The column got lost: is there a `squeeze` or a `flatten` too many?"
    else:
        means = "Arithmetic on x gives one answer for each row, in its shape."
    return expect.tensor(f"model(x){where} for an x of shape {run.x.shape}", run.returned, run.x.shape, means)


def line_of(run):
    """(weight, bias) as the answers show them: the bias is that for x = 0, the weight how much more is that for x = 1."""
    at_zero, at_one = (seen.number for seen in run.at_zero_and_one)
    if at_zero is None or at_one is None:
        return None
    found = at_one - at_zero, at_zero
    return next(
        (pair for pair in (run.put_in, run.put_in[::-1]) if np.allclose(found, pair, atol=1e-5)), found
    )


def judge_line(expect, run):
    """One parameter times x, the other one added."""
    call = f"with {run.put_in[0]:g} and {run.put_in[1]:g} put into the parameters, model(x)"
    found = line_of(run)
    means = "Use each parameter once: one times x, one added, and nothing else."
    if expect(call, shown(found)).holds(
        found in (run.put_in, run.put_in[::-1]), f"{shown(run.put_in)}, or the other way round", means
    ):
        weight, bias = found
        x, y = run.x.flat(), run.returned.tensor.flat()
        worst = int(np.abs(y - (weight * x + bias)).argmax())
        expect(f"{call} for x = {x[worst]:.4g}", float(y[worst])).close_to(
            float(weight * x[worst] + bias), "The answers for 0 and 1 are on the line, this one is not."
        )


def shown(line):
    if line is None:
        return "no single number for x = 0 or for x = 1"
    return f"{line[0]:.4g} * x {'-' if line[1] < 0 else '+'} {abs(line[1]):.4g}"
