"""Sums and means over a sample's entries: how the loss of every method grows when a sample is tiled.

Data, noise and network are those of one small sample, side by side k times. Every residual is then the same k times over:
|r|^2 = S becomes k S, and D entries become k D. What a loss makes of S and D is the paper's formula in `FORMULAS`, applied to
the S that the method has without its adaptive, robust or learned weight; a method that is not named there is a plain sum, k S.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import pytest
import torch
from contract import METHODS
from oracle import Weight, context
from passes import BUDGET, VARIANTS, method_of
from torch import Tensor, nn

from methods.base import Batch, Context, Loss, Method
from methods.consistency import Distance
from methods.imm import IMM

B, D = 16, 2
CASES = [*METHODS, "soflow_velocity", "ayf_emd_guided"]
STAGED = [(name, stage) for name in CASES for stage in ((0, -1) if len(method_of(name).stages(BUDGET)) > 1 else (-1,))]


class Blocks(nn.Module):
    """A small network on every D entries by themselves."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(0.5 * torch.randn(D, D, generator=g, dtype=torch.float64))

    def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
        blocks = x.reshape(len(x), -1, D)
        out = torch.tanh(blocks @ self.weight + s[:, None, None] - 0.7 * t[:, None, None])
        return out.reshape(x.shape)


class Noted(Weight):
    """The learned weight, with its last values."""

    def forward(self, s: Tensor, t: Tensor) -> Tensor:
        self.values = super().forward(s, t)
        return self.values


class Tiled:
    """Draws whose noise for k D entries is that for D, k times."""

    def __init__(self, draws: Any, k: int) -> None:
        self.draws, self.rows, self.k = draws, draws.rows, k

    def normal(self, purpose: str, *shape: int) -> Tensor:
        return self.draws.normal(purpose, D).repeat(1, self.k)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.draws, name)


@dataclass
class Taken:
    """Losses of one step, and the learned weight's values in their order."""

    losses: dict[str, Loss]
    w: Tensor


