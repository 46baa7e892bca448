"""The device of a run, and its name for people."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bench.config import ConfigError
from bench.processes import dist


class NoGpu(RuntimeError):
    """A job was promised a GPU and sees none: the fault of its node (or driver), and another one may have it."""


def of(name: str, promised: int = 0) -> torch.device:
    """backend.device: "cpu", "cuda", "cuda:1"; "auto" and "cuda" take the worker's GPU, "auto" the CPU where there is none.

    promised: GPUs that the job was given. Raises NoGpu where PyTorch sees none of them: never a silent training on
    the CPU; ConfigError where there is no such device.
    """
    if promised and not torch.cuda.is_available():
        raise NoGpu(f"No CUDA GPUs are available on {socket.gethostname()}, though this job was given {promised} "
                    "(backend.gpus or backend.sbatch): look at nvidia-smi and PyTorch there, or set "
                    "backend.device=cpu")
    if name.startswith("cuda:") and int(name[5:]) >= (there := torch.cuda.device_count()):
        seen = f"{there} GPU{'s' if there > 1 else ''} here, the last of them cuda:{there - 1}" if there else "no GPU here"
        raise ConfigError(f"backend.device={name}: PyTorch sees {seen}; use auto or cpu")
    if name not in ("auto", "cuda"):
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda", dist.local_index() % torch.cuda.device_count())
    if name == "cuda":
        raise ConfigError("backend.device=cuda: PyTorch sees no GPU here; use auto or cpu")
    return torch.device("cpu")


@contextmanager
def computing(precision: str) -> Iterator[None]:
    """Inside the block float32 products of CUDA are float32, or with "tf32" TF32, and cuDNN's kernels are deterministic.

    PyTorch's own default is TF32 for convolutions and float32 for matrix products.
    """
    before, cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn
    with cudnn.flags(enabled=cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=precision == "tf32"):
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)


def name(device: torch.device) -> str:
    """As records say it: "cpu x 2", "2 x NVIDIA H100"."""
    one = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu x {torch.get_num_threads()}"
    return one if dist.size() == 1 else f"{dist.size()} x {one}"
