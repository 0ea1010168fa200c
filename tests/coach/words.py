"""What a student reads when their code raised, is missing, or did not end."""

import re

from tests.coach.commands import command
from tests.coach.report import Location, Status
from tests.harness.observations import Outcome, Place, Raised
from tests.limits import CPU_SECONDS

# What PyTorch and Python say -> what it means here and what to do next. The first match counts.
MEANINGS = [
    (
        r"before Module\.__init__\(\) call|has no attribute '_(parameters|modules|buffers|\w*hooks\w*)'",
        "nn.Module has to set itself up before it can hold parameters: let `super().__init__()`, with both pairs of parentheses, be the first line of `__init__`.",
    ),
    (
        r"missing the required \"forward\" function",
        "nn.Module looks for a method of exactly the name `forward`, indented inside the class: is it there, and spelt so?",
    ),
    (
        r"[Ee]xpected all tensors to be on the same device|is on cpu.*accel|is on accel.*cpu",
        "A GPU can't compute with a tensor that lies in the CPU's memory. Move both to one device with `.to(device)`, "
        "and keep what it returns: `X = X.to(device)`. A newly made tensor lands on the CPU, unless made with `device=…`. "
        "(`accel` is the tests' stand-in for a GPU.)",
    ),
    (
        r"can't convert \w+(:\d+)? device type tensor to numpy",
        "NumPy and matplotlib only read the CPU's memory. Bring the tensor there first: `.cpu()`. (`accel` is the tests' stand-in for a GPU.)",
    ),
    (
        r"Attempting to deserialize object on a CUDA device",
        "The file was saved on a machine with a GPU and is read on one without. "
        "Say where its tensors shall go: `torch.load(path, map_location=…)`, to a device that is there (by default to the CPU).",
    ),
    (
        r"Can't call numpy\(\) on Tensor that requires grad",
        "The tensor still belongs to the gradient computation. Predictions made under `torch.inference_mode()` don't.",
    ),
    (
        r"element 0 of tensors does not require grad",
        "`backward()` found nothing to follow: no parameter took part in this loss, or gradients were switched off while it was computed.",
    ),
    (
        r"Inference tensors cannot be saved for backward|Inplace update to inference tensor",
        "A tensor made under `torch.inference_mode()` can't take part in training, nor be changed afterwards. Make it outside.",
    ),
    (
        r"_IncompatibleKeys",
        "`load_state_dict` changes the model itself, and returns a report about the keys: don't store that under the model's name.",
    ),
    (
        r"Module\.\w+\(\) missing \d+ required positional argument",
        "A class stands where a model is needed: parentheses after the class's name make a model.",
    ),
    (
        r"Error\(s\) in loading state_dict",
        "The file holds other parameters than this model has. Is the model made of the class that was passed in, `model_class`?",
    ),
    (
        r"'LinearRegressionModel' object has no attribute",
        "The model has nothing of that name. Compare the spelling with `__init__`: what is made there has to be stored on "
        "`self`, and `__init__` runs only with two underscores on each side.",
    ),
    (
        r"object has no attribute 'device'",
        "A model has no `device`. Its parameters have one: `next(model.parameters()).device`.",
    ),
    (
        r"'(Line|MoodyLine|OneRowOff)' object has no attribute",
        "Only some models have an attribute of that name. This has to work with any: ask for `model.parameters()`, "
        "`model.state_dict()`, or the model's answer.",
    ),
    (
        r"'Tensor' object has no attribute 'parameters'",
        "A tensor stands where the model should: compare the order of the arguments with the stub.",
    ),
    (
        r"'float' object has no attribute 'backward'",
        "The loss is a plain number already, and a number can't go backward: take `.item()` only for what is recorded.",
    ),
    (
        r"does not support the context manager protocol|'(method|builtin_function_or_method|function)' object is not|non-iterable (function|method|builtin)",
        "A function is named here, but not called: is a pair of parentheses missing?",
    ),
    (
        r"Boolean value of Tensor with more than one value",
        "`==` compares value by value. Is one answer for the whole tensor meant? `torch.equal(a, b)` gives it.",
    ),
    (
        r"expected str, bytes or os\.PathLike object, not (Line|MoodyLine|OneRowOff|LinearRegressionModel)",
        "A model stands where the path should: compare the order of the parameters with the stub.",
    ),
    (
        r"expected 'f' to be string, path",
        "`torch.save` takes what is saved first, and then where it goes.",
    ),
    (
        r"'Figure' object has no attribute",
        "`plt.subplots()` returns two things, the figure first: in which order are they unpacked here?",
    ),
    (
        r"must match the size of tensor",
        "Two tensors with different numbers of rows meet here: are both from the same set, training or test?",
    ),
    (
        r"cannot access local variable",
        "The variable is only set inside a loop or an `if` that did not run this time. Set it before.",
    ),
    (
        r"name '\w+' is not defined",
        "Nothing of that name exists here. Is it spelt right, an argument of this function, set before, or imported? What is stored on `self` is found there: `self.…`.",
    ),
    (
        r"slice indices must be integers",
        "A row number is a whole number: int() cuts the decimals off.",
    ),
    (
        r"x and y must (be the same size|have same first dimension)",
        "Each point needs both: as many x as y. Are these the x and the y of one and the same set?",
    ),
    (
        r"got an unexpected keyword argument|missing \d+ required positional argument|takes (from )?\d+.* positional arguments?",
        "Keep the names and the order of the parameters that the stub had: other code calls it by them. More may follow at the end, with defaults.",
    ),
    (
        r"mat1 and mat2 (shapes cannot be multiplied|must have the same dtype)|size mismatch",
        "Two shapes or dtypes don't fit. Print `.shape` and `.dtype` of both just before this line.",
    ),
    (
        r"Weights only load failed|Unsupported (global|class)|UnpicklingError",
        "The file holds more than tensors: was a whole model or optimizer saved? Save what its `state_dict()` returns.",
    ),
    (
        r"No such file or directory|Parent directory .* does not exist",
        "Before writing, make the folder: `mkdir` has `parents` for those above it. Before reading: is it the path that was passed in, unchanged?",
    ),
    (
        r"'str' object has no attribute '(parent|mkdir|exists|name|with_)",
        "A path may come as text, and only a `Path` has that: make one of it first.",
    ),
    (
        r"File exists",
        "The folder was made the first time, and this is the second time: `mkdir` has `exist_ok` for that.",
    ),
    (
        r"input\(\) was called",
        "The functions get all they need as arguments. Remove the `input()`.",
    ),
    (
        r"'NoneType' object|cannot unpack non-iterable NoneType",
        "Something is None here: does a function end without `return`?",
    ),
]
BY_TYPE = {
    "SyntaxError": "Python can't read this, so none of it runs. The mistake is on this line or just before it.",
    "IndentationError": "Python can't read this: the spaces at the start of this line don't fit the lines around it.",
    "KeyError": "The dict has no such key. Compare with the keys that it was made with: what is read must have been saved.",
    "SystemExit": "The code ended the program. Remove the `exit()`: a function hands its result back with `return`.",
    "ModuleNotFoundError": "Is the name spelt right? Then it is not installed here: the exercises need only torch, matplotlib and the standard library.",
    "NotUtf8": "Save the file as UTF-8: in the editor, look for «Save with encoding».",
    "RecursionError": "A function calls itself without end.",
}


