"""EDM's and EDM2's networks as weights of ours: what is called what, and what lies in another order.

    EDM    SongUNet and DhariwalUNet in an EDMPrecond     backbone=ddpmpp, ncsnpp, adm
    EDM2   UNet in a Precond                              backbone=edm2, published=true, data_scale=1

Ours hold scales and shifts of all blocks in one product, queries, keys and values one after the other and not interleaved,
and scales about 1. The second time has layers of its own, which these files lack and which start at zero.

Reference: Karras et al. (arXiv 2206.00364 and 2312.02696), the released networks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import pi
from typing import Any

import torch
from torch import Tensor

from bench.config import ConfigError
from bench.layers import positional
from bench.teaching.pickled import Shell

Change = Callable[[Tensor], Tensor]


@dataclass
class Foreign:
    """weights: our name -> (its name in the file, the values). heads: our name of an attention -> of how many heads.

    network: the backbone of ours and what it must be set to. taps: of the filters that change the resolution, 0 without one.
    """

    network: str
    options: Mapping[str, Any]
    shape: tuple[int, ...]
    sigma_data: float
    fresh: tuple[str, ...]
    weights: dict[str, tuple[str, Tensor]] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    taps: int = 0

    def put(self, ours: str, theirs: str, value: Tensor) -> None:
        """Note one of its tensors."""
        self.weights[ours] = (theirs, value.float())


def foreign(found: Any) -> Foreign:
    """What a snapshot's averaged network is. Raises ConfigError, which begins behind the file's name."""
    net = found.get("ema") if isinstance(found, dict) else None
    layouts: dict[tuple[str, str], Callable[[Foreign, Shell], None]] = {
        ("EDMPrecond", "SongUNet"): _song, ("EDMPrecond", "DhariwalUNet"): _adm, ("Precond", "UNet"): _edm2,
    }  # fmt: skip
    if not isinstance(net, Shell):
        raise ConfigError(f"has an unknown layout ({_outline(found)}); {KNOWN}")
    inner = next((net.child(name) for name in ("model", "unet") if isinstance(net.part("_modules").get(name), Shell)), Shell())
    if (net.kind, inner.kind) not in layouts:
        raise ConfigError(f"has an unknown layout ({inner.kind or 'no network'} in {net.kind}); {KNOWN}")
    try:
        side, channels, spread = (net.state[key] for key in ("img_resolution", "img_channels", "sigma_data"))
        made = Foreign("", {}, (int(channels), int(side), int(side)), float(spread), ("time.gap.weight",))
        layouts[net.kind, inner.kind](made, inner)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"has an unknown layout ({type(error).__name__}: {error} in its {inner.kind}); {KNOWN}") from error
    return made


KNOWN = "known are what `export` and our runs leave, and the network snapshots of EDM and EDM2"


def _outline(found: Any) -> str:
    if not isinstance(found, dict):
        return type(found).__name__
    return f"a dictionary of {', '.join(map(str, list(found)[:4]))}"


def _song(made: Foreign, net: Shell) -> None:
    """DDPM++ and NCSN++. The embedding of time is [sin, cos], as ours."""
    found, encoder, decoder = dict(net.tensors()), *(list(net.child(name).part("_modules")) for name in ("enc", "dec"))
    made.network = "ncsnpp" if any(name.endswith("aux_residual") for name in encoder) else "ddpmpp"
    if known := next((name for name in (*encoder, *decoder) if name.endswith(("aux_down", "aux_skip", "aux_up"))), None):
        raise KeyError(known)
    _times(made, found, positional(_features(found) // 2, endpoint=True), lambda w: w)
    sides = [name for name in encoder if name.endswith("aux_residual")]
    for i, name in enumerate(sides):
        _layer(made, found, f"sides.{i}.conv", f"enc.{name}")
    last = decoder[-1].removesuffix("_aux_conv")
    _unet(made, net, [name for name in encoder if name not in sides], decoder[:-2])
    _norm(made, found, "norm", f"dec.{last}_aux_norm")
    _layer(made, found, "head", f"dec.{last}_aux_conv")


def _adm(made: Foreign, net: Shell) -> None:
    """ADM. The embedding of time is [cos, sin], and ours is [sin, cos]."""
    made.network = "adm"
    found = dict(net.tensors())
    _times(made, found, positional(_features(found) // 2, endpoint=False), lambda w: torch.roll(w, w.shape[-1] // 2, -1))
    _unet(made, net, *(list(net.child(name).part("_modules")) for name in ("enc", "dec")))
    _norm(made, found, "norm", "out_norm")
    _layer(made, found, "head", "out_conv")


def _features(found: Mapping[str, Tensor]) -> int:
    return found["map_layer0.weight"].shape[1]


def _times(made: Foreign, found: Mapping[str, Tensor], frequencies: Tensor, features: Change) -> None:
    """features: the order of an embedding's last axis."""
    made.put("time.first.weight", "map_layer0.weight", features(found["map_layer0.weight"]))
    made.put("time.first.bias", "map_layer0.bias", found["map_layer0.bias"])
    _layer(made, found, "time.second", "map_layer1")
    if "map_label.weight" in found:
        _layer(made, found, "time.label", "map_label")
    if "map_augment.weight" in found:
        made.put("time.augment.weight", "map_augment.weight", features(found["map_augment.weight"].T).T)
    if (random := found.get("map_noise.freqs")) is not None:
        frequencies = 2 * pi * random.float()
    made.put("time.frequencies", "map_noise.freqs", frequencies)


