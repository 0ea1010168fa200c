"""`accel` allows what CUDA allows and refuses what CUDA refuses. On a machine with a GPU, CUDA itself is asked too."""

import ast
import copy
import io
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.harness import accelerator

# `__array__` without `copy`: NumPy says it of any tensor.
pytestmark = [pytest.mark.filterwarnings("error"), pytest.mark.filterwarnings("ignore:__array__ implementation")]

accelerator.install()
DEVICES = [device for device in accelerator.devices() if device in ("accel", "cuda")]

# `names` says what X, y, w and the like are; the value is that of the last statement.
LEGAL = [
    # Making tensors and moving them
    "torch.arange(0, 1, 0.02, device=device)",
    "torch.linspace(0, 1, 50, device=device)",
    "torch.tensor([[1.0], [2.0]], device=device), torch.as_tensor([1, 2], device=device)",
    "torch.ones(2, 3, device=device), torch.eye(2, device=device), torch.full((2,), 0.5, device=device)",
    "torch.full_like(X, 3.0) + torch.zeros_like(X) + torch.ones_like(X), torch.empty_like(X).fill_(2.0)",
    "torch.rand(3, device=device).shape, torch.randn(2, 2, device=device).dtype, torch.randn_like(X).shape",
    "torch.randperm(8, device=device).sort().values",
    "torch.tensor([1.0, 2.0]).to(device)",
    "X.to(device) is X, X.to(X.device) is X",
    "X.to(device, torch.float64, non_blocking=True), X.double().int(), X.new_tensor([1.0])",
    "X.cpu(), X.to('cpu'), X.cpu().numpy(), (w * X).detach().cpu().numpy()",
    "torch.tensor(X.tolist()), torch.tensor([X[1, 0], X[2, 0]])",
    # Arithmetic, shapes, indices
    "X * 2 + 1 - X / 4, X ** 2, -X, 1 / (X + 1), X.abs(), X.exp()",
    "X.T @ y, torch.matmul(X.T, y), X @ X.T",
    "X * torch.tensor(2.0), torch.tensor(2.0) - X, X > torch.tensor(0.5)",
    "X[2:5], X[-1], X[::2, 0], X[3][0]",
    "X[torch.tensor([3, 1])], X[torch.tensor([3, 1], device=device)]",
    "X[X > 0.5], X[(X > 0.5).cpu()], X.masked_select(X > 0.5)",
    "X[torch.randperm(8)].sort(dim=0).values, X[torch.randperm(8, device=device)].sort(dim=0).values",
    "torch.cat([X, y], dim=1), torch.stack([X, y]), X.split(3), X.chunk(2), torch.vstack((X, y))",
    "X.view(4, 2), X.reshape(-1), X.permute(1, 0), X.transpose(0, 1), X.unsqueeze(0), X.squeeze()",
    "X.sum(), X.mean(dim=0), X.std(), X.max(), X.argmax(), X.max(dim=0), X.cumsum(dim=0)",
    "X.sort(dim=0, descending=True), X.argsort(dim=0), X.flatten().topk(2), torch.unique(X.round())",
    "torch.where(X > 0.5, X, y), torch.where(X > 0.5, X, 0.0), X.masked_fill(X > 0.5, 0.0), X.clamp(0.2, 0.6)",
    # Changing tensors in place
    "Z = X.clone(); Z += 1; Z[0] = 5.0; Z[1:3].mul_(2); Z.view(4, 2)[3, 1] = 7.0; Z",
    "Z = X.clone(); Z[torch.tensor([0, 2])] = 9.0; Z[Z < 0.3] = torch.tensor(0.0); Z",
    "Z = X.clone(); Z += torch.tensor(1.0); Z[:2] = torch.ones(2, 1); Z",
    "Z = torch.zeros(8, 1); Z.copy_(X); Z[2:4] = y[2:4]; Z",
    "torch.add(X, y, out=torch.empty(0, device=device))",
    # Leaving tensors
    "X[3].item(), float(X[3]), int(X[3]), X.tolist(), len(X), [float(row) for row in X]",
    "f'{X[3].item():.2f} {X[3, 0]:.3f}'",
    "torch.equal(X, X.clone()), torch.allclose(X, X + 1e-9), (X == X).all().item(), bool((X < 2).all())",
    "[line.get_xydata().tolist() for line in Figure().subplots().plot(X.cpu(), y.cpu())]",
    # Models, losses, gradients
    "model(X), model.forward(X), F.linear(X, torch.ones(1, 1, device=device))",
    "F.l1_loss(X, y), nn.L1Loss()(X, y), nn.MSELoss()(X, y), F.smooth_l1_loss(X, y), F.huber_loss(X, y)",
    "F.l1_loss(w * X, y).backward(); w.grad",
    "F.mse_loss(model(X), y).backward(); model.weight.grad, model.bias.grad",
    "(torch.sigmoid(w) * X).exp().sqrt().sum().backward(); w.grad",
    "torch.autograd.grad((w * X).mean(), w)",
    "with_no_grad = torch.no_grad()(lambda: w * X)(); with_no_grad, with_no_grad.requires_grad",
    "inferred = torch.inference_mode()(lambda: model(X[2:4]))(); inferred, inferred.is_inference()",
    "w.detach(), w.data, w.detach().clone().requires_grad_().is_leaf, (w * X).detach().requires_grad",
    "seen = []; w.register_hook(seen.append); (w * X).sum().backward(); seen",
    "seen = []; w.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad)); (w * X).sum().backward(); seen",
    "nn.init.constant_(w, 3.0), nn.init.zeros_(model.bias), nn.init.xavier_uniform_(model.weight).shape",
    "[parameter.device == X.device for parameter in model.parameters()]",
    "torch.nn.utils.clip_grad_norm_([w], 0.1), steps(torch.optim.SGD([w], lr=0.1))",
    # Optimizers: `steps` makes three
    "steps(torch.optim.SGD([w], lr=0.1))",
    "steps(torch.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=0.1))",
    "steps(torch.optim.SGD([w], lr=0.1, foreach=False)), steps(torch.optim.SGD([w], lr=0.1, fused=True))",
    "steps(torch.optim.Adam([w], lr=0.1)), steps(torch.optim.AdamW([w], lr=0.1)), steps(torch.optim.RMSprop([w]))",
    "o = torch.optim.SGD([w]); steps(o); o.zero_grad(set_to_none=False); zero = w.grad; o.zero_grad(); zero, w.grad",
    "seen = []; o = torch.optim.SGD([w]); o.register_step_pre_hook(lambda *_: seen.append(w.grad)); steps(o); seen",
    # Saving, loading, copying
    "saved_and_loaded(model.state_dict()), saved_and_loaded(model.state_dict(), map_location=device)",
    "saved_and_loaded(model.state_dict(), map_location='cpu'), saved_and_loaded(torch.ones(2), map_location=device)",
    "o = torch.optim.Adam([w]); steps(o); saved_and_loaded({'epoch': 3, 'optimizer': o.state_dict()})",
    "o = torch.optim.SGD([w], momentum=0.9); steps(o); p = torch.optim.SGD([w]); p.load_state_dict(o.state_dict()); steps(p)",
    "model.load_state_dict({'weight': torch.ones(1, 1), 'bias': torch.zeros(1)}); model(X)",
    "model.load_state_dict(saved_and_loaded(model.state_dict(), map_location='cpu')); model(X)",
    "copy.deepcopy(model)(X), copy.deepcopy(model.state_dict()), copy.deepcopy(X), copy.copy(X)",
    "Z = copy.deepcopy(model); nn.init.zeros_(Z.weight); model(X)",
    "list(DataLoader(TensorDataset(X, y), batch_size=3)), TensorDataset(X, y)[2]",
    "len(list(DataLoader(TensorDataset(X, y), batch_size=3, shuffle=True)))",
]

