"""What the options of a choice may say: data sets, networks and backends by name."""

import re
from typing import Annotated, Literal, NamedTuple

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import Strict

from bench.config.schema import Features
from bench.config.types import (
    Count,
    Minutes,
    Place,
    Positive,
    Says,
    Seconds,
    Section,
    Sizes,
    Text,
    Texts,
    Unit,
    Whole,
    checked,
)

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
    root: Place
    download: bool = False
    flip: bool | None = None
    features: Features


class Arrays(Section):
    """A file of the user's."""

    name: Literal["arrays"]
    path: Place
    heldout: Place | None = None
    labels: Place | None = None
    limit: Annotated[int, Ge(FEWEST)] | None = None
    flip: bool = False
    features: Features


class Folder(Section):
    """A folder of the user's."""

    name: Literal["folder"]
    path: Place
    size: Count | None = None
    flip: bool = False
    features: Features


class Prepared(Section):
    """What `python -m bench.prepare` made: an official set, or images of the user's."""

    name: Literal["imagenet32", "imagenet64", "celeba64", "afhq64", "prepared"]
    path: Place
    version: Text | None = None
    resident: Annotated[Literal["auto"] | bool, Says("auto, true or false")] = "auto"
    flip: bool = False
    features: Features


Data = Digits | Points | Cifar10 | Arrays | Folder | Prepared
OFFICIAL = ("imagenet32", "imagenet64", "celeba64", "afhq64")
DATA: dict[str, type[Data]] = {
    "digits": Digits, **dict.fromkeys(("gaussian", "skewed", "mixture", "checkerboard"), Points), "cifar10": Cifar10,
    "arrays": Arrays, "folder": Folder, **dict.fromkeys((*OFFICIAL, "prepared"), Prepared),
}  # fmt: skip


class Known(NamedTuple):
    """What is known of an image data set before it is read."""

    train: int
    side: int


IMAGES = {
    "digits": Known(1200, 8), "cifar10": Known(50_000, 32), "imagenet32": Known(1_281_167, 32),
    "imagenet64": Known(1_281_167, 64), "celeba64": Known(162_770, 64), "afhq64": Known(15_803, 64),
}  # fmt: skip
CLASSES = {"digits": 10, "cifar10": 10, "imagenet32": 1000, "imagenet64": 1000, "afhq64": 3}
"""Of the sets that come with labels."""
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


class PlainMLP(Section):
    """A plain MLP."""

    name: Literal["mlp_plain"]
    width: Count = 512
    depth: Count = 5
    scale: Positive = 0.577


class UNet(Section):
    """A U-Net for images."""

    name: Literal["unet"]
    channels: Count = 32
    multipliers: Annotated[tuple[Count, ...], Strict(False), MinLen(1)] = (1, 2, 2)
    blocks: Count = 2
    attention: Sizes = (8,)
    attention_kernel: Literal["exact", "fused"] = "exact"
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    time_scale: Positive = 4.0
    embedding: Count | None = None
    classes: Whole = 0
    checkpoint: Literal["none", "norms", "blocks"] = "none"


class PublishedUNet(Section):
    """What the papers' U-Nets have in common."""

    channels: Count = 128
    multipliers: Annotated[tuple[Count, ...], Strict(False), MinLen(1)] = (2, 2, 2)
    blocks: Count = 4
    attention: Sizes = (16,)
    attention_kernel: Literal["exact", "fused"] = "exact"
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.13
    time_scale: Positive = 1.0
    classes: Whole = 0
    checkpoint: Literal["none", "norms", "blocks"] = "none"


class DDPMpp(PublishedUNet):
    """DDPM++."""

    name: Literal["ddpmpp"]
    resampling: Literal["box", "binomial"] = "box"
    augment: Whole = 0


class NCSNpp(PublishedUNet):
    """NCSN++."""

    name: Literal["ncsnpp"]
    resampling: Literal["box", "binomial"] = "binomial"
    fourier_scale: Positive = 16.0
    augment: Whole = 0


class ADM(PublishedUNet):
    """The ablated diffusion model."""

    name: Literal["adm"]
    channels: Count = 192
    multipliers: Annotated[tuple[Count, ...], Strict(False), MinLen(1)] = (1, 2, 3, 4)
    blocks: Count = 3
    attention: Sizes = (32, 16, 8)
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    augment: Whole = 0


class EDM2(PublishedUNet):
    """The magnitude-preserving U-Net of EDM2."""

    name: Literal["edm2"]
    data_scale: Positive = 0.5
    published: bool = False


