"""EDM's and EDM2's networks as their pickles hold them, small and random: modules without methods, and what they compute.

Only names, shapes and the order of things are theirs; what a network computes is written down here a second time, from the
papers and the layout of the files, so that it can be compared with ours.
"""

import pickle
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from math import pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Part(nn.Module):
    """A module whose pickle says that it is of the class `kind`, as a persistent class does."""

    def __init__(self, kind: str, **attributes: Any) -> None:
        super().__init__()
        self.kind = kind
        for name, value in attributes.items():
            if isinstance(value, Tensor):
                self.register_parameter(name, nn.Parameter(value))
            elif isinstance(value, dict):
                setattr(self, name, nn.ModuleDict(value))
            else:
                setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        state = {**self.__dict__, "_init_args": (), "_init_kwargs": {"skip_scale": np.sqrt(0.5)}}
        meta = {"type": "class", "version": 6, "module_src": "raise SystemExit", "class_name": self.kind, "state": state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,), None  # type: ignore[attr-defined]


@contextmanager
def modules() -> Iterator[type[dict[str, Any]]]:
    """The modules that such pickles name, while one is written; the class EasyDict."""

    def rebuild(meta: Any) -> None: ...

    rebuild.__module__, rebuild.__qualname__ = "torch_utils.persistence", "_reconstruct_persistent_obj"
    easy = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    made = {name: types.ModuleType(name) for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util")}
    made["torch_utils.persistence"]._reconstruct_persistent_obj = rebuild  # type: ignore[attr-defined]
    made["dnnlib.util"].EasyDict = easy  # type: ignore[attr-defined]
    before = {name: sys.modules.get(name) for name in made}
    sys.modules.update(made)
    try:
        yield easy
    finally:
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


def snapshot(path: Path, net: nn.Module, **more: Any) -> Path:
    """A network-snapshot.pkl."""
    with modules() as easy, open(path, "wb") as file:
        loss = Part("EDMLoss", sigma_data=0.5, P_mean=np.float64(-1.2))
        pickle.dump({"ema": net, "loss_fn": loss, "augment_pipe": None, "dataset_kwargs": easy(path="x"), **more}, file, 4)
    return path


def normal(*size: int, spread: float = 1.0, mean: float = 0.0) -> Tensor:
    return mean + spread * torch.randn(size)


def linear(inputs: int, outputs: int, bias: bool = True) -> Part:
    weight = normal(outputs, inputs, spread=inputs**-0.5)
    return Part("Linear", weight=weight, bias=normal(outputs, spread=0.3) if bias else None)


def conv(inputs: int, outputs: int, size: int, taps: list[int] | None = None) -> Part:
    made = Part("Conv2d", weight=None, bias=None)
    if size:
        weight = normal(outputs, inputs, size, size, spread=1 / (size * sqrt(inputs)))
        made = Part("Conv2d", weight=weight, bias=normal(outputs))
    filter = torch.tensor(taps, dtype=torch.float32) if taps else None
    kernel = filter.outer(filter)[None, None] / filter.sum() ** 2 if filter is not None else None
    made.register_buffer("resample_filter", kernel)
    return made


def norm(width: int) -> Part:
    return Part("GroupNorm", weight=normal(width, spread=0.2, mean=1.0), bias=normal(width, spread=0.2))


def block(inputs: int, outputs: int, embedding: int, adaptive: bool, heads: int, size: str, taps: list[int]) -> Part:
    moved = taps if size else None
    skip = conv(inputs, outputs, 1 if inputs != outputs or not adaptive else 0, moved) if inputs != outputs or size else None
    attention = {"norm2": norm(outputs), "qkv": conv(outputs, 3 * outputs, 1), "proj": conv(outputs, outputs, 1)}
    return Part("UNetBlock", num_heads=heads, size=size, adaptive=adaptive, inputs=inputs, norm0=norm(inputs),
                conv0=conv(inputs, outputs, 3, moved), affine=linear(embedding, outputs * (1 + adaptive)), norm1=norm(outputs),
                conv1=conv(outputs, outputs, 3), skip=skip, **(attention if heads else {}))


def edm(
    kind: str, side: int = 8, channels: int = 64, multipliers: tuple[int, ...] = (1, 2), blocks: int = 1,
    attends: tuple[int, ...] = (4,), classes: int = 0, augment: int = 0, colours: int = 3, sigma_data: float = 0.5,
) -> Part:
    """An EDMPrecond of kind ddpmpp, ncsnpp or adm."""
    adaptive, residual = kind == "adm", kind == "ncsnpp"
    taps, wide, features = [1, 3, 3, 1] if residual else [1, 1], 4 * channels, channels * (1 + residual)

    def made(inputs: int, outputs: int, attention: bool = False, size: str = "") -> Part:
        heads = 0 if not attention else max(outputs // 64, 1) if adaptive else 1
        return block(inputs, outputs, wide, adaptive, heads, size, taps)

    first = channels * multipliers[0] if adaptive else channels
    down: dict[str, nn.Module] = {f"{side}x{side}_conv": conv(colours, first, 3)}
    width, left, above = first, [first], colours
    for level, multiplier in enumerate(multipliers):
        at = f"{side >> level}x{side >> level}"
        if level:
            down[f"{at}_down"] = made(width, width, size="down")
            if residual:
                down[f"{at}_aux_residual"] = conv(above, width, 3, taps)
                above = width
            left.append(width)
        for i in range(blocks):
            down[f"{at}_block{i}"] = made(width, channels * multiplier, side >> level in attends)
            width = channels * multiplier
            left.append(width)
    up: dict[str, nn.Module] = {}
    for level, multiplier in reversed(list(enumerate(multipliers))):
        at = f"{side >> level}x{side >> level}"
        if level == len(multipliers) - 1:
            up |= {f"{at}_in0": made(width, width, True), f"{at}_in1": made(width, width)}
        else:
            up[f"{at}_up"] = made(width, width, size="up")
        for i in range(blocks + 1):
            attention = side >> level in attends and (adaptive or i == blocks)
            up[f"{at}_block{i}"] = made(width + left.pop(), channels * multiplier, attention)
            width = channels * multiplier
    ends = {"out_norm": norm(width), "out_conv": conv(width, colours, 3)}
    if not adaptive:
        up |= {f"{side}x{side}_aux_norm": ends.pop("out_norm"), f"{side}x{side}_aux_conv": ends.pop("out_conv")}
    noise = Part("FourierEmbedding" if residual else "PositionalEmbedding")
    if residual:
        noise.register_buffer("freqs", normal(features // 2, spread=2.0))
    net = Part("DhariwalUNet" if adaptive else "SongUNet", map_noise=noise, map_layer0=linear(features, wide),
               map_layer1=linear(wide, wide), enc=down, dec=up, **ends,
               map_label=linear(classes, wide if adaptive else features, not adaptive) if classes else None,
               map_augment=linear(augment, features, False) if augment else None)
    return Part("EDMPrecond", img_resolution=side, img_channels=colours, label_dim=classes, sigma_min=0, sigma_max=float("inf"),
                sigma_data=sigma_data, use_fp16=False, model=net)


def edm2(
    side: int = 8, channels: int = 64, multipliers: tuple[int, ...] = (1, 2), blocks: int = 1, attends: tuple[int, ...] = (4,),
    classes: int = 0, colours: int = 3, sigma_data: float = 0.5,
) -> Part:
    """A Precond."""
    widths = [channels * multiplier for multiplier in multipliers]

    def weight(*size: int) -> Part:
        return Part("MPConv", weight=normal(*size, spread=0.7))

    def made(inputs: int, outputs: int, flavor: str, attention: bool = False, mode: str = "keep") -> Part:
        heads, qkv = (outputs // 64 if attention else 0), weight(3 * outputs, outputs, 1, 1)
        return Part("Block", num_heads=heads, flavor=flavor, resample_mode=mode, resample_filter=[1, 1], res_balance=0.3,
                    attn_balance=0.3, clip_act=256, dropout=0, emb_gain=normal(), emb_linear=weight(outputs, max(widths)),
                    conv_res0=weight(outputs, outputs if flavor == "enc" else inputs, 3, 3),
                    conv_res1=weight(outputs, outputs, 3, 3),
                    conv_skip=weight(outputs, inputs, 1, 1) if inputs != outputs else None,
                    attn_qkv=qkv if heads else None, attn_proj=weight(outputs, outputs, 1, 1) if heads else None)

    down: dict[str, nn.Module] = {f"{side}x{side}_conv": weight(widths[0], colours + 1, 3, 3)}
    width, left = widths[0], [widths[0]]
    for level, outputs in enumerate(widths):
        at = f"{side >> level}x{side >> level}"
        if level:
            down[f"{at}_down"] = made(width, width, "enc", mode="down")
            left.append(width)
        for i in range(blocks):
            down[f"{at}_block{i}"] = made(width, outputs, "enc", side >> level in attends)
            width = outputs
            left.append(width)
    up: dict[str, nn.Module] = {}
    for level, outputs in reversed(list(enumerate(widths))):
        at = f"{side >> level}x{side >> level}"
        if level == len(widths) - 1:
            up |= {f"{at}_in0": made(width, width, "dec", True), f"{at}_in1": made(width, width, "dec")}
        else:
            up[f"{at}_up"] = made(width, width, "dec", mode="up")
        for i in range(blocks + 1):
            up[f"{at}_block{i}"] = made(width + left.pop(), outputs, "dec", side >> level in attends)
            width = outputs
    noise = Part("MPFourier")
    noise.register_buffer("freqs", 2 * pi * normal(widths[0], spread=0.3))
    noise.register_buffer("phases", 2 * pi * torch.rand(widths[0]))
    net = Part("UNet", label_balance=0.5, concat_balance=0.5, out_gain=normal(mean=1.0), emb_fourier=noise,
               emb_noise=weight(max(widths), widths[0]), emb_label=weight(max(widths), classes) if classes else None,
               enc=down, dec=up, out_conv=weight(colours, width, 3, 3))
    return Part("Precond", img_resolution=side, img_channels=colours, label_dim=classes, use_fp16=True, sigma_data=sigma_data,
                unet=net, logvar_fourier=Part("MPFourier"), logvar_linear=weight(1, 128))


def denoised(precond: Any, y: Tensor, sigma: Tensor, condition: Tensor | None = None) -> Tensor:
    """D(y; sigma), for y (B, C, H, W) and sigma (B,); condition: numbers (B, classes + augment)."""
    sd, wide = precond.sigma_data, sigma[:, None, None, None]
    run = _song if precond.kind == "EDMPrecond" else _magnitudes
    total = wide**2 + sd**2
    inner = run(precond.model if run is _song else precond.unet, y / total.sqrt(), sigma.log() / 4, condition)
    out: Tensor = sd**2 / total * y + wide * sd / total.sqrt() * inner
    return out


def _song(net: Any, x: Tensor, noise: Tensor, condition: Tensor | None) -> Tensor:
    adaptive = net.kind == "DhariwalUNet"
    features = net.map_layer0.weight.shape[1]
    if hasattr(net.map_noise, "freqs"):
        turn = 2 * pi * net.map_noise.freqs
    else:
        turn = 10_000.0 ** -(torch.arange(features // 2) / (features // 2 - (not adaptive)))
    angle = noise[:, None] * turn.to(x)
    emb = torch.cat([angle.cos(), angle.sin()] if adaptive else [angle.sin(), angle.cos()], 1)
    classes = net.map_label.weight.shape[1] if net.map_label is not None else 0
    if condition is None:
        condition = x.new_zeros(len(x), classes + (0 if net.map_augment is None else net.map_augment.weight.shape[1]))
    if net.map_augment is not None:
        emb = emb + _product(net.map_augment, condition[:, classes:])
    if classes and not adaptive:
        emb = emb + _product(net.map_label, sqrt(classes) * condition[:, :classes])
    emb = _product(net.map_layer1, F.silu(_product(net.map_layer0, emb)))
    if classes and adaptive:
        emb = emb + _product(net.map_label, condition[:, :classes])
    emb = F.silu(emb)
    left: list[Tensor] = []
    side = x
    for name, part in net.enc.items():
        if name.endswith("aux_residual"):
            w, f = part.weight, part.resample_filter
            side = F.conv2d(F.conv2d(side, w, padding=2), f.expand(len(w), -1, -1, -1), stride=2, groups=len(w))
            side = (side + part.bias[:, None, None] + x) / sqrt(2)
            x = left[-1] = side
        else:
            x = _convolved(part, x) if name.endswith("conv") else _block(part, x, emb)
            left.append(x)
    for name, part in net.dec.items():
        if name.endswith("aux_norm"):
            x = F.silu(_normed(part, x, 1e-6))
        elif name.endswith("aux_conv"):
            return _convolved(part, x)
        else:
            x = _block(part, x if part.inputs == x.shape[1] else torch.cat([x, left.pop()], 1), emb)
    return _convolved(net.out_conv, F.silu(_normed(net.out_norm, x, 1e-5)))


def _product(part: Any, x: Tensor) -> Tensor:
    return F.linear(x, part.weight, part.bias)


def _normed(part: Any, x: Tensor, eps: float) -> Tensor:
    width = x.shape[1]
    return F.group_norm(x, min(32, width // 4), part.weight, part.bias, eps)


def _resized(part: Any, x: Tensor, size: str) -> Tensor:
    f, width = part.resample_filter, x.shape[1]
    if not size:
        return x
    pad = (f.shape[-1] - 1) // 2
    if size == "down":
        return F.conv2d(x, f.expand(width, -1, -1, -1), stride=2, padding=pad, groups=width)
    return F.conv_transpose2d(x, 4 * f.expand(width, -1, -1, -1), stride=2, padding=pad, groups=width)


def _convolved(part: Any, x: Tensor, size: str = "") -> Tensor:
    x = _resized(part, x, size)
    return x if part.weight is None else F.conv2d(x, part.weight, part.bias, padding=part.weight.shape[-1] // 2)


def _block(part: Any, x: Tensor, emb: Tensor) -> Tensor:
    eps, scale = (1e-5, 1.0) if part.adaptive else (1e-6, sqrt(0.5))
    h = _convolved(part.conv0, F.silu(_normed(part.norm0, x, eps)), part.size)
    change = _product(part.affine, emb)[:, :, None, None]
    if part.adaptive:
        factor, shift = change.chunk(2, 1)
        h = _normed(part.norm1, h, eps) * (1 + factor) + shift
    else:
        h = _normed(part.norm1, h + change, eps)
    h = scale * (_convolved(part.conv1, F.silu(h)) + (x if part.skip is None else _convolved(part.skip, x, part.size)))
    if part.num_heads:
        qkv = _convolved(part.qkv, _normed(part.norm2, h, eps)).flatten(2)
        h = scale * (h + _convolved(part.proj, _attended(qkv, part.num_heads).reshape(h.shape)))
    return h


def _attended(qkv: Tensor, heads: int, norm: bool = False) -> Tensor:
    """Channels are (head, channel, which of q, k and v)."""
    parts = qkv.unflatten(1, (heads, -1, 3))
    if norm:
        parts = parts / (1e-4 + parts.square().mean(2, keepdim=True).sqrt())
    q, k, v = parts.unbind(3)
    weight = torch.softmax(torch.einsum("nhcq,nhck->nhqk", q, k) / sqrt(q.shape[2]), 3)
    return torch.einsum("nhqk,nhck->nhcq", weight, v)


def _magnitudes(net: Any, x: Tensor, noise: Tensor, condition: Tensor | None) -> Tensor:
    turn = noise[:, None] * net.emb_fourier.freqs + net.emb_fourier.phases
    emb = _unit(net.emb_noise, sqrt(2) * turn.cos())
    if net.emb_label is not None:
        classes = net.emb_label.weight.shape[1]
        labels = x.new_zeros(len(x), classes) if condition is None else condition
        emb = (emb + _unit(net.emb_label, sqrt(classes) * labels)) / 2 / sqrt(0.5)
    emb = _silu(emb)
    x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
    left = []
    for name, part in net.enc.items():
        x = _unit(part, x) if name.endswith("conv") else _magnitude_block(part, x, emb)
        left.append(x)
    for name, part in net.dec.items():
        if "block" in name:
            other = left.pop()
            total = x.shape[1] + other.shape[1]
            x = torch.cat([x * sqrt(total / 2 / x.shape[1]), other * sqrt(total / 2 / other.shape[1])], 1)
        x = _magnitude_block(part, x, emb)
    return _unit(net.out_conv, x) * net.out_gain


def _unit(part: Any, x: Tensor) -> Tensor:
    w = part.weight
    size = w.flatten(1).square().mean(1).sqrt().reshape(-1, *[1] * (w.ndim - 1))
    w = w / (1e-4 + size) / sqrt(w[0].numel())
    return F.linear(x, w) if w.ndim == 2 else F.conv2d(x, w, padding=w.shape[-1] // 2)


def _silu(x: Tensor) -> Tensor:
    return F.silu(x) / 0.596


def _magnitude_block(part: Any, x: Tensor, emb: Tensor) -> Tensor:
    if part.resample_mode != "keep":
        x = F.avg_pool2d(x, 2) if part.resample_mode == "down" else F.interpolate(x, scale_factor=2.0)
    skipped = x if part.conv_skip is None else _unit(part.conv_skip, x)
    if part.flavor == "enc":
        x = skipped = skipped / (1e-4 + skipped.square().mean(1, keepdim=True).sqrt())
    h = _unit(part.conv_res0, _silu(x)) * (1 + part.emb_gain * _unit(part.emb_linear, emb))[:, :, None, None]
    h = (0.7 * skipped + 0.3 * _unit(part.conv_res1, _silu(h))) / sqrt(0.58)
    if part.num_heads:
        attended = _attended(_unit(part.attn_qkv, h).flatten(2), part.num_heads, norm=True).reshape(h.shape)
        h = (0.7 * h + 0.3 * _unit(part.attn_proj, attended)) / sqrt(0.58)
    return h.clamp(-256, 256)
