"""Exercise 3: training. A loss, an optimizer, and the loop around them, looked at step by step."""

import numpy as np
import pytest

from tests import oracle
from tests.harness.given import made_up_history
from tests.plots import judge_axes, judge_legend, judge_points

points = pytest.mark.points

# ── create_loss ──────────────────────────────────────────────────────────────────────────────────


@points(1)
def test_create_loss_returns_a_loss(loss, expect):
    """Something that takes predictions and targets and says how far apart they are, in one number."""
    means = "Make the loss and return it: a class has to be called, `nn.SomeLoss()`, before it can compare anything."
    expect("create_loss()", loss.returned.text).holds(loss.callable, "a loss that can be called", means)
    if loss.callable:
        number = loss.value.number is not None and loss.value.tensor is not None
        expect("create_loss()(predictions, y)", loss.value.text).holds(number, "a tensor with one number", means)


@points(2)
def test_the_loss_is_the_mean_absolute_error(loss, expect):
    """How far a prediction is off, on average."""
    off = loss.predictions.flat() - loss.targets.flat()
    others = {
        "That is the mean of the squares (MSE): large errors count for more there.": np.square(off).mean(),
        "That is the sum. The mean doesn't grow with the number of rows: leave `reduction` alone.": np.abs(off).sum(),
        "That is the sum of the squares.": np.square(off).sum(),
        "The errors may not cancel each other out: take their absolute values before the mean.": off.mean(),
        "That is SmoothL1 (or Huber): it squares small errors.": np.where(
            np.abs(off) < 1, off**2 / 2, np.abs(off) - 0.5
        ).mean(),
        "That is the root of the mean square.": np.sqrt(np.square(off).mean()),
    }
    value = loss.value.number
    means = oracle.diagnose_loss(value, others) or "Take the absolute errors and their mean: PyTorch calls it L1."
    right = float(np.abs(off).mean())
    if expect("create_loss()(predictions, y)", value).close_to(right, means):
        lost = "The number has no way back to the predictions (.item(), .detach()?), so nothing can learn from it."
        expect("backward() through the loss", loss.value.tensor.requires_grad).equals(True, lost)


# ── create_optimizer ─────────────────────────────────────────────────────────────────────────────


@points(1)
def test_create_optimizer_returns_an_optimizer(optimizer, expect):
    """It holds the parameters and moves them."""
    expect("create_optimizer(model)", optimizer.returned.text).holds(
        optimizer.is_optimizer, "a torch.optim.Optimizer", "Make it and return it."
    )


@points(2)
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
    want, at = [], optimizer.before
    for gradient in optimizer.gradients:
        at = tuple(p - 0.01 * g for p, g in zip(at, gradient, strict=True))
        want.append(at)
    steps = zip(("first", "second"), optimizer.after, want, strict=True)
    for name, found, right in steps:
        if not expect(f"(weight, bias) after the {name} step of create_optimizer(model)", found).close_to(
            right, what_optimizer(optimizer), within=1e-6
        ):
            return
    lr = optimizer.slow_lr
    right = tuple(p - lr * g for p, g in zip(optimizer.before, optimizer.gradients[0], strict=True))
    expect(f"(weight, bias) after a step of create_optimizer(model, lr={lr:g})", optimizer.slow_after).close_to(
        right, "Another learning rate was asked for: pass `lr` on.", within=1e-6
    )


def what_optimizer(seen):
    """What the optimizer is, if not plain SGD with 0.01."""
    if seen.kind != "SGD":
        return f"That is {seen.kind}. Here it shall be plain stochastic gradient descent, torch.optim.SGD."
    odd = [k for k in ("momentum", "weight_decay", "dampening", "nesterov", "maximize") if seen.settings.get(k)]
    if odd:
        return f"Plain SGD has no {odd[0]}: leave `{odd[0]}` out."
    lr = seen.settings.get("lr", 0.0)
    if lr != 0.01:
        return f"Its learning rate is {lr:g}, and shall be 0.01 by default: is `lr` passed on to SGD, whose own default is 0.001?"
    return "new = old - lr * gradient"


# ── train: one long run on a model, a loss and an optimizer of ours ──────────────────────────────


@points(1)
def test_train_steps_and_returns_its_history(full_run, expect):
    """A model that has moved, and a dictionary of three lists."""
    judge_history(expect, full_run)
    means = "Is `optimizer.step()` called, with its parentheses, once an epoch?"
    if not full_run.steps and full_run.end != full_run.start:
        means = "The parameters moved all the same: use the optimizer that train() is given, don't make another."
    steps = f"called {len(full_run.steps)} times"
    expect("optimizer.step() in train(…)", steps).holds(bool(full_run.steps), f"{full_run.epochs} times", means)


