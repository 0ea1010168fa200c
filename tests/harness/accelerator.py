"""A second device on any machine: `accel`, in the slot (PrivateUse1) that torch keeps for foreign devices.

What CUDA allows works on `accel`, and what CUDA refuses fails: code that would crash on a GPU fails on a
laptop. A tensor on `accel` is a plain `torch.Tensor` whose storage lies over the memory of a storage on the
CPU, its `host`. Dispatch, autograd, views and most checks are torch's own. Only the kernels are missing, and
`_run` borrows the CPU's. Everything experimental that this takes from torch (2.13) is in this file.
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
_ONE_DEVICE = "Expected all tensors to be on the same device, but"
_LOSSES = (_aten.mse_loss.default, _aten.smooth_l1_loss.default)
_every_kernel = torch.library.Library("_", "IMPL")
_aten_kernels = torch.library.Library("aten", "IMPL")
_real = torch.accelerator.current_accelerator()  # asked before `accel` answers
_torch_apply = nn.Module._apply
_torch_clone = UntypedStorage.clone


def devices() -> list[str]:
    """The accelerators to experiment on: `accel`, and the machine's own (cuda, mps, xpu) if it has one."""
    if _real is not None and torch.get_device_module(_real).is_available():
        return [NAME, _real.type]
    return [NAME]


def on_cpu(tensor: Tensor) -> Tensor:
    """A copy on the CPU that knows of no graph and that later changes of `tensor` don't reach."""
    return tensor.detach().to("cpu", copy=True)


@contextlib.contextmanager
def present() -> Iterator[None]:
    """Inside, `torch.accelerator` finds `accel`; outside, it answers as if there were no such device."""
    install()
    before, _backend.shown = _backend.shown, True
    try:
        yield
    finally:
        _backend.shown = before


@functools.cache
def install() -> None:
    """Make `accel` known to torch, for the rest of this process."""
    _start_autograd()
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_backend)
    _every_kernel.fallback(_run, "PrivateUse1")
    for op in _LOSSES:  # torch has kernels of these for any device, but they warn about themselves
        _aten_kernels.impl(op, functools.partial(_run, op), "PrivateUse1")
    torch.serialization.register_package(0, lambda storage: None, _restore)  # type: ignore[arg-type]  # 0: before torch's
    UntypedStorage.clone = _clone  # type: ignore[assignment, method-assign]
    nn.Module._apply = _apply  # type: ignore[method-assign]
    torch._C._accelerator_getAccelerator = lambda: torch.device(NAME) if _backend.shown else _real  # type: ignore[assignment, return-value]
    torch._C._accelerator_synchronizeDevice = lambda index: None  # type: ignore[assignment]


def _start_autograd() -> None:
    """Run a first backward pass before torch knows of `accel`.

    The first one starts a thread for every device but the CPU, and after that no forked child can run another.
    A real accelerator needs its threads, and is not woken by us.
    """
    if devices() == [NAME]:
        torch.zeros((), device="cpu", requires_grad=True).backward()


class _Backend(backend_registration._DummyBackendModule):
    """What torch asks about the device, as `torch.accel`. Its random numbers are the CPU's, state and all."""

    shown = False

    def is_available(self) -> bool:
        return self.shown

    def device_count(self) -> int:
        return int(self.shown)

    def get_rng_state(self, device: object = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: object = None) -> None:
        torch.set_rng_state(state)


_backend = _Backend()


