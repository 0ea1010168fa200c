"""The workflow: your five modules in a row, as in a real project."""

import numpy as np
import pytest

from tests import oracle

points = pytest.mark.points
PARTS = ("X_train", "y_train", "X_test", "y_test")


@points(2)
def test_the_pieces_fit_together(workflow, given, expect):
    """Data, split, model, loss, optimizer, training, predictions, file: each made for the next."""
    if expect.items("split_dataset(*create_dataset(…))", workflow.split, PARTS):
        lies_on_the_line(expect, workflow, given)
        expect.tensor("predict(model, X_test)", workflow.predictions, workflow.split.items[2].tensor.shape)


@points(3)
def test_your_training_moves_your_model(workflow, given, expect):
    """Every step of the run, from your model's own start."""
    judge_steps(expect, workflow, given, given.workflow_epochs)


@points(1)
def test_predictions_come_from_the_trained_model(workflow, expect):
    """weight * x + bias, with the parameters that training ended with."""
    judge_predictions(expect, workflow)


def judge_predictions(expect, workflow):
    weight, bias = workflow.trace[-1]
    _, _, x, _ = columns(workflow)
    found = workflow.predictions.tensor.flat()
    worst = int(np.abs(found - (weight * x + bias)).argmax())
    right = float(weight * x[worst] + bias)
    means = "Between training and prediction the model was changed, or another one was asked."
    expect(f"the prediction for x = {x[worst]:.4g}", float(found[worst])).close_to(right, means)


@points(2)
def test_the_reloaded_model_predicts_the_same(workflow, expect):
    """Save, load, compare: the last step of every project."""
    judge_reloaded(expect, workflow)


@points(2)
def test_the_workflow_runs_on_another_device(device_workflow, given, expect):
    """The same code with a GPU: nothing may be left behind on the CPU."""
    for run in device_workflow:
        means = (
            "Something moved it on the way: copy what you need to the CPU, and leave the model where it is."
        )
        where = f"the device of your model after the workflow on {run.device}"
        expect(where, run.model_device).equals(run.device, means)
        judge_steps(expect, run, given, given.device_epochs)
        if expect.tensor("predict(model, X_test)", run.predictions, run.split.items[2].tensor.shape):
            judge_predictions(expect, run)
        judge_reloaded(expect, run)


def lies_on_the_line(expect, run, given):
    line, (x, y, x_test, y_test) = given.line, columns(run)
    rows = np.concatenate([y, y_test]) - (line.weight * np.concatenate([x, x_test]) + line.bias)
    call = f"create_dataset({line.weight:g}, {line.bias:g}, {line.start:g}, {line.end:g}, {line.step:g})"
    means = "The numbers come without their names here: keep the parameters in the order of the stub."
    on_it = f"{np.sum(np.abs(rows) < 1e-3)} of {len(rows)}"
    count = len(line.x())
    many = expect(f"the rows of {call}", len(rows)).holds(
        abs(len(rows) - count) <= 1, f"about {count}", means
    )
    return (
        expect(f"points of {call} on the line", on_it).equals(f"{len(rows)} of {len(rows)}", means) and many
    )


def columns(run):
    """X_train, y_train, X_test, y_test as they were, (n,) float32 each."""
    return [item.tensor.flat().astype(np.float32) for item in run.split.items]


def judge_steps(expect, run, given, epochs):
    if not expect.items("split_dataset(…)", run.split, PARTS):
        return
    x, y, x_test, y_test = columns(run)
    if not lies_on_the_line(expect, run, given):
        return
    near = max(abs(a - b) for a, b in zip(run.trace[0], (given.line.weight, given.line.bias), strict=True))
    means = "There is nothing left to learn from there: let torch draw the start."
    if not expect("your model begins", "at the answer" if near < 1e-3 else "elsewhere").equals(
        "elsewhere", means
    ):
        return
    call = f"steps of train(model, …, y_test, {epochs}, {given.eval_every // 2}) on {run.device}"
    means = (
        "The last two come without their names here: keep the parameters of train() in the order of the stub."
    )
    if expect(call, len(run.trace) - 1).equals(epochs, means):
        means = oracle.diagnose(list(run.trace), (x, y), (x_test, y_test), given.lr) or ""
        wrong = oracle.wrong_steps(list(run.trace), x, y, given.lr)
        first = f"step {wrong[0]} is not" if wrong else "all are"
        expect(f"steps along the gradient, on {run.device}", first).equals("all are", means)


def judge_reloaded(expect, run):
    before, after = run.predictions.tensor, run.reloaded.tensor
    if before is not None and after is not None:
        same = before.shape == after.shape and before.data == after.data
        means = "The file has to hold all of the trained parameters, as they are at the end."
        expect("predictions of the reloaded model", "the same" if same else "others").equals(
            "the same", means
        )
    expect("predictions_match(model, reloaded, X_test)", run.match.text).holds(bool(run.match.number), "True")
