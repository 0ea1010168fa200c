"""Exercise 3: training. A loss, an optimizer, and the loop around them, looked at step by step."""

import numpy as np
import pytest

from tests import oracle
from tests.harness.given import made_up_history
from tests.loops import (
    judge_epochs,
    judge_history,
    judge_losses,
    name_of,
    rows_seen,
    what_gradient,
    what_loss,
    what_optimizer,
    what_steps,
)
from tests.plots import judge_axes, judge_legend, judge_points

points = pytest.mark.points

# ── create_loss ──────────────────────────────────────────────────────────────────────────────────


@points(1)
def test_create_loss_returns_a_loss(loss, expect):
    """Something that takes predictions and targets and says how far apart they are, in one number."""
    means = "Make the loss and return it: a class has to be called, `nn.SomeLoss()`, before it can compare anything."
    value, call = loss.value, "create_loss()(predictions, y)"
    if not expect("create_loss()", loss.returned.text).holds(value is not None, "a loss", means):
        return
    means = "The loss has to stay a tensor: a plain number has no way back to the parameters."
    if expect(call, value.text).holds(value.tensor is not None, "a tensor", means):
        means = "One number for all rows together is needed: their mean. Leave `reduction` alone."
        expect(call, value.text).holds(value.number is not None, "a tensor with one number", means)


@points(1)
def test_the_loss_is_the_mean_absolute_error(loss, expect):
    """How far a prediction is off, on average."""
    off, value = loss.predictions.flat() - loss.targets.flat(), loss.value.number
    call, right = "create_loss()(predictions, y)", float(np.abs(off).mean())
    if expect(call, value).close_to(right, what_loss(value, off)):
        way, wanted = loss.value.tensor.requires_grad, "a number that goes back to the predictions"
        means = "No gradient can come from it: was it detached, or made anew?"
        expect(call, "a number on its own").holds(way, wanted, means)


# ── create_optimizer ─────────────────────────────────────────────────────────────────────────────


@points(1)
def test_create_optimizer_returns_an_optimizer(optimizer, expect):
    """It holds the parameters and moves them."""
    found = optimizer.returned
    means = "The function ends without `return`." if found.type == "NoneType" else "Make one, and return it."
    if found.text.startswith("<class"):
        means = "That is the class. Call it, with the parameters and the learning rate, to make an optimizer."
    call, wanted = "create_optimizer(model)", "a torch.optim.Optimizer"
    expect(call, found.text).holds(optimizer.is_optimizer, wanted, means)


@points(1)
def test_it_moves_every_parameter_of_this_model(optimizer, expect):
    """An optimizer over another model's parameters steps faithfully, and nothing here moves."""
    moved = [a != b for a, b in zip(optimizer.before, optimizer.after[0], strict=True)]
    if not any(moved):
        means = "Neither moved. It was given the parameters of another model: use those of the `model` you are handed."
    else:
        means = f"Only the {'weight' if moved[0] else 'bias'} moved: give it all of `model.parameters()`."
    moving = " and ".join(name for name, m in zip(("weight", "bias"), moved, strict=True) if m) or "nothing"
    expect("one step of create_optimizer(model) moves", moving).equals("weight and bias", means)


@points(2)
def test_it_is_plain_sgd_with_the_learning_rate(optimizer, expect):
    """new = old - lr * gradient. Nothing else."""
    at = optimizer.before
    for which, gradient, found in zip(("first", "second"), optimizer.gradients, optimizer.after, strict=True):
        at = tuple(p - 0.01 * g for p, g in zip(at, gradient, strict=True))
        call = f"(weight, bias) after the {which} step of create_optimizer(model)"
        if not expect(call, found).close_to(at, what_optimizer(optimizer), within=1e-6):
            return
    lr, gradient = optimizer.slow_lr, optimizer.gradients[0]
    right = tuple(p - lr * g for p, g in zip(optimizer.before, gradient, strict=True))
    call = f"(weight, bias) after a step of create_optimizer(model, lr={lr:g})"
    means = "Another learning rate was asked for, and not used: pass `lr` on."
    expect(call, optimizer.slow_after).close_to(right, means, within=1e-6)


# ── train: a long run with an L1 loss, a short one with another loss and another optimizer ───────


@points(1)
def test_train_steps_and_returns_its_history(full_run, expect):
    """A model that has moved, and a dictionary of three lists."""
    judge_history(expect, full_run)
    means = "Is `optimizer.step()` called, with its parentheses, once an epoch?"
    if not full_run.steps and full_run.end != full_run.start:
        means = "The parameters moved all the same: use the optimizer that train() is given, make no other."
    steps, wanted = f"called {len(full_run.steps)} times", f"{full_run.epochs} times"
    expect("optimizer.step() in train(…)", steps).holds(bool(full_run.steps), wanted, means)