def taken(method: Method, k: int, stage: int) -> Taken:
    """Of a batch whose samples are tiled k times."""
    at = context(method, B, progress=0.5, stage=method.stages(BUDGET)[stage])
    nets = [Blocks(seed) for seed in range(4)]
    at = Context(
        Tiled(at.draws, k), at.progress, at.stage, lambda x, t, c: nets[1](x, t, t), lambda x, t, c: nets[2](x, t, t),
        {"net": nets[3]} if method.needs.target_ema else None,
    )  # fmt: skip
    weight = Noted(0.3)
    models = {"net": nets[0], "teacher": nets[1], "first": nets[1], "fake": nets[2], "encoder": nets[2], "weight": weight}
    x_1 = torch.randn(B, D, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    wanted = method.needs.trajectories
    states = None
    if wanted is not None:
        g = torch.Generator().manual_seed(8)
        states = torch.randn(B, 1 + len(wanted.kept), D, generator=g, dtype=torch.float64).repeat(1, 1, k)
    losses = method.losses(models, Batch(x_1.repeat(1, k), None, states), at)
    return Taken(losses, getattr(weight, "values", torch.zeros(B)))


@dataclass(frozen=True)
class Formula:
    """plain: knobs under which the loss is S, or S by its own scale `of`; loss: of k S, k D, the learned w and the pair's."""

    plain: dict[str, Any]
    loss: Callable[[Tensor, int, Tensor, Tensor], Tensor]
    of: Callable[[Tensor], Tensor] = lambda plain: plain


def robust(c: float | None) -> Formula:
    """The pair's weight times sqrt(S + c^2) - c; c None is .00054 sqrt(D)."""

    def loss(S: Tensor, size: int, w: Tensor, pair: Tensor) -> Tensor:
        constant = 0.00054 * sqrt(size) if c is None else c
        return pair * (torch.sqrt(S + constant**2) - constant)

    return Formula({"distance": Distance.SQUARED}, loss)


def unit(S: Tensor) -> Tensor:
    """| g / (|g| + .1) |^2 of |g|^2."""
    return S / (torch.sqrt(S) + 0.1) ** 2


PLAIN = Formula({}, lambda S, size, w, pair: S)
LEARNED = Formula({"learned_weight": False}, lambda S, size, w, pair: torch.exp(-w) * S + w)
CONTINUOUS = Formula({"learned_weight": False, "normalise": False},
                     lambda S, size, w, pair: torch.exp(w) * unit(S) / size - w, lambda plain: plain * D)
ALIGNED = Formula({"normalise": False}, lambda S, size, w, pair: unit(S))
# The plain half of the mean over D entries is S / (2 D); on the diagonal there is no half.
SOFLOW = Formula({"power": 0.0}, lambda S, size, w, pair: S / size / 2 * (S / size + 1e-3) ** -0.75,
                 lambda plain: 2 * D * plain)
FORMULAS: dict[str, Formula] = {
    "meanflow": Formula({"power": 0.0}, lambda S, size, w, pair: S * (S + 1e-3) ** -0.75),
    "re_meanflow": Formula({"power": 0.0}, lambda S, size, w, pair: S / size * (S / size + 1e-2) ** -0.5,
                           lambda plain: D * plain),
    "soflow": SOFLOW,
    "tvm": Formula({}, lambda S, size, w, pair: S / size, lambda plain: D * plain),
    "ect": robust(1e-6), "ict": robust(None), "tcm": robust(1e-8), "gaf": robust(None), "cmt": robust(1e-6), "cmt-first": PLAIN,
    "lsd": LEARNED, "esd": LEARNED, "psd_m": LEARNED, "psd_u": LEARNED,
    "sct": CONTINUOUS, "scd": CONTINUOUS,
    "dmd2 net": Formula({}, lambda S, size, w, pair: D * S / size),  # a mean of squares of what a mean divides
    "drifting": Formula({}, lambda S, size, w, pair: D * S / size),  # likewise, in units that grow with the samples
    "ayf_emd": ALIGNED, "ayf_lmd": ALIGNED, "ayf_emd_guided": ALIGNED,
}  # fmt: skip
# Not a function of one S: see below; those of several terms have their definitions written out in tests of their own.
OWN = {"imm", "soflow_velocity", "imf", "alphaflow", "tim", "facm", "decoupled_meanflow", "sida", "esc", "ctm_gan"}


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("name", "stage"), [each for each in STAGED if each[0] not in OWN])
def test_a_loss_sums_or_averages_over_entries_as_its_paper_does(name: str, stage: int, k: int) -> None:
    method = method_of(name)
    own = FORMULAS.get(name if stage else f"{name}-first", FORMULAS.get(name, PLAIN))
    plain = taken(replace(method, **own.plain), 1, stage)
    found = taken(method, k, stage)
    for key, loss in found.losses.items():
        formula = FORMULAS.get(f"{name} {key}", own)
        values, raw = plain.losses[key].per_sample, plain.losses[key].parts.get("raw")
        pair = torch.ones(B)
        if isinstance(getattr(method, "distance", None), Distance) and raw is not None:
            values, pair = raw, values / raw  # the pair's weight is no part of S
        expected = formula.loss(k * formula.of(values), k * D, found.w, pair)
        assert loss.per_sample.min() != loss.per_sample.max()
        torch.testing.assert_close(loss.per_sample.detach(), expected.detach(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("k", [1, 3])
def test_soflow_averages_on_the_diagonal_too(k: int) -> None:
    method = VARIANTS["soflow_velocity"]
    n = round(B * 0.75)
    plain = taken(replace(method, power=0.0), 1, -1).losses["net"].per_sample  # type: ignore[call-arg]
    mean = torch.cat([2 * plain[:n], plain[n:]])
    expected = (mean + 1e-3) ** -0.75 * mean * torch.cat([torch.full((n,), 0.5), torch.ones(B - n)])
    torch.testing.assert_close(taken(method, k, -1).losses["net"].per_sample, expected, rtol=1e-8, atol=1e-10)


def test_moment_matching_divides_the_distance_by_the_number_of_entries() -> None:
    """Its kernel is exp(-|a - b| / (D s_0 |t - s|)): of k tiles |a - b| / D is that of one over sqrt k."""

    class Wider(IMM):
        def _mean(self, a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
            return super()._mean(a, b, sqrt(4) * scale)

    tiled = taken(IMM(eps=1e-14), 4, -1).losses["net"].per_sample
    assert tiled.abs().max() > 1e-6
    torch.testing.assert_close(tiled, taken(Wider(eps=1e-14), 1, -1).losses["net"].per_sample, rtol=1e-6, atol=1e-12)
