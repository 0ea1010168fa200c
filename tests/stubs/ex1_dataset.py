# %% [markdown]
# # Exercise 1 · The data
#
# A model needs something to learn from. Here you make points on a straight line: y is a weight times
# x, plus a bias. Later on a model sees the points only, and has to find the weight and the bias by
# itself. You know both, so you will see whether it did.

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes

# %% [markdown]
# ## Where do the tensors live?
#
# Every tensor lives on a *device*: the CPU, or an accelerator such as a GPU. Two tensors can only
# be combined when they are on the same one. So ask once which device there is, and put everything
# on it: then the same code runs on every machine.
#
# `torch.cuda.is_available` is a function that tells whether PyTorch can use a GPU. Mind the
# parentheses: a function that you only name, and do not call, always counts as true.


# %%
def pick_device() -> torch.device:
    """Choose the device to work on.

    Returns the device "cuda" when PyTorch can use a GPU right now, and the device "cpu" when it can't.
    (Another kind of accelerator, such as "mps" on a Mac, is fine too where there is one.)
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## Points on a line
#
# PyTorch models read tables: one row for each example, one column for each feature. You have N
# points with one feature, so X has the shape `(N, 1)`. `torch.arange` makes the numbers, but in one
# dimension, with shape `(N,)`; the tensor method `unsqueeze` adds the missing dimension.
#
# Why be strict about it? A y of shape `(N,)` next to predictions of shape `(N, 1)` raises no error.
# PyTorch stretches both to `(N, N)` and the model learns nonsense.
#
# Models compute in `float32`. `torch.arange` gives integers when it is given integers, unless you
# say which `dtype` you want; it takes a `device` as well. What you compute from X stays on the
# device of X.


# %%
def create_dataset(
    weight: float = 0.3,
    bias: float = 0.9,
    start: float = 0.0,
    end: float = 1.0,
    step: float = 0.01,
    device: torch.device | str = "cpu",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make points on a line.

    X goes from `start` in steps of `step` up to `end`, without `end` itself, like `torch.arange`. For each
    row, y is weight * X + bias.

    Returns (X, y): two float32 tensors of shape (N, 1) on `device`, one row for each point. With the
    default arguments N is 100.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## Some rows to learn from, some to be tested on
#
# A student who has seen the exam questions proves nothing. It is the same with a model: it learns
# from the *training* rows and is judged on *test* rows that it has never seen. No row may be in
# both parts, none may get lost, and every x must keep its own y.
#
# A tensor is sliced by rows just like a list: `X[:3]` are the first three rows, `X[3:]` all the
# others.


# %%
def split_dataset(
    X: torch.Tensor, y: torch.Tensor, train_fraction: float = 0.8
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split the rows into a training part and a test part.

    X and y have the shape (N, 1) and may live on any device; their rows belong together in pairs.

    Returns (X_train, y_train, X_test, y_test), in this order, each with two dimensions and on the device
    that X and y are on. The training part has int(train_fraction * N) rows, the test part has all the
    others.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## Look at it
#
# Looking at the data finds more mistakes than anything else. `plt.subplots` makes a new figure and
# gives you `(figure, axes)`; you draw on the axes, with `scatter` for instance. Give everything you
# draw a `label`: the legend collects the labels.
#
# Matplotlib runs on the CPU and can't read a tensor that lives on a GPU. The tensor method `cpu`
# brings one over, and does no harm to one that is there already.
#
# Return the axes and leave showing to the caller: `plt.show` would hold up a program until someone
# closes the window. A notebook shows the figure by itself.


# %%
def plot_data(
    X_train: torch.Tensor, y_train: torch.Tensor, X_test: torch.Tensor, y_test: torch.Tensor
) -> Axes:
    """Draw the training points and the test points, each set with its own label, and a legend.

    All tensors have two dimensions, (rows, 1), and may live on any device.

    Returns the matplotlib Axes that was drawn on: that of a new figure, which is not shown here.
    """
    # YOUR CODE HERE
    raise NotImplementedError()
