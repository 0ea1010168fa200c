"""Exercise 5: persistence. Save what was learned, load it elsewhere, and go on from there."""

import numpy as np
import pytest

points = pytest.mark.points

# ── save_model ───────────────────────────────────────────────────────────────────────────────────


@points(1)
def test_save_model_writes_the_file_asked_for(saved, expect):
    """Exactly there, with the folders on the way made first."""
    file = saved.first
    means = "Save to `path` as it is: nothing added to the name, and no other folder."
    expect(f'files after save_model(model, "{file.asked}")', ", ".join(file.files) or "none").equals(file.asked, means)
    means = "Return the path."
    expect("save_model(…) returned", file.returned_path or file.returned.text).equals(file.asked, means)


@points(2)
def test_the_file_holds_the_state_dict(saved, expect):
    """Names and tensors, no code: what `torch.load(path, weights_only=True)` accepts."""
    means = "Save `model.state_dict()`, alone: the model itself drags its class along."
    if expect("the saved file holds", saved.first.content).equals("state_dict", means):
        judge_values(expect, "the saved file", saved.first.values, saved.trained)


@points(1)
def test_saving_again_overwrites(saved, expect):
    """The last one counts. (The folder is there already, this time.)"""
    files = ", ".join(saved.second.files) or "none"
    expect("files after saving to the same path again", files).equals(saved.second.asked)
    if saved.second.content == "state_dict":
        judge_values(expect, "the file saved again", saved.second.values, saved.other_trained)


def judge_values(expect, where, values, pair):
    found = {name: [round(float(v), 6) for v in array.flat()] for name, array in values.items()}
    right = {"weight": [round(pair[0], 6)], "bias": [round(pair[1], 6)]}
    expect(f"in {where}", str(found)).holds(found == right, str(right), "Save the parameters as they are now.")


# ── load_model ───────────────────────────────────────────────────────────────────────────────────


@points(2)
def test_load_model_brings_the_parameters_back(loaded, expect):
    """A fresh model of the class, with the saved values in it."""
    judge_loaded(expect, "load_model(model_class, path)", loaded)


@points(1)
def test_a_loaded_model_is_in_eval_mode(loaded, expect):
    """It was loaded to predict."""
    mode = "train mode" if loaded.training else "eval mode"
    expect("the model from load_model(…) is in", mode).equals("eval mode", "Call `.eval()` on it before returning it.")


@points(1)
def test_models_and_checkpoints_land_on_the_device(loaded_on_device, resumed_on_device, expect):
    """Load to where you want to use it; resume to where the model is."""
    for run in loaded_on_device:
        call = f'load_model(model_class, path, "{run.device}")'
        if expect(call, run.returned.text).holds(run.is_model, "a model"):
            means = "Move the model to `device` when its values are in."
            expect(f"the device of the model from {call}", run.lies_on).equals(run.device, means)
            judge_loaded(expect, call, run)
    for run in resumed_on_device:
        judge_continued(expect, run, f" on {run.device}")


@points(1)
def test_what_a_gpu_saved_loads_without_one(loaded_from_gpu, resumed_from_gpu, expect):
    """The file remembers where its tensors lay. `map_location` says where they shall go."""
    judge_loaded(expect, "load_model(…) of a file from a GPU", loaded_from_gpu)
    judge_continued(expect, resumed_from_gpu, " from a GPU's checkpoint")


@points(1)
def test_a_file_that_does_not_fit_raises(bad_files, expect):
    """A fresh model in the place of the saved one would predict nonsense, silently."""
    for name, tried in (
        ("of another kind of model", bad_files.other_model),
        ("that was cut short", bad_files.truncated),
        ("that isn't there", bad_files.missing),
    ):
        returned = tried.returned.text if tried.returned else ""
        means = "Let PyTorch's exception pass: no `except`, no `strict=False`, no test for the file."
        expect(f"load_model(…) with a file {name} returned", returned).holds(
            tried.raised is not None, "an exception", means
        )


def judge_loaded(expect, call, run):
    none = "Does the function end without `return`?" if run.returned.type == "NoneType" else ""
    if "dict" in run.returned.type.lower():
        none = "That is the state_dict: make a model of the class and let it load it."
    if expect(call, run.returned.text).holds(run.is_model, "a model of the class it was given", none):
        fresh = run.values == (0.0, 0.0)
        means = "It is a fresh model: `load_state_dict` brings the values in." if fresh else ""
        if expect(f"(weight, bias) of {call}", run.values).close_to(run.saved, means, within=1e-6):
            shape = run.answers.tensor and run.answers.tensor.shape
            expect(f"predictions of {call}", "a column" if shape and len(shape) == 2 else "none").equals("a column")


# ── predictions_match ────────────────────────────────────────────────────────────────────────────


@points(1)
def test_predictions_match_says_yes_or_no(matches, expect):
    """One answer for all rows together."""
    for name, seen, right in (("the same model twice", matches.equal, True), ("two models", matches.other, False)):
        call = f"predictions_match(…) of {name}"
        if seen.number is None:
            means = "That is an answer for each row. Are they *all* equal? torch.equal says so in one."
            expect(call, seen.text).holds(False, "True or False", means if seen.tensor else "Return the answer.")
        else:
            means = "Compare what the two models predict, not a model with itself." if not right else ""
            expect(call, bool(seen.number)).equals(right, means)


@points(1)
def test_a_single_different_row_is_noticed(matches, expect):
    """All rows: not the first few, not on average, not most of them."""
    for name, seen in (("one row in the middle", matches.one_row), ("the last row", matches.last_row)):
        if seen.number is not None:
            means = "Every row counts: compare all of them, and ask whether *all* are equal."
            expect(f"predictions_match(…) of models that differ in {name}", bool(seen.number)).equals(False, means)


# ── save_checkpoint, resume_checkpoint ───────────────────────────────────────────────────────────


@points(1)
def test_a_checkpoint_comes_back(resumed, expect):
    """Parameters and the number of epochs that are done."""
    run = resumed
    files = ", ".join(run.files) or "none"
    expect(f'files after save_checkpoint(…, "{run.path}")', files).equals(run.path, "Save to `path` as it is.")
    means = "Save `epoch` with the rest, and return it as it was saved."
    expect("resume_checkpoint(…) returned", run.returned.number if run.returned.number is not None else run.returned.text).equals(
        float(run.epoch), means
    )
    means = "Load the model's state_dict into the model that is given: a new one would not be seen outside."
    expect("(weight, bias) of the model after resume_checkpoint(…)", run.restored).close_to(
        run.at_checkpoint, means, within=1e-6
    )


@points(2)
def test_resumed_training_is_as_if_never_interrupted(resumed, expect):
    """An optimizer with momentum remembers its last steps: its state belongs into the checkpoint."""
    judge_continued(expect, resumed, "")


def judge_continued(expect, run, where):
    for number, (found, right) in enumerate(zip(run.continued, run.uninterrupted, strict=True), 1):
        same = np.allclose(found, right, rtol=1e-6, atol=1e-7)
        means = "The optimizer forgot its momentum: save and load `optimizer.state_dict()` too." if number == 1 else ""
        if not expect(f"(weight, bias), {number} step after resuming{where}", found).holds(
            bool(same), f"({right[0]:.6g}, {right[1]:.6g}), as without the interruption", means
        ):
            return
