# %% [markdown]
# # Exercise 4 · Predictions
#
# The model is trained. Now use it: ask it for the y of points that it has never seen, and look at
# how close it comes.

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import nn

# %% [markdown]
# ## Asking a model
#
# Predicting takes the same three precautions each time:
#
# - *Evaluation mode*, with the model's method `eval`. Some layers (dropout, batch norm) behave
#   differently while they learn. Yours has none, and the habit costs nothing.
# - *No gradients*. Nobody will call `backward` here, so let PyTorch save the work: inside a `with`
#   block of `torch.inference_mode` nothing is recorded. (`detach` comes too late: it throws away
#   what was recorded already.)
# - *One device*. Move X to where the model is. A tensor's method `to` returns the moved copy: keep
#   what it returns.


# %%
def predict(model: nn.Module, X: torch.Tensor) -> torch.Tensor:
    """Predict y for every row of X.

    X has the shape (N, 1) and may live on any device; the model stays on its own. The model predicts in
    evaluation mode and without recording gradients, and its parameters do not change. It may be left in
    evaluation mode.

    Returns the predictions: a float32 tensor of shape (N, 1) on the model's device, which requires no
    gradient.
    """
    # YOUR CODE HERE
    raise NotImplementedError()


# %% [markdown]
# ## Predictions beside the truth
#
# Draw three sets: the training points, the test points, and what the model predicted for the test
# points. A good model puts its predictions right on top of the test points, so draw them in another
# colour or with another marker. At which x does a prediction belong? At the x that it was made for.
#
# As in exercise 1: a new figure, everything on the CPU before matplotlib sees it, a label for each
# set, a legend, and no `plt.show`.


# %%
def plot_predictions(
    X_train: torch.Tensor,
    y_train: torch.Tensor,
    X_test: torch.Tensor,
    y_test: torch.Tensor,
    predictions: torch.Tensor,
) -> Axes:
    """Draw the training points, the test points and the predictions, each with its own label, and a legend.

    `predictions` is what the model predicted for X_test, row for row. All tensors have two dimensions,
    (rows, 1), and may live on any device.

    Returns the matplotlib Axes that was drawn on: that of a new figure, which is not shown here.
    """
    # YOUR CODE HERE
    raise NotImplementedError()
