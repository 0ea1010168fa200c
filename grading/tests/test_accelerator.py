"""`accel` allows what CUDA allows and refuses what CUDA refuses. On a machine with a GPU, CUDA itself is asked too."""

import ast
import copy
import io
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader, TensorDataset

from tests.harness import accelerator

# NumPy says the second of any tensor.
pytestmark = pytest.mark.filterwarnings("error", "ignore:__array__ implementation")

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

TWO_DEVICES = "on the same device, but found at least two devices, {device}:0 and cpu!"
ON_CPU = " is on cpu, different from other tensors on {device}:0"
INDICES = "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
TO_NUMPY = (
    "can't convert {device}:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory"
)
GENERATOR = "Expected a '{device}' device type for generator but found 'cpu'"

# `ones` is on the CPU. Each of these is legal when X, y, w and the model are there too.
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
    ("F.smooth_l1_loss(X, ones)", RuntimeError, TWO_DEVICES),
    ("torch.allclose(X, ones)", RuntimeError, TWO_DEVICES),
    ("torch.where(X > 0.5, X, ones)", RuntimeError, "to be on the same device"),
    ("X.masked_fill(ones > 0, 1.0)", RuntimeError, "to be on the same device"),
    ("Z = X.clone(); Z[torch.tensor([1, 2])] = ones[:2]", RuntimeError, "to be on the same device"),
    ("model(ones)", RuntimeError, "got mat1" + ON_CPU),
    ("nn.Linear(1, 1)(X)", RuntimeError, "got mat1 is on {device}:0, different from other tensors on cpu"),
    ("X.T @ ones", RuntimeError, "got mat2" + ON_CPU),
    ("torch.cat([X, ones])", RuntimeError, "got tensors" + ON_CPU),
    ("torch.stack([X, ones])", RuntimeError, "got tensors" + ON_CPU),
    ("torch.equal(X, ones)", RuntimeError, "got other" + ON_CPU),
    ("torch.equal(X.sum(), torch.tensor(1.0))", RuntimeError, "got other" + ON_CPU),
    ("X.index_select(0, torch.tensor([1]))", RuntimeError, "got index" + ON_CPU),
    ("ones[torch.tensor([1], device=device)]", RuntimeError, INDICES),
    ("ones[X > 0.5]", RuntimeError, INDICES),
    ("Z = ones.clone(); Z[torch.tensor([1], device=device)] = 0.0", RuntimeError, INDICES),
    ("torch.sum(X, dim=(0, 1), out=torch.tensor(0.0))", RuntimeError, "device"),
    ("X.numpy()", TypeError, TO_NUMPY),
    ("np.asarray(X)", TypeError, TO_NUMPY),
    ("np.array(X)", TypeError, TO_NUMPY),
    ("Figure().subplots().plot(X, y)", TypeError, TO_NUMPY),
    ("Figure().subplots().scatter(X.cpu(), y)", TypeError, TO_NUMPY),
    ("w.grad = torch.ones(1)", RuntimeError, "device"),
    (
        "o = torch.optim.SGD([w], momentum=0.9); o.state[w]['momentum_buffer'] = ones[0]; steps(o)",
        RuntimeError,
        "device",
    ),
    ("torch.randn(3, generator=torch.Generator(), device=device)", RuntimeError, GENERATOR),
]