def _unet(made: Foreign, net: Shell, encoder: list[str], decoder: list[str]) -> None:
    """The first convolution, the blocks in order, and what the times change in all of them."""
    found = dict(net.tensors())
    _layer(made, found, "stem", f"enc.{encoder[0]}")
    blocks = [(f"encoder.{i}", f"enc.{name}") for i, name in enumerate(encoder[1:])]
    blocks += [(f"decoder.{i}", f"dec.{name}") for i, name in enumerate(decoder)]
    for ours, theirs in blocks:
        half, _, name = theirs.partition(".")
        _block(made, found, ours, theirs, net.child(half).child(name).state["num_heads"])
    for part in ("weight", "bias"):
        parts = [found[f"{theirs}.affine.{part}"].float() for _, theirs in blocks]
        if part == "bias" and made.network == "adm":
            parts = [torch.cat([bias[: len(bias) // 2] + 1, bias[len(bias) // 2 :]]) for bias in parts]
        made.put(f"modulation.{part}", f"{blocks[0][1]}.affine.{part}", torch.cat(parts))
    filters = [value.shape[-1] for name, value in found.items() if name.endswith("resample_filter")]
    made.taps = max(filters, default=0)


def _block(made: Foreign, found: Mapping[str, Tensor], ours: str, theirs: str, heads: int) -> None:
    _norm(made, found, f"{ours}.norm", f"{theirs}.norm0")
    _layer(made, found, f"{ours}.first", f"{theirs}.conv0")
    _norm(made, found, f"{ours}.norm_again", f"{theirs}.norm1")
    _layer(made, found, f"{ours}.second", f"{theirs}.conv1")
    if f"{theirs}.skip.weight" in found:
        _layer(made, found, f"{ours}.skip", f"{theirs}.skip")
    if heads:
        made.heads[f"{ours}.attention"] = heads
        _norm(made, found, f"{ours}.attention.norm", f"{theirs}.norm2")
        _layer(made, found, f"{ours}.attention.qkv", f"{theirs}.qkv", lambda w: _parted(w, heads).flatten(1))
        made.put(f"{ours}.attention.qkv.bias", f"{theirs}.qkv.bias", _parted(found[f"{theirs}.qkv.bias"], heads))
        _layer(made, found, f"{ours}.attention.project", f"{theirs}.proj", lambda w: w.flatten(1))


def _parted(rows: Tensor, heads: int) -> Tensor:
    """From (head, channel, which of q, k and v) to (which, head, channel), along the first axis."""
    apart = rows.reshape(heads, -1, 3, *rows.shape[1:])
    return apart.movedim(2, 0).flatten(0, 2)


def _layer(made: Foreign, found: Mapping[str, Tensor], ours: str, theirs: str, change: Change = lambda w: w) -> None:
    made.put(f"{ours}.weight", f"{theirs}.weight", change(found[f"{theirs}.weight"]))
    if f"{theirs}.bias" in found:
        made.put(f"{ours}.bias", f"{theirs}.bias", found[f"{theirs}.bias"])


def _norm(made: Foreign, found: Mapping[str, Tensor], ours: str, theirs: str) -> None:
    for part in ("weight", "bias"):
        made.put(f"{ours}.{part}", f"{theirs}.{part}", found[f"{theirs}.{part}"][:, None, None])


def _edm2(made: Foreign, net: Shell) -> None:
    """EDM2's U-Net, where the paper's balances are the only ones that ours has."""
    made.network, made.options = "edm2", {"published": True, "data_scale": 1.0}
    made.fresh += ("time.gain",)
    found = dict(net.tensors())
    _settled(net, label_balance=0.5, concat_balance=0.5)
    for ours, theirs in (("frequencies", "freqs"), ("phases", "phases")):
        made.put(f"time.{ours}", f"emb_fourier.{theirs}", found[f"emb_fourier.{theirs}"])
    _layer(made, found, "time.start", "emb_noise")
    if "emb_label.weight" in found:
        _layer(made, found, "time.label", "emb_label")
    stem, *encoder = net.child("enc").part("_modules")
    _layer(made, found, "stem", f"enc.{stem}")
    _layer(made, found, "head", "out_conv")
    made.put("head.gain", "out_gain", found["out_gain"])
    blocks = [(f"encoder.{i}", "enc", name) for i, name in enumerate(encoder)]
    blocks += [(f"decoder.{i}", "dec", name) for i, name in enumerate(net.child("dec").part("_modules"))]
    for ours, half, name in blocks:
        block, theirs = net.child(half).child(name), f"{half}.{name}"
        _settled(block, res_balance=0.3, attn_balance=0.3, clip_act=256, resample_filter=[1, 1])
        made.put(f"{ours}.gain", f"{theirs}.emb_gain", found[f"{theirs}.emb_gain"])
        for mine, its in (("first", "conv_res0"), ("second", "conv_res1"), ("skip", "conv_skip")):
            if f"{theirs}.{its}.weight" in found:
                _layer(made, found, f"{ours}.{mine}", f"{theirs}.{its}")
        if heads := block.state["num_heads"]:
            made.heads[f"{ours}.attention"] = heads
            made.put(f"{ours}.attention.qkv.weight", f"{theirs}.attn_qkv.weight",
                     _parted(found[f"{theirs}.attn_qkv.weight"], heads))
            _layer(made, found, f"{ours}.attention.project", f"{theirs}.attn_proj")
    rows = [found[f"{half}.{name}.emb_linear.weight"] for _, half, name in blocks]
    made.put("modulation.weight", f"{blocks[0][1]}.{blocks[0][2]}.emb_linear.weight", torch.cat(rows))


def _settled(shell: Shell, **values: Any) -> None:
    """Raise ValueError for an attribute of another value."""
    for name, value in values.items():
        if shell.state[name] != value:
            raise ValueError(f"{name}={shell.state[name]} and not {value}")
