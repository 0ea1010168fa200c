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
def test_the_predictions_are_the_models(prediction, expect):
    """The model in this lesson answers differently in train mode, as one with dropout does."""
    judge_predictions(expect, prediction)


@points(2)
def test_predict_switches_to_eval_mode(prediction, expect):
    """`model.eval()`: dropout off, batch statistics fixed."""
    modes = ["train mode" if forward.training else "eval mode" for forward in prediction.forwards]
    means = "Call `model.eval()` before the forward pass." if modes else "predict() never called the model."
    expect("the model during predict", ", ".join(sorted(set(modes))) or "not called").equals("eval mode", means)


@points(3)
def test_predict_records_no_gradients(prediction, expect):
    """Nobody will call backward() on a prediction: recording costs memory and time."""
    recording = any(forward.grad for forward in prediction.forwards)
    detached = recording and not (prediction.returned.tensor and prediction.returned.tensor.requires_grad)
    means = (
        "`.detach()` cuts the recording off when it has been made already. Switch it off: `with torch.inference_mode():`."
        if detached
        else "Wrap the forward pass: `with torch.inference_mode():`."
    )
    expect("gradients during the forward pass", "recorded" if recording else "off").equals("off", means)
    expect("gradients after predict", "recorded" if prediction.grad_enabled_after else "off").equals(
        "recorded", "They are off for the whole program now. `with` switches them back on by itself."
    )


@points(1)
def test_predict_leaves_the_model_as_it_was(prediction, expect):
    """Asking is not training."""
    expect("(weight, bias) after predict", prediction.after).equals(prediction.before, "Nothing may step or reset here.")


@points(2)
def test_predict_works_where_the_model_is(device_prediction, expect):
    """The model decides on the device, the data follows."""
    for run in device_prediction:
        where = f"{CALL} with the model on {run.device}"
        expect(f"the device of the model after {CALL}", run.model_device).equals(run.device, "Move X, not the model.")
        if expect.tensor(where, run.returned, run.x.shape):
            means = "Leave the result where it is: whoever plots it brings it to the CPU."
            if expect.on_device(where, run.returned.tensor, run.device, means):
                judge_predictions(expect, run)


@points(1)
def test_plot_predictions_returns_the_axes(prediction_plot, expect):
    """Return what you drew on."""
    judge_axes(expect, "plot_predictions(…)", prediction_plot)


@points(1)
def test_predictions_are_plotted_beside_the_data(prediction_plot, given, expect):
    """Predictions belong over the x of the rows they were made for: those of the test set."""
    wanted = {
        "train": given.train(),
        "test": given.test(),
        "prediction": (given.test()[0], made_up_predictions(given)),
    }
    judge_points(expect, "plot_predictions(…)", prediction_plot, wanted)
    judge_legend(expect, "plot_predictions(…)", prediction_plot)


def judge_predictions(expect, run):
    (weight, bias), x = run.before, run.x.flat()
    right = weight * x + bias
    found = run.returned.tensor.flat()
    worst = int(np.abs(found - right).argmax())
    in_train_mode = bool(np.allclose(found, right + 1.0, atol=1e-4))
    means = "That is its answer in train mode: `model.eval()` comes first." if in_train_mode else "Return what model(X) answers."
    expect(f"{CALL} for x = {x[worst]:.4g}", float(found[worst])).close_to(float(right[worst]), means)
