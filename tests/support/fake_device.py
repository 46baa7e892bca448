"""A device that is not there: tensors on it have a shape, a type and a device, and no values; what is on the CPU is real.

PyTorch's FakeTensorMode raises where tensors of two devices meet. `Watch` above it notes every copy between the host and the
device and every number that the host reads back, with the line of the product that asked. The device is "lazy": unlike
"cuda" it lets a backward pass run without a driver, and nothing in the product knows its name.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from places import ROOT
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _foreach_utils
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from bench.training import rng
from methods.tools import constants

DEVICE = torch.device("lazy", 0)
READS = ("_local_scalar_dense", "equal", "is_nonzero")
SHAPES = ("nonzero", "masked_select", "unique_dim", "_unique2", "unique_consecutive")


@contextmanager
def fake_device() -> Iterator[list[str]]:
    """The device inside the block, and what passed between it and the host, in words."""
    with ExitStack() as stack:
        for where, name, other in _stand_ins():
            stack.enter_context(patch.object(where, name, other, create=True))
        stack.enter_context(torch.autograd.set_multithreading_enabled(False))  # backward passes where modes are seen
        stack.callback(_forget)
        _forget()
        fake = stack.enter_context(FakeTensorMode(allow_non_fake_inputs=False))
        yield stack.enter_context(Watch(fake)).events


def _stand_ins() -> Iterator[tuple[Any, str, Any]]:
    """What PyTorch, or the product, can only do on a device that it knows."""
    several, fused = (kinds() for kinds in (_foreach_utils._get_foreach_kernels_supported_devices,
                                            _foreach_utils._get_fused_kernels_supported_devices))
    yield _foreach_utils, "_get_foreach_kernels_supported_devices", lambda: [*several, DEVICE.type]
    for module in (_foreach_utils, sys.modules["torch.optim.optimizer"]):  # hidden by a name of the package
        yield module, "_get_fused_kernels_supported_devices", lambda: [*fused, DEVICE.type]
    yield rng, "generator", lambda device, *parts: torch.Generator().manual_seed(rng.key(*parts))
    yield torch, DEVICE.type, SimpleNamespace()
    yield FakeTensorMode, "__deepcopy__", lambda self, memo: self  # copies of networks stay in one mode


def _forget() -> None:
    """What is kept on a device is kept in one mode."""
    constants.forget()
    rng._split.cache_clear()


class Watch(TorchDispatchMode):
    """Real on the CPU, fake on the device."""

    def __init__(self, fake: FakeTensorMode) -> None:
        super().__init__()
        self.fake = fake
        self.events: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func._schema.name.split("::")[-1]
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = [t for t in tensors if on_device(t)]
        target = kwargs.get("device")
        target = None if target is None else torch.device(target)
        if not there and (target is None or target.type != DEVICE.type) and not any(isinstance(t, FakeTensor) for t in tensors):
            with _disable_current_modes():
                return func(*args, **kwargs)
        if kwargs.pop("generator", None) is not None:  # there is none for the device
            func = getattr(torch.ops.aten, name).default
        if name in READS and there:
            self.note("the host reads a number")
            return 1.0 if name == "_local_scalar_dense" else True
        if name in SHAPES and there:
            self.note("a shape depends on values")
        if name in ("index", "index_put", "index_put_", "_index_put_impl_") and there:
            for index in args[1]:
                if index is not None and index.dtype in (torch.bool, torch.uint8):
                    self.note("a boolean index")
                elif index is not None and not on_device(index):
                    self.note("an index on the host")
        if name == "_to_copy" and target is not None and target.type != args[0].device.type:
            self.note(f"a copy to {'the device' if target.type == DEVICE.type else 'the host'}")
        if name == "copy_" and args[0].device.type != args[1].device.type:
            self.note(f"a copy to {'the device' if on_device(args[0]) else 'the host'}")
        args, kwargs = tree_map(self.as_fake, args), tree_map(self.as_fake, kwargs)
        out = func(*args, **kwargs)
        if name == "_to_copy" and target is not None and target.type == "cpu":
            with _disable_current_modes():
                return torch.zeros(tuple(out.shape), dtype=out.dtype)
        return out

    def note(self, what: str) -> None:
        self.events.append(f"{what}: {asked()}")

    def as_fake(self, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or isinstance(leaf, FakeTensor):
            return leaf
        with _disable_current_modes():
            return self.fake.from_tensor(leaf.detach())


def on_device(t: Tensor) -> bool:
    return t.device.type == DEVICE.type


def asked() -> str:
    """The innermost line of the product on the stack."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(f"{ROOT}/") and not name.startswith(f"{ROOT}/tests/"):
            return f"{name.removeprefix(f'{ROOT}/')}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "nowhere"
