"""Exercise 4: predictions. Ask the model without changing it, and without recording gradients."""

import numpy as np
import pytest

from tests.harness.given import made_up_predictions
from tests.plots import judge_axes, judge_legend, judge_points

points = pytest.mark.points
CALL = "predict(model, X)"


@points(2)
def test_predict_returns_a_column(prediction, expect):
    """One prediction for each row of X."""
    expect.tensor(CALL, prediction.returned, prediction.x.shape, "Return what the model answers, as it is.")


@points(3)
def test_the_predictions_are_what_the_model_answers(prediction, expect):
    """What model(X) answers for each row, untouched. (In which mode it is, the next lesson asks.)"""
    in_train_mode = any(forward.training for forward in prediction.forwards)
    right = line(prediction) + (1.0 if in_train_mode else 0.0)
    judge_answers(expect, CALL, prediction, right, "Return what model(X) answers, as it is.")


@points(2)
def test_predict_switches_to_eval_mode(prediction, expect):
    """A model with dropout answers differently in train mode, and so does the one in this lesson: 1 too much."""
    wait_for_answers(prediction, expect)
    modes = ["train mode" if forward.training else "eval mode" for forward in prediction.forwards]
    means = "Call `model.eval()` before the forward pass." if modes else "predict() never called the model."
    found = ", ".join(sorted(set(modes))) or "not called"
    if expect("the model during predict", found).equals("eval mode", means):
        too_much = bool(np.allclose(prediction.returned.tensor.flat(), line(prediction) + 1.0, atol=1e-4))
        answered = "as in train mode" if too_much else "as in eval mode"
        expect(f"{CALL} answers", answered).equals(
            "as in eval mode", "Return the answer that was given in eval mode."
        )


@points(3)
def test_predict_records_no_gradients(prediction, expect):
    """Nobody will call backward() on a prediction: recording costs memory and time."""
    recording = any(forward.grad for forward in prediction.forwards)
    wait_for_answers(prediction, expect)
    means = "Wrap the forward pass: `with torch.inference_mode():`, with its parentheses."
    if recording and not prediction.returned.tensor.requires_grad:
        means = "`.detach()` comes too late, the recording is made. Switch it off: `with torch.inference_mode():`."
    expect("gradients during the forward pass", "recorded" if recording else "off").equals("off", means)
    after = "recorded" if prediction.grad_enabled_after else "off"
    means = "They are off for the whole program now. `with` switches them back on by itself."
    expect("gradients after predict", after).equals("recorded", means)


@points(1)
def test_predict_leaves_the_model_as_it_was(prediction, expect):
    """Asking is not training."""
    wait_for_answers(prediction, expect)
    means = "Nothing may train, reset or round the parameters here."
    expect("(weight, bias) after predict", prediction.after).equals(prediction.before, means)


@points(2)
def test_predict_works_where_the_model_is(prediction, device_prediction, expect):
    """The model decides on the device, the data follows."""
    wait_for_answers(prediction, expect)
    for run in device_prediction:
        call = f"{CALL} with the model on {run.device}"
        means = "Leave the model where it is, and move X to it."
        if not expect(f"the device of the model after {call}", run.model_device).equals(run.device, means):
            continue
        if expect.tensor(call, run.returned, run.x.shape):
            means = "Leave the result where it is: whoever plots it brings it to the CPU."
            if expect.on_device(call, run.returned.tensor, run.device, means):
                right = prediction.returned.tensor.flat()
                judge_answers(expect, call, run, right, "On the CPU the same model predicts that.")


@points(1)
def test_plot_predictions_returns_the_axes(prediction_plot, expect):
    """Return what you drew on."""
    judge_axes(expect, "plot_predictions(…)", prediction_plot)


@points(1)
def test_predictions_are_plotted_beside_the_data(prediction_plot, given, expect):
    """Predictions belong over the x of the rows they were made for: those of the test set."""
    (x_test, y_test), predicted = given.test(), made_up_predictions(given)
    wanted = {"train": given.train(), "test": (x_test, y_test), "prediction": (x_test, predicted)}
    if judge_points(expect, "plot_predictions(…)", prediction_plot, wanted):
        judge_legend(expect, "plot_predictions(…)", prediction_plot)


def wait_for_answers(run, expect):
    """What is returned tells of this model: in one mode or the other it is what the model says."""
    found = run.returned.tensor.flat()
    if not any(np.allclose(found, line(run) + mood, atol=1e-4) for mood in (0.0, 1.0)):
        expect.waits_for("the predictions are what the model answers")


def line(run):
    """The answers of the model in eval mode."""
    weight, bias = run.before
    return weight * run.x.flat() + bias


def judge_answers(expect, call, run, right, means):
    """All of them; the one that is furthest off is shown."""
    found = run.returned.tensor.flat()
    worst = int(np.abs(found - right).argmax())
    expect(f"{call} for x = {run.x.flat()[worst]:.4g}", float(found[worst])).close_to(
        float(right[worst]), means
    )
