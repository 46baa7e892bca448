"""Data and networks by name: the keys that each has."""

from typing import Annotated, Literal, NamedTuple

from annotated_types import Ge, Lt, MinLen
from pydantic import Strict

from bench.config.schema import Features
from bench.config.types import Count, Positive, Section, Sizes, Text, Whole

FEWEST = 16
"""Images that a data set must have."""


class Digits(Section):
    """scikit-learn's digits."""

    name: Literal["digits"]
    features: Features


class Points(Section):
    """Points in the plane with an exact flow map; they have metrics of their own."""

    name: Literal["gaussian", "skewed", "mixture", "checkerboard"]
    count: Count | None = None


class Cifar10(Section):
    """torchvision's CIFAR-10."""

    name: Literal["cifar10"]
    root: Text
    download: bool = False
    features: Features


class Arrays(Section):
    """A file of the user's."""

    name: Literal["arrays"]
    path: Text
    heldout: Text | None = None
    limit: Annotated[int, Ge(FEWEST)] | None = None
    flip: bool = False
    features: Features


class Folder(Section):
    """A folder of the user's."""

    name: Literal["folder"]
    path: Text
    size: Count | None = None
    flip: bool = False
    features: Features


Data = Digits | Points | Cifar10 | Arrays | Folder
DATA: dict[str, type[Data]] = {
    "digits": Digits, **dict.fromkeys(("gaussian", "skewed", "mixture", "checkerboard"), Points), "cifar10": Cifar10,
    "arrays": Arrays, "folder": Folder,
}  # fmt: skip


class Known(NamedTuple):
    """What is known of an image data set before it is read."""

    train: int
    side: int


IMAGES = {"digits": Known(1200, 8), "cifar10": Known(50_000, 32)}
EXACT = tuple(name for name, cls in DATA.items() if cls is Points)


class MLP(Section):
    """A residual MLP."""

    name: Literal["mlp"]
    width: Count | None = None
    depth: Count | None = None
    embedding: Count = 64
    time_scale: Positive = 4.0
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    classes: Whole = 0
    gflops: Positive = 1.0


class PlainMLP(Section):
    """A plain MLP."""

    name: Literal["mlp_plain"]
    width: Count = 512
    depth: Count = 5
    scale: Positive = 0.577
    gflops: Positive = 1.0


class UNet(Section):
    """A U-Net for images."""

    name: Literal["unet"]
    channels: Count = 32
    multipliers: Annotated[tuple[Count, ...], Strict(False), MinLen(1)] = (1, 2, 2)
    blocks: Count = 2
    attention: Sizes = (8,)
    attention_kernel: Literal["exact", "math"] = "exact"
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    time_scale: Positive = 4.0
    embedding: Count | None = None
    classes: Whole = 0
    gflops: Positive = 1.0


Network = MLP | PlainMLP | UNet
BACKBONES: dict[str, type[Network]] = {"mlp": MLP, "mlp_plain": PlainMLP, "unet": UNet}