def _run(op: OpOverload[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Any operator that has come down to the device's kernel, with autograd and the like already done."""
    if op.is_view or op.overloadpacket is _aten.set_:
        # Only shape, strides and storage are set, and the CPU's kernel does that to any tensor.
        return op._op_dk(_CPU, *args, **kwargs)
    torch._C._set_multithreading_enabled(False)  # of backward passes: `accel` has no thread for them
    twins = _Twins()
    cpu_args = [twins.on_cpu(value) for value in args]
    cpu_kwargs = {name: twins.on_cpu(value) for name, value in kwargs.items()}
    if op is _aten._copy_from.default:  # the one operator that moves values between devices
        cpu_args[1].copy_(cpu_args[0])
        return args[1]
    if twins.strangers:
        _check_devices(op, args, kwargs)
    return twins.on_accel(op(*cpu_args, **cpu_kwargs))


class _Twins:
    """The tensors of one call. Each has a twin: the same values, seen from the other device."""

    def __init__(self) -> None:
        self.twin: dict[int, Tensor] = {}  # by the id of the tensor
        self.strangers = False  # was one of them never on `accel`?

    def on_cpu(self, value: Any) -> Any:
        """An argument, as a kernel of the CPU needs it."""
        if isinstance(value, Tensor):
            twin = self.twin.get(id(value))
            return self._pair(value) if twin is None else twin
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
        host = _host(tensor.untyped_storage())
        if host is None:
            self.strangers = True
            twin = tensor
        else:
            twin = torch.empty(0, dtype=tensor.dtype, device="cpu")
            twin.set_(host, tensor.storage_offset(), tensor.size(), tensor.stride())
        self.twin[id(tensor)] = twin
        self.twin[id(twin)] = tensor
        return twin

    def on_accel(self, result: Any) -> Any:
        """What a kernel of the CPU returned: an argument that it wrote to, or something new."""
        if isinstance(result, Tensor):
            tensor = self.twin.get(id(result))
            if tensor is None:
                return _lay(torch._C._acc.create_empty_tensor((0,), result.dtype), result)
            return tensor if tensor.shape == result.shape else _lay(tensor, result)
        if isinstance(result, (list, tuple)):
            return type(result)(self.on_accel(item) for item in result)
        return result


def _lay(tensor: Tensor, cpu: Tensor) -> Tensor:
    """Put a tensor on `accel` over the memory of a tensor on the CPU."""
    if cpu.is_complex():
        raise NotImplementedError(f"no complex numbers on {NAME}")  # torch would copy a conjugate without end
    storage, geometry = _over(cpu.untyped_storage()), (cpu.storage_offset(), cpu.size(), cpu.stride())
    laid: Tensor = _aten.set_.source_Storage_storage_offset._op_dk(_CPU, tensor, storage, *geometry)
    return laid


def _over(host: UntypedStorage) -> UntypedStorage:
    """A storage on `accel` over the memory of a storage on the CPU, which it keeps alive."""
    storage = _at(host, torch.device(NAME, 0))
    storage.host = host  # type: ignore[attr-defined]
    return storage


def _host(storage: UntypedStorage) -> UntypedStorage | None:
    """What a storage on `accel` lies over; None for a storage on another device."""
    host: UntypedStorage | None = getattr(storage, "host", None)
    if host is None and storage.device.type == NAME:
        return _at(storage, torch.device("cpu"))  # made by torch, over the memory of another that lives on
    return host


def _at(storage: UntypedStorage, device: torch.device) -> UntypedStorage:
    """The same memory, said to be another device's."""
    size = storage.nbytes()
    return torch._C._construct_storage_from_data_pointer(storage.data_ptr(), device, size)  # type: ignore[return-value]


def _clone(storage: UntypedStorage) -> UntypedStorage:
    """`UntypedStorage.clone`, behind `copy.deepcopy`: torch itself can't make a storage on `accel`."""
    host = _host(storage)
    return _torch_clone(storage) if host is None else _over(host.clone())  # type: ignore[no-untyped-call]


def _restore(storage: UntypedStorage, location: str) -> UntypedStorage | None:
    """A storage that `torch.load` has read, where it belongs; None if that is another device's business."""
    return _over(storage) if location.partition(":")[0] == NAME else None


def _apply(module: nn.Module, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """`nn.Module._apply`, behind `model.to`: a parameter that moves stays the same object, as on CUDA.

    Torch would put a new one in its place, and an optimizer that was built before would go on with the old.
    """
    before = dict(module._parameters)
    _torch_apply(module, fn, recurse)  # type: ignore[no-untyped-call]
    for name, old in before.items():
        new = module._parameters[name]
        if old is None or new is None or new is old:
            continue
        if NAME in (old.device.type, new.device.type):
            torch._C._swap_tensor_impl(old, new)
            module._parameters[name] = old
    return module


def _check_devices(op: OpOverload[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse tensors of two devices, in CUDA's words, except for the mixtures that CUDA allows.

    These are a 0-dim tensor on the CPU that is only read, and indices on the CPU into a tensor on the device.
    """
    values = dict(zip([argument.name for argument in op._schema.arguments], args, strict=False)) | kwargs
    common: torch.device | None = None
    for argument in op._schema.arguments:
        value = values.get(argument.name)
        is_index = argument.name == "indices" and isinstance(value, list)
        may_be_scalar = not argument.is_write and op is not _aten.equal.default
        for tensor in value if isinstance(value, list) else [value]:
            if not isinstance(tensor, Tensor):
                continue
            if tensor.is_cpu and (is_index or (may_be_scalar and tensor.dim() == 0)):
                continue
            common = common or tensor.device
            if tensor.device == common:
                continue
            if is_index:
                raise RuntimeError(
                    f"indices should be either on cpu or on the same device as the indexed tensor ({common})"
                )
            if op in _LOSSES:
                raise RuntimeError(f"{_ONE_DEVICE} found at least two devices, {NAME}:0 and cpu!")
            raise RuntimeError(
                f"{_ONE_DEVICE} got {argument.name} is on {tensor.device}, different from other tensors on {common} "
                f"(when checking argument in method wrapper_{NAME}_{op._opname})"
            )
