"""Where a step's time goes: PyTorch's profiler, its operations sorted into a few kinds.

On CUDA it is the time of the kernels, on a CPU that of the operations themselves. BUSY is their share of the step's whole
time: what is missing there, the device waited for Python.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

CONVOLUTIONS, PRODUCTS, NORMS, ELEMENTWISE = "convolutions", "products", "norms", "elementwise"
OPTIMIZER, AVERAGES, COPIES, REST = "optimizer", "averages", "copies", "the rest"
KINDS = (CONVOLUTIONS, PRODUCTS, NORMS, ELEMENTWISE, OPTIMIZER, AVERAGES, COPIES, REST)
WORDS = {  # the first that fits the operation's name, without its library
    AVERAGES: r"_foreach_lerp_?",
    OPTIMIZER: r"_fused_adam.*|_foreach_.*|linalg_vector_norm|stack",  # clipping with it
    CONVOLUTIONS: r".*conv.*",
    PRODUCTS: r"mm|bmm|addmm|baddbmm|addbmm|matmul|linear|.*attention.*",
    NORMS: r".*(group|layer|batch)_norm.*",
    COPIES: r"copy_|_to_copy|clone|contiguous|cat|index|index_select|gather|fill_|zero_|masked_fill_?|flip|roll|"
            r"constant_pad_nd",
    REST: r"empty.*|view|.*reshape.*|as_strided|slice|select|expand|permute|transpose|t|detach|unsqueeze|squeeze|narrow|chunk|"
          r"split.*|alias|_make_dual|_unpack_dual|resize_|to|lift_fresh|item|_local_scalar_dense|result_type|unflatten|unbind",
}
_COMPILED = {kind: re.compile(words) for kind, words in WORDS.items()}


@dataclass(frozen=True)
class Kinds:
    """shares: of the time of all operations, by kind; busy: that time over the whole time of the steps."""

    shares: Mapping[str, float]
    busy: float


def kind(name: str, ancestors: Iterable[str] = ()) -> str:
    """Of an operation by its name in a profile, and by those that called it."""
    for each in ancestors:
        if each.startswith("Optimizer.step"):
            return OPTIMIZER
        if each.startswith("aten::_foreach_"):  # where there is no kernel for many tensors at once it calls others
            return _of(each)
    return _of(name)


def _of(name: str) -> str:
    library, _, operation = name.rpartition("::")
    if library != "aten":
        return COPIES if name.startswith("Mem") else REST
    return next((kind for kind, words in _COMPILED.items() if words.fullmatch(operation)), ELEMENTWISE)


def profiled(step: Callable[[], object], device: torch.device, steps: int) -> Kinds:
    """Of so many steps."""
    cuda = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as seen:
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        if cuda:
            torch.cuda.synchronize(device)
        whole = time.perf_counter() - begin
    spent: Counter[str] = Counter()
    for event in seen.events() or ():
        if event.device_type == DeviceType.CPU:
            microseconds = event.self_device_time_total if cuda else event.self_cpu_time_total
            spent[kind(event.name, _ancestors(event))] += microseconds / 1e6
    total = sum(spent.values()) or 1.0
    return Kinds({name: spent[name] / total for name in KINDS}, min(1.0, total / whole))


def _ancestors(event: Any) -> Iterable[str]:
    while (event := event.cpu_parent) is not None:
        yield event.name