class DiT(Section):
    """A diffusion transformer, for images and latents."""

    name: Literal["dit"]
    patch: Count = 2
    width: Count = 384
    depth: Count = 12
    heads: Count = 6
    attention_kernel: Literal["exact", "fused"] = "exact"
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    time_scale: Positive = 1.0
    classes: Whole = 0
    checkpoint: Literal["none", "norms", "blocks"] = "none"


Network = MLP | PlainMLP | UNet | DDPMpp | NCSNpp | ADM | EDM2 | DiT
BACKBONES: dict[str, type[Network]] = {
    "mlp": MLP, "mlp_plain": PlainMLP, "unet": UNet, "ddpmpp": DDPMpp, "ncsnpp": NCSNpp, "adm": ADM, "edm2": EDM2, "dit": DiT,
}  # fmt: skip

MOST = 1024  # threads, workers or processes of one machine
Many = Annotated[Count, Le(MOST)]

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_MEMORY = re.compile(r"\d+[KMGT]?")


def _is_device(value: str) -> bool:
    return _DEVICE.fullmatch(value) is not None


def _is_memory(value: str) -> bool:
    return _MEMORY.fullmatch(value) is not None


def _are_options(values: tuple[str, ...]) -> bool:
    return all(value.startswith("-") for value in values)


class Common(Section):
    """What every backend has. quota_gb and patience_minutes: null is without."""

    threads: Many = 1
    device: Annotated[str, checked(_is_device), Says("auto, cpu, cuda or cuda:N")] = "auto"
    attempts: Count = 1
    max_gpu_hours: Annotated[float, Ge(0), Unit("GPU-hours")] | None = None
    gpu_memory: Annotated[float, Gt(0), Unit("GB")] | None = None
    quota_gb: Annotated[float, Gt(0), Unit("GB")] | None = None
    patience_minutes: Annotated[float, Gt(0), Unit("minutes")] | None = None

    @property
    def sharing(self) -> int:
        """Processes of this machine that share one training."""
        return 1

    @property
    def promised(self) -> int:
        """GPUs that a job was given by whoever placed it; 0 where nobody has promised any."""
        return 0


class Debug(Common):
    """Runs one after another in this process."""

    name: Literal["debug"]


class Local(Common):
    """Worker processes on this machine."""

    name: Literal["local"]
    workers: Annotated[Whole, Le(MOST)] | None = None
    processes: Many = 1

    @property
    def sharing(self) -> int:
        return self.processes


class Slurm(Common):
    """Job arrays on a Slurm cluster; null leaves a choice to the site."""

    name: Literal["slurm"]
    partition: Text | None = None
    account: Text | None = None
    constraint: Text | None = None
    qos: Text | None = None
    time: Minutes = 240
    memory: Annotated[str, checked(_is_memory), Says("memory as sbatch writes it, for example 16G")] | None = None
    gpus: Whole | None = None
    nodes: Count = 1
    tasks: Count = 1
    cpus: Count | None = None
    signal: Annotated[int, Ge(1), Unit("seconds")] = 120
    sbatch: Annotated[tuple[Text, ...], Strict(False), checked(_are_options),
                      Says("a list of options of sbatch, each with its dashes: ['--exclusive']")] = ()
    setup: Texts = ()
    array: Count = 1000
    parallel: Count | None = None
    jobs: Count | None = None
    requeue: bool = True
    interval: Seconds = 5.0

    @property
    def promised(self) -> int:
        """Those of `gpus`, or else what the site's own options ask for."""
        return 0 if self.device == "cpu" else self.gpus or max((_gpus(option) for option in self.sbatch), default=0)


def _gpus(option: str) -> int:
    """How many GPUs an option of sbatch asks for: --gres=gpu:a100:2, --gpus-per-node=2, --gpus=a100:1."""
    name, value = re.split(r"[= ]+|(?<=^-G)", f"{option}=", maxsplit=1)
    value = value.rstrip("=").strip("'\"")
    if name in ("--gres", "--tres-per-task", "--tres-per-node", "--tres-per-socket"):
        named = (re.sub(r"^gres[/:]", "", one) for one in value.split(","))
        value = next((one for one in named if re.match(r"gpu\b", one)), "")
    elif name not in ("-G", "--gpus", "--gpus-per-node", "--gpus-per-task", "--gpus-per-socket"):
        value = ""
    last = re.split("[:=]", value.split("(")[0])[-1]
    return int(last) if last.isdigit() else int(value not in ("", "none"))


Backend = Debug | Local | Slurm
BACKENDS: dict[str, type[Backend]] = {"local": Local, "slurm": Slurm, "debug": Debug}
