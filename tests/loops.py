"""What exercise 3 asks of a training and its history, and the words for what is wrong with them."""

import itertools

import numpy as np

from tests import oracle

KEYS = ("epoch", "train_loss", "test_loss")
WHEN = {
    "train_loss": "Record what the forward pass of this epoch gave, before the step.",
    "test_loss": "Record what the model makes of X_test when the step is done.",
}


def name_of(run):
    where = "" if run.device == "cpu" else f" with the model on {run.device}"
    return f"train(…, epochs={run.epochs}, eval_every={run.eval_every}){where}"


# ── the loss and the optimizer ───────────────────────────────────────────────────────────────────


def what_loss(value, off):
    """Which loss it is, when predictions are off by so much, if not the mean absolute error."""
    size = np.abs(off)
    smooth = np.where(size < 1, off**2 / 2, size - 0.5)
    others = {
        "That is the mean of the squares (MSE): large errors count for more there.": np.square(off).mean(),
        "That is the sum. The mean doesn't grow with the number of rows: leave `reduction` alone.": size.sum(),
        "That is the sum of the squares.": np.square(off).sum(),
        "The errors may not cancel each other out: take their absolute values before the mean.": off.mean(),
        "That is SmoothL1 (or Huber): it squares small errors.": smooth.mean(),
        "That is the root of the mean square.": np.sqrt(np.square(off).mean()),
    }
    return (
        oracle.diagnose_loss(value, others) or "Take the absolute errors and their mean: PyTorch calls it L1."
    )


def what_optimizer(seen):
    """What the optimizer is, if not plain SGD with 0.01."""
    if seen.kind != "SGD":
        return f"That is {seen.kind}. Here it shall be plain stochastic gradient descent, torch.optim.SGD."
    extras = "momentum", "weight_decay", "dampening", "nesterov", "maximize"
    odd = [name for name in extras if seen.settings.get(name)]
    if odd:
        return f"Plain SGD has no {odd[0]}: leave `{odd[0]}` out."
    lr = seen.settings.get("lr", 0.0)
    means = (
        "is `lr` passed on to SGD, whose own default is 0.001?" if lr == 0.001 else "keep the stub's default."
    )
    return f"Its learning rate is {lr:g}, and shall be 0.01 when none is asked for: {means}"


# ── the loop ─────────────────────────────────────────────────────────────────────────────────────


def what_steps(steps, epochs):
    """Why there are more or fewer steps than epochs."""
    if abs(steps - epochs) == 1:
        return "range(epochs) counts from 0 to epochs - 1: that is `epochs` times."
    if steps < epochs:
        return "The loop ends early. Is there a `return` inside it (look at the indentation), or a `break`?"
    if steps % epochs == 0:
        return f"That is {steps // epochs} steps an epoch. All the training rows go in at once: no batches, one step."
    return "Is `epochs` used, and nothing else?"


def what_gradient(run, step, given):
    """Why a step found a wrong gradient."""
    if not any(s.backwards for s in run.steps):
        return "Nothing went backward: is `backward()` called, with its parentheses, on the loss of the training rows?"
    if step.backwards == 0:
        return "No backward() came before this step: it makes the gradient that `step()` uses, so it comes first."
    if step.gradient in ((None, None), (0.0, 0.0)):
        return "backward() made a gradient, and it was cleared before the step could use it: clear before backward."
    if step.backwards > 1:
        return f"backward() ran {step.backwards} times before this step, and gradients add up: once is right."
    known = oracle.diagnose(run.trace(), given.train(), given.test(), given.lr)
    if known:
        return known
    return (
        "It isn't the gradient of loss_fn(model(X_train), y_train). "
        "Does every x meet its own y? Is the gradient cleared in every epoch, and left alone after that?"
    )


def rows_seen(run, given):
    """The name of every input that the model got, in the order of run.inputs. The order of its rows is free."""
    (X_train, y_train), (X_test, y_test) = given.train(), given.test()
    names = {
        "X_train": X_train,
        "X_test": X_test,
        "the targets y": y_train,
        "the targets of the test": y_test,
        "the training and the test rows": np.concatenate([X_train, X_test]),
    }
    names = {np.sort(values).astype(float).tobytes(): name for name, values in names.items()}
    return [names.get(np.sort(rows.flat()).tobytes(), "other rows") for rows in run.inputs]


# ── the history ──────────────────────────────────────────────────────────────────────────────────