TWO_DEVICES = "Expected all tensors to be on the same device, but found at least two devices, {device}:0 and cpu!"
INDICES = "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
TO_NUMPY = "can't convert {device}:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."

# `ones` is a tensor on the CPU. Each of these is legal when X is there too.
REFUSED = [
    ("X + ones", RuntimeError, TWO_DEVICES),
    ("ones - X", RuntimeError, TWO_DEVICES),
    ("X < ones", RuntimeError, TWO_DEVICES),
    ("nn.Parameter(torch.ones(1)) * X", RuntimeError, TWO_DEVICES),
    ("torch.from_numpy(np.ones((8, 1))) * X", RuntimeError, TWO_DEVICES),
    ("Z = X.clone(); Z *= ones", RuntimeError, TWO_DEVICES),
    ("Z = ones.clone(); Z += X", RuntimeError, TWO_DEVICES),
    ("running_loss = torch.tensor(0.0); running_loss += X.mean()", RuntimeError, TWO_DEVICES),
    ("F.l1_loss(X, ones)", RuntimeError, TWO_DEVICES),
    ("nn.MSELoss()(ones, X)", RuntimeError, TWO_DEVICES),
    ("torch.allclose(X, ones)", RuntimeError, TWO_DEVICES),
    ("torch.where(X > 0.5, X, ones)", RuntimeError, "to be on the same device"),
    ("X.masked_fill(ones > 0, 1.0)", RuntimeError, "on the same device"),
    ("model(ones)", RuntimeError, "got mat1 is on cpu, different from other tensors on {device}:0"),
    ("nn.Linear(1, 1)(X)", RuntimeError, "got mat1 is on {device}:0, different from other tensors on cpu"),
    ("X.T @ ones", RuntimeError, "got mat2 is on cpu, different from other tensors on {device}:0"),
    ("torch.cat([X, ones])", RuntimeError, "got tensors is on cpu, different from other tensors on {device}:0"),
    ("torch.stack([X, ones])", RuntimeError, "got tensors is on cpu, different from other tensors on {device}:0"),
    ("torch.equal(X, ones)", RuntimeError, "got other is on cpu, different from other tensors on {device}:0"),
    ("torch.equal(X.sum(), torch.tensor(1.0))", RuntimeError, "got other is on cpu, different from other tensors on {device}:0"),
    ("X.index_select(0, torch.tensor([1]))", RuntimeError, "got index is on cpu, different from other tensors on {device}:0"),
    ("ones[torch.tensor([1], device=device)]", RuntimeError, INDICES),
    ("ones[X > 0.5]", RuntimeError, INDICES),
    ("Z = ones.clone(); Z[torch.tensor([1], device=device)] = 0.0", RuntimeError, INDICES),
    ("Z = X.clone(); Z[torch.tensor([1, 2])] = ones[:2]", RuntimeError, "Expected all tensors to be on the same device"),
    ("X.numpy()", TypeError, TO_NUMPY),
    ("np.asarray(X)", TypeError, TO_NUMPY),
    ("np.array(X)", TypeError, TO_NUMPY),
    ("np.sqrt(X)", TypeError, TO_NUMPY),
    ("Figure().subplots().plot(X, y)", TypeError, TO_NUMPY),
    ("Figure().subplots().scatter(X.cpu(), y)", TypeError, TO_NUMPY),
    ("w.grad = torch.ones(1)", RuntimeError, "device"),
    ("o = torch.optim.SGD([w], momentum=0.9); o.state[w] = {'momentum_buffer': torch.ones(1)}; steps(o)", RuntimeError, "device"),
    ("torch.randn(3, generator=torch.Generator(), device=device)", RuntimeError, "Expected a '{device}' device type for generator but found 'cpu'"),
]


