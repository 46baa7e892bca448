"""Small networks of every kind, moved off their zero start, and what they are given."""

import torch
from specs import network
from torch import Tensor, nn

from bench.nets import Backbone

LEVELS = {"channels": 8, "multipliers": [1, 2], "blocks": 1, "attention": [4], "dropout": 0.0}
SMALL: dict[str, dict[str, object]] = {
    "mlp": {"name": "mlp", "width": 32, "depth": 2, "embedding": 16}, "unet": {"name": "unet", "embedding": 16, **LEVELS},
    "ddpmpp": {"name": "ddpmpp", **LEVELS}, "adm": {"name": "adm", **LEVELS},
    "ncsnpp": {"name": "ncsnpp", "fourier_scale": 0.1, **LEVELS}, "edm2": {"name": "edm2", **LEVELS},
    "dit": {"name": "dit", "width": 16, "depth": 2, "heads": 2},
}  # fmt: skip
SHAPES = [("mlp", (2,)), *((name, (1, 8, 8)) for name in SMALL)]


def made(name: str, shape: tuple[int, ...], seed: int = 0, **options: object) -> nn.Module:
    return Backbone(network({**SMALL[name], **options}), shape, seed).net()


def stirred(net: nn.Module, seed: int = 1) -> nn.Module:
    """All parameters away from their zeros, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            inputs = p.numel() // len(p) if p.ndim else 1
            p.add_(0.2 * torch.randn(p.shape, generator=generator, dtype=p.dtype) / inputs**0.5)
    return net


def inputs(shape: tuple[int, ...], rows: int = 4, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(rows, *shape, generator=generator, dtype=dtype)
    s, t = torch.rand(2, rows, generator=generator, dtype=dtype)
    return x, s, t