@points(1)
def test_every_epoch_takes_one_step(full_run, expect):
    """An epoch is one look at all the training rows, and one step."""
    run = full_run
    for name, right in (("epochs", "300"), ("eval_every", "20")):
        default = run.defaults.get(name, right)
        expect(f"the default of `{name}` in train(…)", default).equals(right, "Keep the defaults of the stub.")
    more = len(run.steps) - run.epochs
    means = "range(epochs) runs from 0 to epochs - 1: that is `epochs` times." if abs(more) == 1 else "Is `epochs` used?"
    call = f"steps taken by train(…, epochs={run.epochs})"
    expect(call, len(run.steps)).equals(run.epochs, means)


@points(1)
def test_the_loss_given_compares_rows_with_rows(full_run, expect):
    """(N, 1) against (N,) is no error to PyTorch: it compares every row with every other."""
    called = f"called {len(full_run.losses)} times"
    another = "Call the `loss_fn` that train() is given, don't make another."
    expect("loss_fn(…) in train(…)", called).holds(bool(full_run.losses), "called in every epoch", another)
    odd = next((call for call in full_run.losses if call.prediction != call.target), None)
    if odd:
        n = max(odd.prediction[:1] + odd.target[:1])
        shapes = f"predictions of shape {odd.prediction} and y of shape {odd.target}"
        means = f"PyTorch stretches both to ({n}, {n}). Leave the shapes as they are: no squeeze, no flatten."
        expect("loss_fn(…) is called with", shapes).holds(False, "two tensors of the same shape", means)


@points(1)
def test_only_the_training_rows_are_learned_from(full_run, given, expect):
    """The test rows are for testing. All the training rows go in at once."""
    known = {given.train()[0].tobytes(): "X_train", given.test()[0].tobytes(): "X_test"}
    targets = {given.train()[1].tobytes(), given.test()[1].tobytes()}
    for rows in full_run.inputs:
        if rows.data not in known:
            means = (
                "Those are the targets y: the model is to find them from X."
                if rows.data in targets
                else "Give it X_train as it is to learn from, and X_test as it is to be tested."
            )
            expect("train(…) called the model with", f"{rows.shape[:1][0] if rows.shape else 1} other rows").holds(
                False, "the rows of X_train, or those of X_test", means
            )
    idle = sum(1 for step in range(len(full_run.steps)) if not trained_on(full_run, step, known, "X_train"))
    expect("steps without a forward pass over X_train before them", idle).equals(0, "Predict y from X_train first.")


def trained_on(run, step, known, name):
    """The forward passes with gradients, over these rows, between a step and the one before it."""
    passes = forwards_by_step(run).get(step, [])
    return [f for f in passes if f.grad and known.get(run.inputs[f.input].data) == name]


def forwards_by_step(run):
    found = {}
    for forward in run.forwards:
        found.setdefault(forward.after_steps, []).append(forward)
    return found


@points(2)
def test_the_gradient_is_right_at_every_step(full_run, given, expect):
    """Forward, loss, clear the old gradient, backward, step: in this order, every time."""
    run, (x, y) = full_run, given.train()
    means = oracle.diagnose(run.trace(), given.train(), given.test(), given.lr)
    for number, step in enumerate(run.steps):
        right = oracle.gradient(step.before, x, y)
        ok = oracle.gradient_is_right(step.gradient, step.before, x, y)
        if not ok:
            said = means or what_gradient(step)
            call = f"the gradient (weight, bias) at step {number}"
            expect(call, step.gradient).holds(False, f"({right.weight:.6g}, {right.bias:.6g})", said)
            return
    for number in oracle.wrong_steps(run.trace(), x, y, given.lr)[:1]:
        moved = [a - b for a, b in zip(run.trace()[number + 1], run.trace()[number], strict=True)]
        call = f"the move of (weight, bias) in step {number}"
        means = means or "Between the steps, something else changes the parameters or the learning rate."
        right = oracle.gradient(run.trace()[number], x, y)
        wanted = (-given.lr * right.weight, -given.lr * right.bias)
        expect(call, tuple(moved)).holds(False, f"({wanted[0]:.6g}, {wanted[1]:.6g}), which is -lr * gradient", means)


