"""The networks of others in pickles, as data: what a file would build is kept as names and tensors, and nothing of it runs.

EDM and EDM2 pickle networks with the source of their classes, for whoever loads one to execute. Here the source is passed
over, and of an object its class's name and its state are kept.
"""

import io
import pickle
import re
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.config import ConfigError
from bench.preparing import restricted


class Shell:
    """An object of a pickle. kind: its class's name, empty for one of PyTorch's own; state: its attributes."""

    kind: str = ""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = dict(state)

    def part(self, name: str) -> dict[str, Any]:
        """A dictionary among its attributes, such as `_modules`."""
        found = self.state.get(name)
        return dict(found) if isinstance(found, dict) else {}

    def child(self, name: str) -> "Shell":
        """The module of that name. Raises KeyError."""
        found = self.part("_modules")[name]
        if not isinstance(found, Shell):
            raise KeyError(name)
        return found

    def tensors(self, before: str = "") -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers by their dotted names, in order."""
        for name, value in (self.part("_parameters") | self.part("_buffers")).items():
            if isinstance(value, Tensor):
                yield f"{before}{name}", value
        for name, module in self.part("_modules").items():
            if isinstance(module, Shell):
                yield from module.tensors(f"{before}{name}.")


class _Dictionary(dict[str, Any]):
    """A dictionary of a class of its own, whose attributes are its items."""

    def __setstate__(self, state: Any) -> None:
        pass


def _persistent(meta: Any) -> Shell:
    """What `torch_utils.persistence` would import and build."""
    shell = Shell()
    shell.kind, shell.state = str(meta["class_name"]), dict(meta["state"])
    return shell


def _storage(content: bytes) -> Any:
    """Numbers, that a pickle inside of the pickle holds."""
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise ConfigError(f"asks for {found[1]} among its numbers; do not trust this file" if found else "is damaged") from None


def _tensor(storage: torch.TypedStorage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage, offset, size, stride)


def _parameter(data: Tensor, *_: Any) -> Tensor:
    return data


class _Networks(restricted.Restricted):
    known = {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor, ("torch._utils", "_rebuild_parameter"): _parameter,
        ("torch.storage", "_load_from_bytes"): _storage,
        ("dnnlib.util", "EasyDict"): _Dictionary, ("collections", "OrderedDict"): OrderedDict,
        ("builtins", "set"): set, ("__builtin__", "set"): set,
    }  # fmt: skip
    read = "the tensors of networks are"

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("torch.nn.modules."):
            return Shell
        if module == "torch" and isinstance(found := getattr(torch, name, None), torch.dtype):
            return found
        return super().find_class(module, name)


def unpickled(path: Path) -> Any:
    """What the pickle holds, its objects as shells. Raises ConfigError, which begins behind the file's name."""
    try:
        with open(path, "rb") as file:
            return _Networks(file).load()
    except ConfigError:
        raise
    except Exception as error:  # a damaged pickle makes its reader stumble anywhere
        raise ConfigError(f"is no pickle, or a damaged one ({_said(error)}); fetch it again, or name another file") from error


def loaded(path: Path) -> Any:
    """What `torch.save` left. Raises ConfigError, which begins behind the file's name."""
    try:
        if asked := torch.serialization.get_unsafe_globals_in_checkpoint(str(path)):
            raise ConfigError(f"asks for {asked[0]}: a pickle may run anything, and only tensors are read (save a "
                              "network's state_dict()); do not trust this file")
        return torch.load(path, map_location="cpu", weights_only=True)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"is damaged ({_said(error)}); fetch it again, or name another file") from error


def _said(error: Exception) -> str:
    """Its first sentence, if it has any."""
    return ": ".join([type(error).__name__, *re.split(r"\. |\n", str(error))[:1]]).removesuffix(": ")