def names(device: str) -> dict[str, Any]:
    """What a snippet may speak of: eight points on a line, one parameter and one model, on `device`."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1).to(device)
    X = torch.arange(0, 1, 0.125, device=device).unsqueeze(1)
    y = 0.7 * X + 0.3
    w = nn.Parameter(torch.full((1,), 0.5, device=device))

    def steps(optimizer: torch.optim.Optimizer) -> nn.Parameter:
        for _ in range(3):
            optimizer.zero_grad()
            F.l1_loss(w * X, y).backward()
            optimizer.step()
        return w

    return {
        **{"torch": torch, "nn": nn, "F": F, "np": np, "copy": copy, "Figure": Figure},
        **{"DataLoader": DataLoader, "TensorDataset": TensorDataset, "saved_and_loaded": saved_and_loaded},
        **{"device": device, "model": model, "X": X, "y": y, "w": w, "steps": steps, "ones": torch.ones(8, 1)},
    }


def run(snippet: str, device: str) -> Any:
    """The value of a snippet's last statement; None if it has none."""
    *before, last = ast.parse(snippet).body
    known = names(device)
    exec(compile(ast.Module(before, []), snippet, "exec"), known)
    if isinstance(last, ast.Expr):
        return plain(eval(compile(ast.Expression(last.value), snippet, "eval"), known))
    exec(compile(ast.Module([last], []), snippet, "exec"), known)
    return None


def plain(value: Any) -> Any:
    """Any nest of tensors, as numbers that can be compared."""
    match value:
        case torch.Tensor():
            return str(value.dtype), tuple(value.shape), accelerator.on_cpu(value).tolist()
        case np.ndarray():
            return value.tolist()
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value


def saved_and_loaded(value: object, **options: Any) -> Any:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=True, **options)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("snippet", LEGAL)
def test_what_cuda_allows_gives_what_the_cpu_gives(snippet: str, device: str) -> None:
    assert run(snippet, device) == run(snippet, "cpu")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("snippet", "error", "words"), REFUSED)
def test_what_cuda_refuses_is_refused_in_its_words(
    snippet: str, error: type[Exception], words: str, device: str
) -> None:
    run(snippet, "cpu")
    with pytest.raises(error) as raised:
        run(snippet, device)
    assert words.format(device=device) in str(raised.value)