KNOWN = {
    "torch": torch,
    "nn": nn,
    "F": F,
    "np": np,
    "copy": copy,
    "Figure": Figure,
    "DataLoader": DataLoader,
    "TensorDataset": TensorDataset,
}


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

    return KNOWN | {
        "device": device,
        "model": model,
        "X": X,
        "y": y,
        "w": w,
        "ones": torch.ones(8, 1),
        "steps": steps,
        "saved_and_loaded": saved_and_loaded,
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
            numbers = accelerator.on_cpu(value)
            if numbers.is_floating_point():
                numbers = numbers.round(decimals=5)  # CUDA's sums run in another order
            return str(value.dtype), tuple(value.shape), numbers.tolist()
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


@pytest.mark.parametrize("device", DEVICES)
def test_a_run_of_a_hundred_epochs_ends_at_the_known_numbers(device: str) -> None:
    weights, bias = trained(device)
    assert (weights.device.type, bias.device.type) == (device, device)
    assert (weights.item(), bias.item()) == pytest.approx((0.5784, 0.3513), abs=5e-5)


def trained(device: str) -> list[nn.Parameter]:
    """Weight and bias after 100 epochs on weight 0.7, bias 0.3, step 0.02, from seed 42."""
    torch.manual_seed(42)
    weights, bias = (nn.Parameter(torch.randn(1).to(device)) for _ in range(2))
    X = torch.arange(0, 1, 0.02, device=device).unsqueeze(1)
    X_train, y_train = X[:40], (0.7 * X + 0.3)[:40]
    optimizer = torch.optim.SGD([weights, bias], lr=0.01)
    for _ in range(100):
        loss = nn.L1Loss()(weights * X_train + bias, y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [weights, bias]


def test_devices_compare_and_print_as_on_cuda() -> None:
    tensor = torch.ones(1, device="accel")
    assert tensor.device == torch.device("accel:0") == torch.device("accel", 0)
    assert tensor.device != torch.device("accel")
    assert (str(tensor.device), tensor.device.type, tensor.get_device()) == ("accel:0", "accel", 0)
    assert (tensor.is_cuda, tensor.is_cpu, type(tensor)) == (False, False, torch.Tensor)
    assert repr(tensor) == f"{tensor}" == "tensor([1.], device='accel:0')"
    assert repr(nn.Parameter(tensor)).endswith("tensor([1.], device='accel:0', requires_grad=True)")


def test_a_default_device_holds_for_new_tensors() -> None:
    with torch.device("accel"):
        made = [torch.zeros(2) + 1, torch.tensor([1.0]), torch.arange(3), nn.Linear(1, 1).weight]
    torch.set_default_device("accel")
    try:
        made += [torch.rand(2), nn.Parameter(torch.randn(1))]
    finally:
        torch.set_default_device(None)
    assert {tensor.device.type for tensor in made} == {"accel"}
    assert torch.ones(1).device.type == "cpu"


def test_an_observer_of_torch_functions_sees_only_the_calls_of_the_code() -> None:
    class Seen(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            called.append(func.__name__)
            return func(*args, **(kwargs or {}))

    called: list[str] = []
    X = torch.ones(2, device="accel")
    with Seen():
        X.add(1).sum()
    assert called == ["add", "sum"]


def test_a_view_shares_its_values() -> None:
    X = torch.zeros(4, 2, device="accel")
    X.view(-1)[1:3] = 5.0
    X.detach()[3, 0] = 7.0
    assert X.tolist() == [[0.0, 5.0], [5.0, 0.0], [0.0, 0.0], [7.0, 0.0]]


def test_autograd_notices_a_change_in_place() -> None:
    w = nn.Parameter(torch.ones(3, device="accel"))
    loss = (w * w).sum()
    with torch.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_tensor_of_inference_mode_stays_one() -> None:
    X = torch.ones(3, device="accel")
    with torch.inference_mode():
        made, view = X * 2, X[:2]
    assert (made.is_inference(), view.is_inference()) == (True, False)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        made.add_(1)


def test_a_model_that_moves_keeps_the_parameters_its_optimizer_has() -> None:
    model = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
    before = list(model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    graphs = []  # of which none may stand in the way
    for device in ("accel", "cpu", "accel", "accel"):
        model.to(device)
        start = accelerator.on_cpu(before[-1])
        graphs.append(model(torch.ones(1, 1, device=device)))
        graphs[-1].backward(retain_graph=True)
        optimizer.step()
        assert all(old is new for old, new in zip(before, model.parameters(), strict=True))
        assert {parameter.device.type for parameter in before} == {device}
        assert not torch.equal(start, accelerator.on_cpu(before[-1]))


def test_a_model_that_does_not_move_is_left_alone() -> None:
    for device in ("cpu", "accel"):
        model = nn.Linear(1, 1).to(device)
        seen: list[torch.Tensor] = []
        model.weight.register_hook(seen.append)
        graph = model(torch.ones(1, 1, device=device))
        model.to(device).float()
        graph.backward()
        assert len(seen) == 1
        assert model.weight.grad is not None
    unmade = nn.Linear(1, 1, device="meta")
    before = unmade.weight
    assert unmade.to_empty(device="cpu").weight is not before


def test_an_observer_gets_a_copy_outside_the_graph() -> None:
    for device in ("cpu", "accel"):
        w = nn.Parameter(torch.ones(2, device=device))
        seen = accelerator.on_cpu(w * 2), accelerator.on_cpu(w)
        with torch.no_grad():
            w.add_(5)
        assert [(t.tolist(), t.device.type, t.requires_grad, t.grad_fn) for t in seen] == [
            ([2.0, 2.0], "cpu", False, None),
            ([1.0, 1.0], "cpu", False, None),
        ]


def test_only_inside_present_does_torch_find_an_accelerator() -> None:
    def answers() -> tuple[torch.device | None, bool, int]:
        found = torch.accelerator.current_accelerator()
        return found, torch.accelerator.is_available(), torch.accelerator.device_count()

    def is_there() -> bool:
        return bool(torch.get_device_module("accel").is_available())

    outside, cuda = answers(), torch.cuda.is_available()
    assert not is_there()
    with accelerator.present():
        assert answers() == (torch.device("accel"), True, 1)
        assert torch.accelerator.current_accelerator(check_available=True) == torch.device("accel")
        torch.accelerator.synchronize()
        assert torch.cuda.is_available() == cuda
        assert is_there()
    assert answers() == outside
    assert accelerator.devices()[0] == "accel"
    assert len(accelerator.devices()) == 1 + outside[1]


def test_a_file_from_accel_loads_anywhere() -> None:
    file = io.BytesIO()
    torch.save(nn.Linear(1, 1).to("accel").state_dict(), file)
    wheres: list[tuple[Any, str]] = [("cpu", "cpu"), (torch.device("accel"), "accel"), (None, "accel")]
    for where, found in wheres:
        file.seek(0)
        state = torch.load(file, map_location=where, weights_only=True)
        assert {tensor.device.type for tensor in state.values()} == {found}


@pytest.mark.parametrize("device", ["cpu", "accel"])
def test_a_file_from_cuda_needs_map_location(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without a GPU, also on one with it."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    file = io.BytesIO()
    with mock.patch("torch.serialization.location_tag", return_value="cuda:0"):
        torch.save(nn.Linear(1, 1).to(device).state_dict(), file)
    file.seek(0)
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        torch.load(file, weights_only=True)
    for where in ("cpu", "accel"):
        file.seek(0)
        assert torch.load(file, map_location=where, weights_only=True)["weight"].device.type == where


def test_any_thread_may_train() -> None:
    ends: list[float] = []
    thread = threading.Thread(target=lambda: ends.append(trained("accel")[0].item()))
    thread.start()
    thread.join()
    assert ends == [pytest.approx(0.5784, abs=5e-5)]


def test_a_fresh_process_answers_as_before_and_its_children_may_train() -> None:
    script = """
        import os, sys, torch
        torch.set_num_threads(1)
        from torch.accelerator import current_accelerator, device_count, is_available
        before = current_accelerator(), is_available(), device_count(), torch.cuda.is_available()
        from tests.harness import accelerator
        accelerator.install()
        accelerator.install()
        assert before == (current_accelerator(), is_available(), device_count(), torch.cuda.is_available())

        def train(device):
            w = torch.nn.Parameter(torch.ones(1, device=device))
            (w * torch.ones(3, device=device)).mean().backward()
            torch.optim.SGD([w], lr=0.5).step()
            return w.item()

        assert train("cpu") == train("accel") == 0.5
        child = os.fork()
        if child == 0:
            os._exit(int(1000 * (train("cpu") + train("accel"))) - 1000)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        alive_to_the_end = torch.ones(3, device="accel")
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
