"""A second device for every machine: `accel`, in the slot (PrivateUse1) that torch keeps for devices of others.

What CUDA allows works on it, what CUDA refuses fails on it, so code that would crash on a GPU fails on a laptop.
A tensor on `accel` is a plain `torch.Tensor`. Its storage is a second view of the memory of a CPU storage, its
`host`. Dispatch, autograd, views and most device checks are torch's own; only kernels are missing, and `_run`
borrows the CPU's. All the experimental API that this takes is in this file; it was written for torch 2.13.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, UntypedStorage, nn
from torch._ops import OpOverload
from torch.utils import backend_registration

NAME = "accel"

_aten = torch.ops.aten
_CPU = torch._C.DispatchKey.CPU
_SET = _aten.set_.source_Storage_storage_offset
_real = torch.accelerator.current_accelerator()  # asked before `accel` takes its place
_libraries: list[torch.library.Library] = []  # a kernel is registered for as long as its library lives


def devices() -> list[str]:
    """The devices that every experiment for an accelerator can run on: `accel`, and the machine's own if it has one."""
    has_real = _real is not None and torch.get_device_module(_real).is_available()
    return [NAME, _real.type] if _real is not None and has_real else [NAME]


def on_cpu(tensor: Tensor) -> Tensor:
    """A copy on the CPU, outside any graph, that later changes of `tensor` don't reach."""
    return tensor.detach().to("cpu", copy=True)


@contextlib.contextmanager
def present() -> Iterator[None]:
    """Inside, `torch.accelerator` finds `accel`. Outside it answers as if `accel` were not there."""
    install()
    before, _backend.shown = _backend.shown, True
    try:
        with torch.autograd.set_multithreading_enabled(False):  # once more: it holds for one thread only
            yield
    finally:
        _backend.shown = before


@functools.cache
def install() -> None:
    """Make the device `accel` known to this process. Runs once, and for good."""
    _keep_autograd_on_this_thread()
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_backend)
    _register_kernels()
    _teach_storages()
    nn.Module._apply = _apply  # type: ignore[method-assign]
    torch._C._accelerator_getAccelerator = lambda: torch.device(NAME) if _backend.shown else _real  # type: ignore
    torch._C._accelerator_synchronizeDevice = lambda index: None  # type: ignore[assignment, misc]


def _keep_autograd_on_this_thread() -> None:
    """The first backward pass starts a thread for every device there is, and then no forked child can run another.

    So let there be one before `accel` is there. A machine with a real accelerator needs its threads.
    """
    if devices() == [NAME]:
        torch.zeros((), device="cpu", requires_grad=True).backward()
    torch.autograd.set_multithreading_enabled(False)


class _Backend:
    """What torch asks of the module `torch.accel`. Random numbers are the CPU's, so its seed and state are too."""

    shown = False

    def is_available(self) -> bool:
        return self.shown

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return int(self.shown)

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass

    def get_rng_state(self, device: object = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: object = None) -> None:
        torch.set_rng_state(state)


_backend = _Backend()


# Kernels


def _register_kernels() -> None:
    fallback = torch.library.Library("_", "IMPL")
    fallback.fallback(_run, "PrivateUse1")
    aten = torch.library.Library("aten", "IMPL")
    aten.impl("_copy_from", _copy_from, "PrivateUse1")
    _libraries.extend([fallback, aten])


