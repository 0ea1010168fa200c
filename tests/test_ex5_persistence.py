"""Exercise 5: persistence. Save what was learned, load it elsewhere, and go on from there.

A test that takes `loaded` or `resumed` beside its own experiment waits for the first lesson of that one.
"""

import numpy as np
import pytest

points = pytest.mark.points

# ── save_model ───────────────────────────────────────────────────────────────────────────────────


@points(1)
def test_save_model_writes_the_file_asked_for(saved, expect):
    """Exactly there, with the folders on the way made first."""
    file = saved.first
    judge_file(expect, f'save_model(model, "{file.asked}")', file.files, file.asked)
    expect("save_model(…) returned", file.returned_path or file.returned.text).equals(
        file.asked, "Return the path."
    )


@points(1)
def test_the_file_holds_the_state_dict(saved, expect):
    """Names and tensors, no code: what `torch.load(path, weights_only=True)` accepts."""
    means = "Save `model.state_dict()`, called and alone: the model itself drags its class along."
    if expect("the saved file holds", saved.first.content).equals("state_dict", means):
        judge_values(
            expect, "the saved file", saved.first.values, saved.trained, "Save the parameters as they are."
        )


@points(1)
def test_saving_again_overwrites(saved, expect):
    """The last one counts. (The folder is there already, this time.)"""
    files = ", ".join(saved.second.files) or "none"
    means = "Overwrite the file: write to `path` again, under no new name."
    again = expect("files after saving to the same path again", files).equals(saved.second.asked, means)
    if again and saved.second.content == "state_dict":
        means = "Save the parameters as they are now: is a file that exists left as it is?"
        judge_values(expect, "the file saved again", saved.second.values, saved.other_trained, means)


def judge_file(expect, call, files, asked):
    means = "Save to `path` as it is: nothing added to the name, and no other folder."
    expect(f"files after {call}", ", ".join(files) or "none").equals(asked, means)


def judge_values(expect, where, values, pair, means):
    found = {name: [round(float(v), 6) for v in array.flat()] for name, array in values.items()}
    right = {"weight": [round(pair[0], 6)], "bias": [round(pair[1], 6)]}
    expect(f"in {where}", str(found)).holds(found == right, str(right), means)


# ── load_model ───────────────────────────────────────────────────────────────────────────────────


@points(2)
def test_load_model_brings_the_parameters_back(loaded, expect):
    """A fresh model of the class, with the saved values in it."""
    judge_loaded(expect, "load_model(model_class, path)", loaded)


@points(1)
def test_a_loaded_model_is_in_eval_mode(loaded, expect):
    """It was loaded to predict."""
    mode = "train mode" if loaded.training else "eval mode"
    means = (
        "Every model is made in train mode. Call `.eval()` on it, with its parentheses, before returning it."
    )
    expect("the model from load_model(…) is in", mode).equals("eval mode", means)


@points(1)
def test_a_model_lands_on_the_device_asked_for(loaded, loaded_on_device, loaded_from_gpu, expect):
    """The file remembers where its tensors lay. You say where they shall go."""
    for run in loaded_on_device:
        judge_loaded(expect, f'load_model(model_class, path, "{run.device}")', run)
    judge_loaded(expect, "load_model(…) of a file from a GPU", loaded_from_gpu)


@points(1)
def test_a_file_that_does_not_fit_raises(loaded, bad_files, expect):
    """A fresh model in the place of the saved one would predict nonsense, silently."""
    judge_bad_files(expect, "load_model(…)", bad_files)


def judge_bad_files(expect, call, bad_files):
    means = "Let PyTorch's exception pass: no `except`, no `strict=False`, no test for the file."
    for name, tried in (
        ("of another kind of model", bad_files.other_model),
        ("that was cut short", bad_files.truncated),
        ("that isn't there", bad_files.missing),
    ):
        returned = tried.returned.text if tried.returned else ""
        if not expect(f"{call} with a file {name} returned", returned).holds(
            tried.raised is not None, "an exception", means
        ):
            return


NO_MODEL = {
    "NoneType": "Does the function end without `return`?",
    "OrderedDict": "That is the state_dict: make a model of the class and let it load it.",
    "dict": "That is the state_dict: make a model of the class and let it load it.",
    "_IncompatibleKeys": "`load_state_dict` changes the model itself and returns a report: return the model.",
    "type": "That is the class: parentheses after its name make a model.",
}


def judge_loaded(expect, call, run):
    """A model of the class, with the saved values in it, on the device."""
    means = NO_MODEL.get(run.returned.type, "")
    if not expect(call, run.returned.text).holds(run.is_model, "a model of the class it was given", means):
        return
    fresh = run.values == (0.0, 0.0)
    means = "It is a fresh model: `load_state_dict` brings the values in." if fresh else ""
    if not expect(f"(weight, bias) of {call}", run.values).close_to(run.saved, means, within=1e-6):
        return
    found = "two models" if run.new_each_time else "the same model twice"
    means = "Make a new model in the function, each time."
    expect(f"two calls of {call} gave", found).equals("two models", means)
    means = "Move the model to `device`; by default that is the CPU."
    expect(f"the device of the model from {call}", run.lies_on).equals(run.device, means)
    shape = run.answers.tensor and run.answers.tensor.shape
    expect(f"predictions of {call}", "a column" if shape and len(shape) == 2 else "none").equals("a column")