@points(1)
def test_the_loss_given_compares_rows_with_rows(full_run, expect):
    """(N, 1) against (N,) is no error to PyTorch: it compares every row with every other."""
    another = "Call the `loss_fn` that train() is given, don't make another."
    called = f"called {len(full_run.losses)} times"
    expect("loss_fn(…) in train(…)", called).holds(bool(full_run.losses), "called in every epoch", another)
    odd = next((call for call in full_run.losses if call.prediction != call.target), None)
    if odd:
        n = max(odd.prediction[:1] + odd.target[:1])
        shapes = f"predictions of shape {odd.prediction} and y of shape {odd.target}"
        means = f"PyTorch stretches both to ({n}, {n}). Leave the shapes as they are: no squeeze, no flatten."
        expect("loss_fn(…) is called with", shapes).holds(False, "two tensors of the same shape", means)


@points(1)
def test_the_optimizer_given_makes_every_move(full_run, short_run, given, expect):
    """Step by step, the parameters go where it takes them. Its learning rate and its momentum are the caller's."""
    for run, lr, momentum in ((full_run, given.lr, 0.0), (short_run, given.short_lr, given.short_momentum)):
        where = f"with SGD(lr={lr:g}{f', momentum={momentum:g}' if momentum else ''})"
        velocity = np.zeros(2)
        first = run.steps[0].before if run.steps else run.end
        means = "The parameters were changed before the first step. Go on from where they are: don't start afresh."
        call = f"{where}, (weight, bias) at the first step of train(…)"
        if not expect(call, first).equals(run.start, means):
            return
        for number, (step, after) in enumerate(zip(run.steps, run.trace()[1:], strict=True)):
            if None not in step.gradient:
                velocity = momentum * velocity + step.gradient
                right = tuple((step.before - lr * velocity).tolist())
                means = "Something besides `optimizer.step()` changes the parameters, or the optimizer's settings."
                call = f"{where}, (weight, bias) after step {number} of train(…)"
                if not expect(call, after).close_to(right, means, within=3e-7):
                    return


@points(1)
def test_every_epoch_takes_one_step(full_run, short_run, expect):
    """An epoch is one look at all the training rows, and one step. How many there are, the caller says."""
    for name, right in (("epochs", "300"), ("eval_every", "20")):
        call, default = f"the default of `{name}` in train(…)", full_run.defaults.get(name, right)
        expect(call, default).equals(right, "Keep the defaults of the stub.")
    fixed = len(full_run.steps) == len(short_run.steps) > short_run.epochs
    for run in (full_run, short_run):
        means = "The same number, whatever `epochs` says: is a number written into the loop?"
        means = means if fixed else what_steps(len(run.steps), run.epochs)
        if not expect(f"steps taken by {name_of(run)}", len(run.steps)).equals(run.epochs, means):
            return


@points(1)
@pytest.mark.usefixtures("full_run")  # only asked of a train() that works at all
def test_no_epochs_leave_everything_as_it_was(no_epochs, expect):
    """`train(…, epochs=0)` is a call like any other: no step, three empty lists, no exception."""
    if judge_history(expect, no_epochs):
        judge_epochs(expect, no_epochs)
        call = f"(weight, bias) after {name_of(no_epochs)}"
        expect(call, no_epochs.end).equals(no_epochs.start, "Without an epoch there is nothing to step for.")


@points(1)
def test_only_the_training_rows_are_learned_from(full_run, given, expect):
    """The test rows are for testing. All the training rows go in at once."""
    rows = rows_seen(full_run, given)
    wrong = {
        "the targets y": "The model is to find y from X: give it X, and compare its answer with y.",
        "the targets of the test": "The model is to find y from X: give it X_test.",
        "the training and the test rows": "A model that has seen the test rows can't be tested on them.",
        "other rows": "Give it X_train as it is to learn from, and X_test as it is to be tested.",
        "nothing": "The model that train() is given has to predict: no copy of it, and no other one.",
    }
    odd = next((name for name in rows or ["nothing"] if name in wrong), None)
    if odd:
        wanted = "X_train to learn from, X_test to be tested"
        expect("train(…) called the model with", odd).holds(False, wanted, wrong[odd])
        return
    learned = {(forward.after_steps, rows[forward.input]) for forward in full_run.forwards if forward.grad}
    idle = [step for step in range(len(full_run.steps)) if (step, "X_train") not in learned]
    on_test = idle and (idle[0], "X_test") in learned
    means = "It learns from X_test, which is for testing." if on_test else "Predict y from X_train first."
    expect("steps without a forward pass over X_train before them", len(idle)).equals(0, means)


@points(4)
def test_the_gradient_is_right_at_every_step(full_run, short_run, given, expect):
    """Forward, loss, clear the old gradient, backward, step: in this order, every time."""
    x, y = given.train()
    for run, name, loss in ((full_run, "nn.L1Loss()", "l1"), (short_run, "nn.MSELoss()", "mse")):
        gradients = [step.gradient for step in run.steps]
        for number in oracle.wrong_gradients(gradients, run.trace()[:-1], x, y, loss)[:1]:
            step = run.steps[number]
            right = oracle.gradient(step.before, x, y, loss)
            call = f"with {name}, the gradient (weight, bias) at step {number} of train(…)"
            means = what_gradient(run, step, given)
            expect(call, step.gradient).holds(False, f"({right.weight:.6g}, {right.bias:.6g})", means)
            return