def _run(op: OpOverload[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Any operator that comes down to a kernel of the device. Torch has wrapped it in autograd already."""
    if op.is_view or op.overloadpacket is _aten.set_:
        # Only shape, strides and offset change: the CPU's kernel never looks at the device or the memory.
        return op._op_dk(_CPU, *args, **kwargs)
    with (
        torch._C.DisableTorchFunction()
    ):  # a student's `with torch.device(...)` is not meant for what follows
        twins = _Twins()
        cpu_args = [twins.on_cpu(value) for value in args]
        cpu_kwargs = {name: twins.on_cpu(value) for name, value in kwargs.items()}
        if twins.strangers:
            _check_devices(op, args, kwargs)
        return twins.on_accel(op(*cpu_args, **cpu_kwargs))


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    """Any copy from or to `accel`: the one operator that two devices may meet in."""
    with torch._C.DisableTorchFunction():
        twins = _Twins()
        twins.on_cpu(target).copy_(twins.on_cpu(source))
    return target


class _Twins:
    """The tensors of one call, each with the one that stands for it on the other device, by its `id`."""

    def __init__(self) -> None:
        self.other: dict[int, Tensor] = {}
        self.strangers = False  # is there a tensor that was never on `accel`?

    def on_cpu(self, value: Any) -> Any:
        """An argument, for a kernel of the CPU."""
        if isinstance(value, Tensor):
            return self.other[id(value)] if id(value) in self.other else self._pair(value)
        if isinstance(value, list):
            return [self.on_cpu(item) for item in value]
        if isinstance(value, torch.device):
            return torch.device("cpu")
        if isinstance(value, torch.Generator):
            raise RuntimeError(
                f"Expected a '{NAME}' device type for generator but found '{value.device.type}'"
            )
        return value

    def _pair(self, tensor: Tensor) -> Tensor:
        host = getattr(tensor.untyped_storage(), "host", None)
        if host is None:
            self.strangers = True
            cpu = tensor
        else:
            cpu = torch.empty(0, dtype=tensor.dtype, device="cpu")
            cpu.set_(host, tensor.storage_offset(), tensor.size(), tensor.stride())
        self.other[id(tensor)] = cpu
        self.other[id(cpu)] = tensor
        return cpu

    def on_accel(self, result: Any) -> Any:
        """What the kernel returned: an argument that was written to, or something new."""
        if isinstance(result, Tensor):
            tensor = self.other.get(id(result))
            if tensor is None:
                return _lay(torch._C._acc.create_empty_tensor((0,), result.dtype), result)
            return tensor if tensor.shape == result.shape else _lay(tensor, result)
        if isinstance(result, (list, tuple)):
            return type(result)(self.on_accel(item) for item in result)
        return result


def _lay(tensor: Tensor, cpu: Tensor) -> Tensor:
    """Put a tensor on `accel` over the memory of one on the CPU."""
    storage = _over(cpu.untyped_storage())
    return _SET._op_dk(_CPU, tensor, storage, cpu.storage_offset(), cpu.size(), cpu.stride())  # type: ignore


def _over(host: UntypedStorage) -> UntypedStorage:
    """A storage on `accel` over the memory of one on the CPU, which it keeps alive."""
    device = torch.device(NAME, 0)
    storage = torch._C._construct_storage_from_data_pointer(host.data_ptr(), device, host.nbytes())
    storage.host = host
    return storage


def _check_devices(op: OpOverload[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse tensors of two devices in CUDA's words, but for the two mixtures that CUDA allows.

    Those are a 0-dim tensor on the CPU that is only read, and indices on the CPU into a tensor on the device.
    """
    schema = op._schema.arguments
    values = dict(zip((argument.name for argument in schema), args)) | kwargs
    common: torch.device | None = None
    for argument in schema:
        value = values.get(argument.name)
        for tensor in value if isinstance(value, list) else [value]:
            if not isinstance(tensor, Tensor):
                continue
            index = argument.name == "indices" and isinstance(value, list)
            scalar = tensor.dim() == 0 and not argument.is_write and op is not _aten.equal.default
            if tensor.is_cpu and (index or scalar):
                continue
            common = common or tensor.device
            if tensor.device != common and index:
                raise RuntimeError(
                    f"indices should be either on cpu or on the same device as the indexed tensor ({common})"
                )
            if tensor.device != common:
                raise RuntimeError(
                    f"Expected all tensors to be on the same device, but got {argument.name} is on {tensor.device}, "
                    f"different from other tensors on {common} "
                    f"(when checking argument in method wrapper_{NAME}_{op._opname})"
                )


# What torch can't do for a device that it doesn't know


def _teach_storages() -> None:
    """`copy.deepcopy` of a tensor and `torch.load` make new storages, and torch has no memory of `accel` to give."""
    clone = UntypedStorage.clone

    def clone_on_accel(storage: UntypedStorage) -> UntypedStorage:
        return _over(storage.host.clone()) if storage.device.type == NAME else clone(storage)

    def restore(storage: UntypedStorage, location: str) -> UntypedStorage | None:
        return _over(storage) if location.partition(":")[0] == NAME else None

    UntypedStorage.clone = clone_on_accel  # type: ignore[method-assign]
    torch.serialization.register_package(0, lambda storage: None, restore)  # 0: before torch's own


_torch_apply = nn.Module._apply


def _apply(module: nn.Module, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """`nn.Module._apply`, behind `model.to`: a parameter that moves stays the same object, as on CUDA.

    Torch puts a new one in its place, and an optimizer that was built before would go on with the old one.
    """
    before = dict(module._parameters)
    _torch_apply(module, fn, recurse)
    for name, old in before.items():
        new = module._parameters[name]
        if (
            old is not None
            and new is not None
            and NAME in (old.device.type, new.device.type)
            and new is not old
        ):
            torch._C._swap_tensor_impl(old, new)
            module._parameters[name] = old
    return module
