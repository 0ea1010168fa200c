# %% [markdown]
# # Exercise 5 · Saving and loading
#
# A trained model is gone when Python stops, unless it is in a file. Here you save one, load it
# again, and prove that the loaded one is as good. Then you save a training that is only half done,
# so that it can go on another day.

# %%
from pathlib import Path

import torch
from torch import nn

# %% [markdown]
# ## Save what was learned
#
# What a model has learned is in its `state_dict`: a dict from parameter names to tensors. Save
# that, not the model object itself: an object is tied to the very files and class names of today's
# code, a state_dict is just numbers.
#
# `torch.save` writes an object to a path. It does not make folders: `Path(path).parent` is the
# folder, and its method `mkdir` has one switch for parents that are missing as well and one for a
# folder that exists already.


# %%
def save_model(model: nn.Module, path: str | Path) -> Path:
    """Save the model's state_dict to the file `path`, for `load_model`.

    Folders that are missing are made; a file that is there already is overwritten. The file is exactly
    the one named by `path`: nothing is added to the name.

    Returns the path of the file.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## Load it into a new model
#
# The file holds numbers only, so make a model first, a fresh one from its class, and then fill it.
# `torch.load` reads the file and the model's method `load_state_dict` puts the values in. Two
# arguments of `torch.load` matter:
#
# - `weights_only=True`: a saved file can hide code that runs while it is read. With this, only
#   tensors and other plain values are accepted.
# - `map_location`: the file remembers the device that it was saved from. Without this argument a
#   model saved on a GPU can't be read on a machine that has none.
#
# When the file does not fit, PyTorch raises an exception. Let it: an untrained model that is
# returned quietly does far more harm. In the end put the model on its device, and in evaluation
# mode, ready to predict.


# %%
def load_model(
    model_class: type[nn.Module], path: str | Path, device: torch.device | str = "cpu"
) -> nn.Module:
    """Load a model that `save_model` saved, on whichever device it was then.

    `model_class` is the class of the model; calling it without arguments makes a fresh one.

    Returns a new model with the saved parameters, on `device`, in evaluation mode. Raises an exception
    when the file is missing, is cut short, or holds the state of another kind of model: PyTorch's own
    exception will do.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## Trust, but compare
#
# Does the loaded model predict the same as the one that was saved? Let both predict, with the
# precautions of exercise 4, and compare. Between two tensors `==` gives an answer for each row. You
# need a single one: are *all* of them equal? PyTorch has a function for exactly that question.


# %%
def predictions_match(model: nn.Module, loaded_model: nn.Module, X: torch.Tensor) -> bool:
    """Compare what two models predict for X, a tensor of shape (N, 1) on any device.

    Both predict in evaluation mode and without recording gradients. The models may live on different
    devices: each gets X on its own, and the predictions are compared on the CPU.

    Returns True when all N predictions are equal, False when even a single one is not.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## A checkpoint: pause a training
#
# To go on with a training you need more than the model. An optimizer has a memory too (with
# momentum it remembers its last steps), and someone has to know how many epochs are done. So a
# checkpoint is a dict of three things: the model's state_dict, the optimizer's state_dict, and the
# number of epochs. `torch.save` takes a dict like anything else.


# %%
def save_checkpoint(model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, path: str | Path) -> Path:
    """Save what `resume_checkpoint` needs to go on with this training later, to the file `path`.

    `epoch` is how many epochs are done. Folders that are missing are made; a file that is there already
    is overwritten; nothing is added to the name.

    Returns the path of the file.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## … and go on
#
# This time nothing new is made: the model and the optimizer exist, and get their state back *in
# place*. They belong together, since the optimizer changes the parameters of this very model; a new
# model would leave it with the old ones. Both have a method `load_state_dict`. The model stays on
# the device that it is on, so that is where the saved tensors should go.


# %%
def resume_checkpoint(model: nn.Module, optimizer: torch.optim.Optimizer, path: str | Path) -> int:
    """Restore a model and its optimizer, in place, from the file that `save_checkpoint` wrote.

    The file may have been saved on another device. Training that goes on from here takes the same steps
    as one that was never interrupted. The model stays the same object on the same device, and the
    optimizer keeps working on its parameters.

    Returns how many epochs were done. Raises an exception when the file is missing, is cut short, or
    holds the state of another kind of model: PyTorch's own exception will do.
    """
    # YOUR CODE HERE
    raise NotImplementedError()