def what_gradient(step):
    if step.backwards == 0:
        return "No backward() since the last step: is `loss.backward()` there, with its parentheses, before the step?"
    if step.backwards > 1:
        return f"backward() ran {step.backwards} times before this step, and gradients add up."
    return "It isn't the gradient of loss_fn(model(X_train), y_train) at this point."


@points(1)
def test_train_mode_to_learn_and_eval_mode_to_test(full_run, given, expect):
    """Layers such as dropout behave differently in the two modes. Say which one you are in."""
    tested = given.test()[0].tobytes()
    for forward in full_run.forwards:
        testing = full_run.inputs[forward.input].data == tested
        if testing and forward.training:
            means = "Call `model.eval()` before the test pass."
            called = f"the model while it is tested, after {forward.after_steps} steps"
            expect(called, "in train mode").holds(False, "in eval mode", means)
            return
        if not testing and not forward.training and forward.grad:
            late = "model.eval() holds until `model.train()` is called: call it at the start of every epoch."
            means = late if forward.after_steps else "Call `model.train()` before the forward pass, `model.eval()` to test."
            called = f"the model while it learns, after {forward.after_steps} steps"
            expect(called, "in eval mode").holds(False, "in train mode", means)
            return


@points(1)
def test_testing_records_no_gradients(full_run, given, expect):
    """A test pass must not cost memory for gradients that nobody wants."""
    tested = given.test()[0].tobytes()
    recording = sum(1 for f in full_run.forwards if f.grad and full_run.inputs[f.input].data == tested)
    expect("test passes that recorded gradients", recording).equals(
        0, "Wrap the test pass: `with torch.inference_mode():`, the forward pass included."
    )


@points(1)
def test_the_history_has_the_right_epochs(full_run, expect):
    """0, 20, 40, …: every `eval_every` epochs, counted from 0."""
    judge_epochs(expect, full_run)


@points(1)
def test_the_losses_are_plain_numbers(full_run, expect):
    """A loss tensor keeps its whole computation in memory. `.item()` is the number alone."""
    for name in ("train_loss", "test_loss"):
        types = ", ".join(full_run.history.columns[name].types)
        expect(f'the types in history["{name}"]', types).holds(
            set(types.split(", ")) <= {"float", "int"}, "float", "Append `loss.item()`, not the tensor."
        )


@points(1)
def test_train_loss_is_from_before_the_step(full_run, given, expect):
    """The forward pass of epoch e comes before its step, and so does its loss."""
    judge_losses(expect, full_run, given, "train_loss")


@points(1)
def test_test_loss_is_from_after_the_step(full_run, given, expect):
    """First learn, then be tested."""
    judge_losses(expect, full_run, given, "test_loss")


@points(1)
def test_training_arrives_at_the_line(full_run, given, expect):
    """From this start, a right loop ends with test predictions that are off by less than 0.05."""
    off = oracle.mean_absolute_error(full_run.end, *given.test())
    expect(f"the mean error on the test rows after train(…, epochs={full_run.epochs})", off).holds(
        off < 0.05, "less than 0.05", "It does not get there. The lessons above this one say why."
    )


# ── train: other runs ────────────────────────────────────────────────────────────────────────────


@points(1)
def test_other_epochs_make_another_history(short_run, no_epochs, expect):
    """Nothing that train() is given may be written down inside it."""
    for run in (short_run, no_epochs):
        call = f"train(…, epochs={run.epochs}, eval_every={run.eval_every})"
        if judge_history(expect, run):
            judge_epochs(expect, run)
            expect(f"steps taken by {call}", len(run.steps)).equals(run.epochs, "Is `epochs` used?")


@points(1)
def test_the_loss_and_the_optimizer_given_are_used(short_run, given, expect):
    """Here train() is given a mean squared error, and an optimizer with momentum."""
    x, y = given.train()
    for number, step in enumerate(short_run.steps):
        right = oracle.gradient(step.before, x, y, loss="mse")
        if not oracle.gradient_is_right(step.gradient, step.before, x, y, loss="mse"):
            l1 = oracle.gradient_is_right(step.gradient, step.before, x, y)
            means = "That is the gradient of the mean absolute error: use the loss_fn that is given." if l1 else ""
            called = f"with loss_fn=nn.MSELoss(), the gradient (weight, bias) at step {number}"
            expect(called, step.gradient).holds(False, f"({right.weight:.6g}, {right.bias:.6g})", means)
            return


