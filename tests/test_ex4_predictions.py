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
    """What model(X) answers, untouched."""
    # Its answer in train mode would do here: that is the next lesson.
    answers = answer(prediction), answer(prediction) + MOOD
    found = prediction.returned.tensor.flat()
    off = min((np.abs(found - right) for right in answers), key=np.max)
    judge_answer(expect, prediction, int(off.argmax()), off.max() < 1e-4, "Return what model(X) answers, as it is.")


@points(2)
def test_predict_switches_to_eval_mode(prediction, expect):
    """A model with dropout answers differently in train mode, and so does the model in this lesson."""
    modes = ["train mode" if forward.training else "eval mode" for forward in prediction.forwards]
    means = "Switch it with `model.eval()` before the forward pass." if modes else "predict() never called the model."
    found = ", ".join(sorted(set(modes))) or "not called"
    if expect("the model during predict", found).equals("eval mode", means):
        off = np.abs(prediction.returned.tensor.flat() - answer(prediction))
        means = "That is its answer in train mode: was it asked before `model.eval()`?"
        judge_answer(expect, prediction, int(off.argmax()), off.max() < 1e-4, means)
