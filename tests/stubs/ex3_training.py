# %% [markdown]
# # Exercise 3 · Training
#
# Training is one small idea, repeated: predict, measure how wrong that was, and change every
# parameter a little so that it would have been less wrong. You choose the measure (the *loss*) and
# the way to change (the *optimizer*), and then write the loop that every PyTorch program has at its
# heart.

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import nn

# %% [markdown]
# ## How wrong is it?
#
# A loss turns all the errors into one number. Here it is the *mean absolute error*: how far a
# prediction is from the true y, on average. PyTorch calls the absolute error L1, and has a class
# for the loss in `torch.nn`.


# %%
def create_loss() -> nn.Module:
    """Make the loss function of this course: the mean absolute error.

    Returns a module; calling it as loss_fn(predictions, y) gives a tensor of shape (), a single number.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## Who changes the parameters?
#
# The gradient tells for each parameter which way is uphill for the loss. The optimizer takes a step
# downhill. The simplest one is *stochastic gradient descent*, `torch.optim.SGD`: it subtracts `lr`
# times the gradient, and nothing else.
#
# An optimizer changes the parameters that it was given, and no others. So it has to be given those
# of the very model that you train; the method `parameters` of the model lists them.


# %%
def create_optimizer(model: nn.Module, lr: float = 0.01) -> torch.optim.Optimizer:
    """Make the optimizer: plain stochastic gradient descent (no momentum, no weight decay).

    It changes all the parameters of `model`, and only those. `lr` is the learning rate.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## The loop
#
# One pass over the training data is an *epoch*. It has five moves:
#
# 1. *Forward*: with the model in training mode, predict y from X_train.
# 2. *Loss*: compare the predictions with y_train.
# 3. *Zero the gradients*. PyTorch adds new gradients to the old ones, and an old one points the
#    wrong way.
# 4. *Backward*: work out the gradient of the loss for every parameter.
# 5. *Step*: let the optimizer change the parameters.
#
# The first two are calls of what you were given, the others are methods: `zero_grad`, `backward`,
# `step`. Without its parentheses a method does nothing at all, and Python does not complain.
#
# Every `eval_every` epochs, from epoch 0 on, look at the test rows too. The step is done by then,
# so the test loss is that of the changed model. A test must not teach: switch the model to
# evaluation mode with its `eval` method, and compute inside `torch.inference_mode`, where no
# gradients are recorded. And then back to training mode with `train`, before the next epoch learns.
#
# The model may be on a GPU while the data is not. A parameter knows where it is,
# `next(model.parameters()).device`, and a tensor's method `to` returns a copy that is moved there;
# the tensor itself stays where it was.
#
# A loss is a tensor that drags along everything it was computed from. Its method `item` gives the
# plain number.


# %%
def train(
    model: nn.Module,
    loss_fn: nn.Module,
    optimizer: torch.optim.Optimizer,
    X_train: torch.Tensor,
    y_train: torch.Tensor,
    X_test: torch.Tensor,
    y_test: torch.Tensor,
    epochs: int = 300,
    eval_every: int = 20,
) -> dict[str, list[float]]:
    """Train `model` in place on the training rows, and test it now and then.

    Exactly `epochs` times, all training rows at once: one forward pass in training mode, and one step of
    `optimizer` along the gradient of `loss_fn(predictions, y_train)`, with nothing left over from earlier
    gradients. The data, tensors of shape (rows, 1), may live on any device: it is moved to the model's.

    In every epoch e of range(0, epochs, eval_every) the test rows are predicted as well, after the step,
    in evaluation mode and without recording gradients.

    Returns the history, a dict of three lists with one entry for each of these epochs. "epoch" holds e,
    "train_loss" the loss on the training rows before the step of epoch e, and "test_loss" the loss on the
    test rows after that step. Losses are plain Python floats, not tensors. With epochs=0 the model stays
    as it is and the three lists are empty.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## Did it learn?
#
# Two curves tell the story. Both falling: it learns. Training falls while test rises: it learns the
# training rows by heart. The axes method `plot` draws a line through points when it gets their x
# and y as two lists.


# %%
def plot_loss_curves(history: dict[str, list[float]]) -> Axes:
    """Draw the training loss and the test loss over the epochs, each with its own label, and a legend.

    `history` is what `train` returns.

    Returns the matplotlib Axes that was drawn on: that of a new figure, which is not shown here.
    """
    # YOUR CODE HERE
    raise NotImplementedError()