@points(1)
def test_train_moves_the_data_to_the_model(device_run, given, expect):
    """The model may be on a GPU while the data is still on the CPU."""
    x, y = given.train()
    for run in device_run:
        if judge_history(expect, run, f" with the model on {run.device}"):
            right = all(oracle.gradient_is_right(s.gradient, s.before, x, y) for s in run.steps)
            found = f"{len(run.steps)} steps, {'right' if right else 'and wrong gradients'}"
            expect(f"train(…, epochs={run.epochs}) on {run.device}", found).equals(f"{run.epochs} steps, right")


# ── plot_loss_curves ─────────────────────────────────────────────────────────────────────────────


@points(1)
def test_both_loss_curves_are_on_the_plot(loss_plot, given, expect):
    """Two curves over the epochs: one that falls while the other rises tells of learning by heart."""
    judge_axes(expect, "plot_loss_curves(history)", loss_plot)
    if loss_plot.is_axes:
        judge_points(expect, "plot_loss_curves(history)", loss_plot, curves(given))
        judge_legend(expect, "plot_loss_curves(history)", loss_plot)


def curves(given):
    history = made_up_history(given)
    epochs = np.array(history["epoch"], dtype=float)
    return {name: (epochs, np.array(history[f"{name}_loss"])) for name in ("train", "test")}


# ── what several of these lessons ask ────────────────────────────────────────────────────────────

KEYS = ("epoch", "train_loss", "test_loss")


def judge_history(expect, run, where=""):
    """A dictionary with the three lists."""
    call = f"train(…, epochs={run.epochs}, eval_every={run.eval_every}){where}"
    wanted = 'a dict with the lists "epoch", "train_loss", "test_loss"'
    if run.history is None:
        means = "Does the function end without `return history`?" if run.returned.type == "NoneType" else ""
        return expect(call, run.returned.text).holds(False, wanted, means)
    missing = [key for key in KEYS if key not in run.history.columns]
    if missing:
        return expect(f"the keys of what {call} returned", list(run.history.columns)).holds(False, wanted)
    odd = [key for key in KEYS if run.history.columns[key].type not in ("list", "tuple")]
    for key in odd:
        expect(f'history["{key}"] of {call}', run.history.columns[key].type).equals("list", "One entry for each test.")
    return not odd


def judge_epochs(expect, run):
    """One entry for each e in range(0, epochs, eval_every), in all three lists."""
    right = list(range(0, run.epochs, run.eval_every))
    epochs = list(run.history.columns["epoch"].numbers)
    call = f"of train(…, epochs={run.epochs}, eval_every={run.eval_every})"
    if epochs == [*right, run.epochs - 1]:
        means = "The last epoch is one too many: it is recorded only when eval_every divides it."
    elif epochs == list(range(run.epochs)) and run.eval_every > 1:
        means = "Every epoch is recorded. Record only when `epoch % eval_every == 0`."
    elif [None if e is None else e - 1 for e in epochs] == right:
        means = "They are counted from 1. Epochs count from 0, as range does."
    else:
        means = "Record epoch e when `e % eval_every == 0`."
    if expect(f'history["epoch"] {call}', epochs).equals(right, means):
        for key in KEYS[1:]:
            entries = len(run.history.columns[key].numbers)
            expect(f'the number of entries in history["{key}"] {call}', entries).equals(len(right))


def judge_losses(expect, run, given, key):
    """Every recorded loss, against the loss at the student's own parameters."""
    trace, train, test = run.trace(), given.train(), given.test()
    epochs, losses = (run.history.columns[k].numbers for k in ("epoch", key))
    for epoch, found in zip(epochs, losses, strict=False):
        if epoch is None or found is None or not 0 <= epoch < len(run.steps):
            continue
        before, after = trace[int(epoch)], trace[int(epoch) + 1]
        at, rows = (before, train) if key == "train_loss" else (after, test)
        if oracle.loss_is_right(found, at, *rows):
            continue
        candidates = {
            "It is the loss on the training rows before the step.": oracle.mean_absolute_error(before, *train),
            "It is the loss on the training rows after the step.": oracle.mean_absolute_error(after, *train),
            "It is the loss on the test rows before the step: test after `optimizer.step()`.": (
                oracle.mean_absolute_error(before, *test)
            ),
            "It is the loss on the test rows.": oracle.mean_absolute_error(after, *test),
        }
        means = oracle.diagnose_loss(found, candidates) or "It is the loss of something else, or of another moment."
        right = oracle.mean_absolute_error(at, *rows)
        expect(f'history["{key}"] at epoch {int(epoch)}', found).holds(False, f"{right:.6g}", means)
        return