# ── predictions_match ────────────────────────────────────────────────────────────────────────────


@points(1)
def test_predictions_match_says_yes_or_no(matches, expect):
    """One answer for all rows together."""
    for name, seen in (("two equal models", matches.equal), ("two different models", matches.other)):
        if seen.number is None:
            means = "That is an answer for each row. Are they *all* equal? torch.equal says so in one."
            means = means if seen.tensor else "Return the answer: True or False."
            expect(f"predictions_match(…) of {name}", seen.text).holds(False, "True or False", means)
            return
    means = "Their predictions are the same. (Two models never are: compare what they predict.)"
    if expect("predictions_match(…) of two equal models", bool(matches.equal.number)).equals(True, means):
        means = "Compare what the *two* models predict, not a model with itself, and return what comes out."
        different = "predictions_match(…) of two different models"
        expect(different, bool(matches.other.number)).equals(False, means)
        means = "In train mode a model may answer otherwise: switch both to evaluation mode first."
        for which, seen in zip(("first", "second"), matches.moods, strict=True):
            call = f"predictions_match(…) of two equal models, the {which} still in train mode"
            expect(call, bool(seen.number)).equals(True, means)


@points(1)
def test_each_model_is_asked_on_its_own_device(matches, matches_on_devices, expect):
    """X on the device of the model that is asked, no gradients, and both answers compared on the CPU."""
    means = "Nobody calls backward() here: compare inside `torch.inference_mode()`."
    grad = "recorded" if any(forward.grad for forward in matches.forwards) else "not recorded"
    expect("gradients while predictions_match(…) asks a model are", grad).equals("not recorded", means)
    for run in matches_on_devices:
        call = "predictions_match(…) of equal models on {} and {}".format(*run.devices)
        expect(call, run.returned.text).holds(run.returned.number == 1, "True", "Compare them on the CPU.")


@points(1)
def test_a_single_different_row_is_noticed(matches, expect):
    """All rows: not the first few, not on average, not most of them."""
    means = "Every row of the predictions counts: compare all of them, and ask whether *all* are equal."
    for name, seen in (("one row in the middle", matches.one_row), ("the last row", matches.last_row)):
        call = f"predictions_match(…) of models that differ in {name}"
        if not expect(call, bool(seen.number)).equals(False, means):
            return


# ── save_checkpoint, resume_checkpoint ───────────────────────────────────────────────────────────


@points(1)
def test_a_checkpoint_comes_back(resumed, expect):
    """Parameters and the number of epochs that are done."""
    run = resumed
    judge_file(expect, f'save_checkpoint(…, "{run.path}")', run.files, run.path)
    expect("save_checkpoint(…) returned", run.saved_path or run.saved.text).equals(
        run.path, "Return the path."
    )
    means = "`epoch` is how many epochs are done: save it with the rest, and return it as it was saved."
    returned = run.returned.text if run.returned.number is None else run.returned.number
    expect("resume_checkpoint(…) returned", returned).equals(float(run.epoch), means)
    means = (
        "Load the model's state_dict into the model that is given: a new one would not be seen outside. "
        "(Or is a file that exists left as it was?)"
    )
    expect("(weight, bias) of the model after resume_checkpoint(…)", run.restored).close_to(
        run.at_checkpoint, means, within=1e-6
    )


@points(1)
def test_a_checkpoint_that_does_not_fit_raises(resumed, bad_checkpoints, expect):
    """Going on from nothing looks just like going on."""
    judge_bad_files(expect, "resume_checkpoint(…)", bad_checkpoints)


@points(1)
def test_resumed_training_is_as_if_never_interrupted(resumed, expect):
    """An optimizer with momentum remembers its last steps: its state belongs in the checkpoint."""
    means = (
        "The optimizer forgot its momentum: save `optimizer.state_dict()` too, and load it into the optimizer "
        "that is given."
    )
    judge_steps(expect, "", resumed.continued, resumed.uninterrupted, "without the interruption", means)


@points(1)
def test_a_checkpoint_moves_between_devices(resumed, resumed_on_device, resumed_from_gpu, expect):
    """Resume to where the model is, wherever the checkpoint was saved."""
    runs = [(run, f" on {run.device}") for run in resumed_on_device]
    for run, where in (*runs, (resumed_from_gpu, " from a GPU's checkpoint")):
        means = "Model and optimizer are restored in place, and stay on their device."
        judge_steps(expect, where, run.continued, resumed.continued, "on the CPU", means)


def judge_steps(expect, where, steps, right_steps, like, means):
    """The parameters after each of the steps that follow."""
    for number, (found, right) in enumerate(zip(steps, right_steps, strict=True), 1):
        same = bool(np.allclose(found, right, rtol=1e-6, atol=1e-6))
        call = f"(weight, bias), {number} step{'s'[: number > 1]} after resuming{where}"
        if not expect(call, found).holds(same, f"({right[0]:.6g}, {right[1]:.6g}), as {like}", means):
            return
