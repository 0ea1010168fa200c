"""The workflow: your five modules in a row, as in a real project."""

import numpy as np
import pytest

from tests import oracle

points = pytest.mark.points


@points(2)
def test_the_pieces_fit_together(workflow, expect):
    """Data, split, model, loss, optimizer, training, predictions, file: each made for the next."""
    if expect.items("split_dataset(*create_dataset(…))", workflow.split, ("X_train", "y_train", "X_test", "y_test")):
        X_test = workflow.split.items[2].tensor
        expect.tensor("predict(model, X_test)", workflow.predictions, X_test.shape)


@points(3)
def test_your_training_moves_your_model(workflow, given, expect):
    """Every step of the run, from your model's own start."""
    judge_steps(expect, workflow, given, given.workflow_epochs)


@points(1)
def test_predictions_come_from_the_trained_model(workflow, expect):
    """weight * x + bias, with the parameters that training ended with."""
    weight, bias = workflow.trace[-1]
    x = workflow.split.items[2].tensor.flat()
    found = workflow.predictions.tensor.flat()
    worst = int(np.abs(found - (weight * x + bias)).argmax())
    expect(f"the prediction for x = {x[worst]:.4g}", float(found[worst])).close_to(float(weight * x[worst] + bias))


@points(2)
def test_the_reloaded_model_predicts_the_same(workflow, expect):
    """Save, load, compare: the last step of every project."""
    judge_reloaded(expect, workflow)


@points(2)
def test_the_workflow_runs_on_another_device(device_workflow, given, expect):
    """The same code with a GPU: nothing may be left behind on the CPU."""
    for run in device_workflow:
        expect(f"the model after the workflow on {run.device}, on", run.model_device).equals(run.device)
        judge_steps(expect, run, given, given.device_epochs)
        judge_reloaded(expect, run)


def judge_steps(expect, run, given, epochs):
    if not expect.items("split_dataset(…)", run.split, ("X_train", "y_train", "X_test", "y_test")):
        return
    x, y, x_test, y_test = (item.tensor.flat().astype(np.float32) for item in run.split.items)
    steps = len(run.trace) - 1
    if expect(f"steps of your optimizer in {epochs} epochs on {run.device}", steps).equals(epochs):
        means = oracle.diagnose(list(run.trace), (x, y), (x_test, y_test), given.lr) or ""
        wrong = oracle.wrong_steps(list(run.trace), x, y, given.lr)
        first = f"step {wrong[0]} is not" if wrong else "all are"
        expect(f"steps along the gradient, on {run.device}", first).equals("all are", means)


def judge_reloaded(expect, run):
    before, after = run.predictions.tensor, run.reloaded.tensor
    if before is not None and after is not None:
        same = before.shape == after.shape and before.data == after.data
        expect("predictions of the reloaded model", "the same" if same else "others").equals("the same")
    expect("predictions_match(model, reloaded, X_test)", run.match.text).holds(bool(run.match.number), "True")