def judge_history(expect, run):
    """A dictionary with the three lists."""
    wanted = 'a dict with the lists "epoch", "train_loss", "test_loss"'
    if run.history is None:
        means = {
            "NoneType": "The function ends without `return`, so its caller gets None.",
            "tuple": "Return the history alone: the model was changed in place, and its owner has it already.",
            "list": "One list says too little: a dict gives each of the three its name.",
        }
        said = means.get(run.returned.type, "Return the dict.")
        return expect(name_of(run), run.returned.text).holds(False, wanted, said)
    if not set(KEYS) <= set(run.history.columns):
        keys = ", ".join(f'"{key}"' for key in run.history.columns) or "none"
        means = "Spell the three as they are spelt here: plot_loss_curves looks them up by these names."
        return expect(f"the keys of what {name_of(run)} returned", keys).holds(False, wanted, means)
    odd = [key for key in KEYS if run.history.columns[key].type not in ("list", "tuple")]
    for key in odd:
        call = f'history["{key}"] of {name_of(run)}'
        means = "Begin with an empty list, and append a number for each epoch that is recorded."
        expect(call, run.history.columns[key].type).equals("list", means)
    return not odd


def judge_epochs(expect, run):
    """One entry for each e in range(0, epochs, eval_every), in all three lists.

    That a loop is too long or too short is another lesson: here it may go by the epochs that it took.
    """
    right, taken = (list(range(0, n, run.eval_every)) for n in (run.epochs, len(run.steps)))
    epochs = list(run.history.columns["epoch"].numbers)
    if epochs != taken:
        call = f'history["epoch"] of {name_of(run)}'
        if not expect(call, epochs).equals(right, what_epochs(epochs, right, run)):
            return False
    lengths = [len(run.history.columns[key].numbers) for key in KEYS]
    means = "Append to all three lists together, once for each epoch that is recorded."
    return expect(f"the lengths of the three lists of {name_of(run)}", lengths).equals(3 * lengths[:1], means)


def what_epochs(epochs, right, run):
    """Which other epochs these are."""
    every = run.eval_every
    if epochs == [*right, run.epochs - 1]:
        return "The last epoch is one too many: it is recorded only when eval_every divides it."
    if epochs == list(range(run.epochs)):
        return "That is every epoch. Record only those that `eval_every` divides: `%` gives the remainder."
    if epochs in ([e + 1 for e in right], list(range(every, run.epochs + 1, every))):
        return "Epochs are counted from 0 here, as range() does: the first one that is recorded is 0."
    if epochs == right[1:]:
        return "Epoch 0 is missing: eval_every divides 0 as well."
    if len(epochs) > len(right) and epochs[len(epochs) - len(right) :] == right:
        return "The lists hold the entries of an earlier call too: make new ones inside train()."
    if len(epochs) > 1 and None not in epochs:
        apart = {b - a for a, b in itertools.pairwise(epochs)}
        if len(apart) == 1 and apart != {every}:
            return f"They are {apart.pop():g} apart, not {every}: is `eval_every` used?"
    return "Record epoch e when `e % eval_every == 0`."


def judge_losses(expect, run, given, key, loss="l1"):
    """Every recorded loss, against the "l1" or "mse" loss at the student's own parameters."""
    trace, train, test = run.trace(), given.train(), given.test()
    epochs, losses = (run.history.columns[k].numbers for k in ("epoch", key))
    for epoch, found in zip(epochs, losses, strict=False):
        if found is None:
            call = f'history["{key}"] of {name_of(run)}'
            expect(call, "no number").holds(False, "plain numbers", "Append `loss.item()`.")
            return False
        if epoch is None or not 0 <= epoch < len(run.steps):
            continue
        before, after = trace[int(epoch)], trace[int(epoch) + 1]
        at, rows = (before, train) if key == "train_loss" else (after, test)
        if not oracle.loss_is_right(found, at, *rows, loss):
            given_loss = {"l1": "nn.L1Loss()", "mse": "nn.MSELoss()"}[loss]
            call = f'with {given_loss}, history["{key}"] at epoch {int(epoch)} of {name_of(run)}'
            right = mean_error(at, *rows, loss)
            means = what_recorded(found, right, trace[: int(epoch) + 2], train, test, loss)
            if loss == "mse" and oracle.loss_is_right(found, at, *rows):
                means = "That is the mean absolute error: use the loss_fn that train() is given."
            expect(call, found).holds(False, f"{right:.6g}", f"{means} {WHEN[key]}")
            return False
    return True


def mean_error(at, x, y, loss):
    power = {"l1": 1, "mse": 2}[loss]
    return float((np.abs(at[0] * x.astype(float) + at[1] - y) ** power).mean())


def what_recorded(found, right, trace, train, test, loss):
    """Which other loss is in the history. The trace ends with the epoch's parameters before and after its step."""
    if any(abs(found - round(right, digits)) < 1e-7 for digits in range(6)):
        return "That is the right loss, rounded: keep all of its digits."
    others = {
        f"That is the loss on the {name} rows {when} the step.": mean_error(at, *rows, loss)
        for name, rows in (("training", train), ("test", test))
        for when, at in (("before", trace[-2]), ("after", trace[-1]))
    }
    others["That is the sum of the losses of all epochs so far."] = sum(
        mean_error(at, *train, loss) for at in trace[:-1]
    )
    return oracle.diagnose_loss(found, others) or "That is the loss of something else, or of another moment."