@points(1)
def test_train_mode_to_learn_and_eval_mode_to_test(full_run, given, expect):
    """Layers such as dropout behave differently in the two modes. Say which one you are in."""
    rows = rows_seen(full_run, given)
    for forward in full_run.forwards:
        testing = rows[forward.input] == "X_test"
        if testing and forward.training:
            means = "Call `model.eval()` before the test pass."
            call = f"the model while it is tested, after {forward.after_steps} steps"
            expect(call, "in train mode").holds(False, "in eval mode", means)
            return
        if not testing and not forward.training and forward.grad:
            means = "Call `model.train()` before the forward pass, and `model.eval()` only to test."
            if forward.after_steps:
                means = "`model.eval()` holds until `model.train()` is called: call it in every epoch."
            call = f"the model while it learns, after {forward.after_steps} steps"
            expect(call, "in eval mode").holds(False, "in train mode", means)
            return


@points(1)
def test_testing_records_no_gradients(full_run, given, expect):
    """A test pass must not cost memory for gradients that nobody wants."""
    rows = rows_seen(full_run, given)
    tests = [forward for forward in full_run.forwards if rows[forward.input] == "X_test"]
    means = "Wrap the test pass: `with torch.inference_mode():`, the forward pass included."
    expect("test passes that recorded gradients", sum(test.grad for test in tests)).equals(0, means)


@points(1)
def test_the_history_has_the_right_epochs(full_run, short_run, expect):
    """0, 20, 40, …: every `eval_every` epochs, counted from 0."""
    for run in (full_run, short_run):
        if not (judge_history(expect, run) and judge_epochs(expect, run)):
            return


@points(1)
def test_the_losses_are_plain_numbers(full_run, expect):
    """A loss tensor keeps its whole computation in memory. `.item()` is the number alone."""
    for name in ("train_loss", "test_loss"):
        types = full_run.history.columns[name].types
        plain = set(types) <= {"float", "int", "float32", "float64"}  # NumPy's are plain numbers too
        means = "Append `loss.item()`, not the tensor."
        expect(f'the types in history["{name}"]', ", ".join(types)).holds(plain, "float", means)


@points(1)
def test_train_loss_is_from_before_the_step(full_run, short_run, given, expect):
    """The forward pass of epoch e comes before its step, and so does its loss."""
    if judge_losses(expect, full_run, given, "train_loss"):
        judge_losses(expect, short_run, given, "train_loss", loss="mse")


@points(1)
def test_test_loss_is_from_after_the_step(full_run, short_run, given, expect):
    """First learn, then be tested."""
    if judge_losses(expect, full_run, given, "test_loss"):
        judge_losses(expect, short_run, given, "test_loss", loss="mse")


@points(1)
def test_train_moves_the_data_to_the_model(full_run, device_run, expect):
    """The model may be on a GPU while the data is still on the CPU. The data follows, the steps stay the same."""
    for run in device_run:
        call, lie = name_of(run), ", ".join(sorted({rows.device for rows in run.inputs})) or "nowhere"
        means = "Move the data to the model, not the model to the data: `next(model.parameters())` knows where it is."
        data = expect(f"the device of the data in {call}", lie)
        if data.equals(run.device, means) and judge_history(expect, run):
            steps = min(max(1, len(run.steps)), len(full_run.steps))
            found, right = run.trace()[: steps + 1][-1], full_run.trace()[steps]
            means = "On the CPU the same steps lead there."
            expect(f"(weight, bias) after {steps} steps of {call}", found).close_to(right, means, within=1e-3)


@points(1)
def test_training_arrives_at_the_line(full_run, given, expect):
    """From this start, a right loop ends with test predictions that are off by less than 0.05."""
    off = oracle.mean_absolute_error(full_run.end, *given.test())
    call = f"the mean error on the test rows after {name_of(full_run)}"
    expect(call, off).holds(off < 0.05, "less than 0.05", "The lessons above this one say why.")


# ── plot_loss_curves ─────────────────────────────────────────────────────────────────────────────


@points(1)
def test_both_loss_curves_are_on_the_plot(loss_plot, given, expect):
    """Two curves over the epochs: one that falls while the other rises tells of learning by heart."""
    history, call = made_up_history(given), "plot_loss_curves(history)"
    epochs = np.array(history["epoch"], dtype=float)
    curves = {name: (epochs, np.array(history[f"{name}_loss"])) for name in ("train", "test")}
    if judge_axes(expect, call, loss_plot) and judge_points(expect, call, loss_plot, curves):
        judge_legend(expect, call, loss_plot)
