# %% [markdown]
# # Exercise 2 · The model
#
# The data is a line, so the model is a line too: one weight and one bias. It does not know the
# right values yet. It starts with random ones, and exercise 3 trains them.

# %%
import torch
from torch import nn

# %% [markdown]
# ## A model is a class
#
# Every PyTorch model is a subclass of `nn.Module` with two methods. `__init__` makes what the model
# can learn, `forward` computes predictions from it.
#
# - `nn.Module` has an `__init__` of its own, which prepares the place where parameters are kept.
#   Python runs it only if yours calls it, through `super()`, and it has to come first.
# - A plain tensor is just a number to PyTorch. Wrapped in `nn.Parameter` and stored on `self` it is
#   *registered*: it gets gradients, the optimizer finds it, it moves along when the model moves to
#   a GPU, and it is saved with the model. (`nn.Linear` is a ready-made layer that holds such a
#   weight and bias. You may use either.)
# - The start must be random: `torch.randn` draws numbers. Don't set a seed in here. Whoever uses
#   the model decides whether the run should be repeatable.
# - Whoever calls the model, as in `model(x)`, gets what your `forward` returns. Use only `x` and
#   your own parameters there: a tensor newly made inside `forward` lands on the CPU, while the
#   model may be on a GPU.


# %%
class LinearRegressionModel(nn.Module):
    """The line weight * x + bias, with a weight and a bias that are learned.

    Its only parameters are one weight and one bias: one float32 value each, trainable, under names of
    your choice.
    """

    def __init__(self) -> None:
        """Make the weight and the bias, with random values that differ from model to model."""
        # YOUR CODE HERE
        raise NotImplementedError()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predict y for every row of x.

        x is a float32 tensor of shape (N, 1) on the model's device. Returns weight * x + bias, a float32
        tensor of shape (N, 1) on the same device, through which gradients reach the weight and the bias.
        """
        # YOUR CODE HERE
        raise NotImplementedError()