def location(place: Place | None) -> Location | None:
    return None if place is None else Location(place.file, place.line, place.cell, place.source)


def explain(outcome: Outcome) -> tuple[Status, str, Location | None]:
    """Status, words and place for an experiment that has no observation to be judged."""
    raised = outcome.raised or Raised("Lost", "The experiment did not come back.")
    place = raised.place or outcome.place
    name = outcome.function or "the code"
    if raised.type == "Lost":  # whoever watched from outside says it in whole sentences
        return "timeout" if outcome.status == "timeout" else "failed", raised.message, None
    if raised.todo:
        return "todo", f"`{name}` is still to be written", location(raised.place)
    if outcome.status == "timeout":
        return "timeout", _still_running(name, raised), location(place)
    if outcome.status == "missing":
        words = f"{raised.message}.\nThe tests call it by that name: keep the names of the stub."
    elif outcome.status == "unreadable":
        words = "\n".join(_unreadable(raised))
    else:
        words = "\n".join(line for line in (f"{name}(…) raised {said(raised)}", meaning(raised)) if line)
    return "failed", words, location(place)


def said(raised: Raised) -> str:
    """The exception in one line: its type and the first line of its text."""
    first = next(iter(raised.message.strip().splitlines()), "")
    first = re.sub(r"\x1b\[\d*m", "", first)  # PyTorch writes in bold
    return f"{raised.type}: {first}" if first else raised.type


def meaning(raised: Raised) -> str:
    if raised.type in BY_TYPE:
        return BY_TYPE[raised.type]
    for pattern, words in MEANINGS:
        if re.search(pattern, raised.message):
            return words
    return ""


def _unreadable(raised: Raised) -> list[str]:
    file = raised.place.file if raised.place else "the file"
    if raised.type == "NoFile":
        stub = re.match(r"exercises/ex(\d+)_", file)  # no other folder has stubs to be put back
        back = f"If it was deleted: `{command('reset', stub[1])}` puts the stub back." if stub else ""
        return [line for line in (f"{raised.message}.", back) if line]
    if raised.type == "NotUtf8":
        return [f"{raised.message}.", meaning(raised)]
    if raised.place and raised.place.cell:
        return [f"cell {raised.place.cell} did not run to its end: {said(raised)}", meaning(raised)]
    return [f"{file} can't be imported: {said(raised)}", meaning(raised)]


def _still_running(name: str, raised: Raised) -> str:
    where = ""
    if raised.place:
        cell = f" of cell {raised.place.cell}" if raised.place.cell else ""
        where = f", most recently on line {raised.place.line}{cell}"
    return (
        f"{name}(…) was stopped: it was still running after {CPU_SECONDS:g} seconds{where}.\n"
        "Look for a loop that never ends, or for far more work than is needed."
    )
