"""Every pass through a network that a loss or a jump makes: whose it is, and which samples, labels, times and mask it saw.

A sample is known by its last entry, a tag that its noise and its data share. No network moves it, so on the linear clock
every point of a way, every jump and every solver's step keeps it.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from contract import few, made
from oracle import CPU, Weight
from torch import Tensor, nn

from bench.training.rng import StepDraws
from methods.base import Batch, Context, Loss, Method
from methods.consistency import CD
from methods.ctm import CTM
from methods.distribution_matching import DMD2
from methods.self_distillation import LSD, StopGradient
from methods.soflow import SoFlow
from methods.tools import Derivative, Mask

B, D = 16, 3
LABELS = (5 * torch.arange(B) + 3) % B  # a class of its own for every sample
BUDGET = 2**20


@dataclass
class Pass:
    """One call, by rows. tag (n,): the global index of each row's sample. mask (n, 3): its numbers, None without dropout."""

    role: str
    trains: bool  # whether a gradient reaches the parameters
    tag: Tensor
    s: Tensor
    t: Tensor
    label: Tensor | None
    mask: Tensor | None

    @property
    def key(self) -> str:
        """The role; "net+" where the pass is trained and "net-" where it gives a target."""
        return self.role if self.role != "net" else f"net{'+' if self.trains else '-'}"


class Spy(nn.Module):
    """A network on (n, D) that notes its passes, depends on all its arguments and leaves the tag alone."""

    def __init__(self, role: str, log: list[Pass]) -> None:
        super().__init__()
        self.role, self.log = role, log
        size = 0.2 if role == "fake" else 0.3  # unlike its teacher: a generator is moved by what they differ in
        self.theta = nn.Parameter(torch.full((D - 1,), size, dtype=torch.float64))

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: Mask | None = None
    ) -> Tensor:
        trains = torch.is_grad_enabled() and self.theta.requires_grad
        mask = None if dropout is None else dropout("block", (len(x), 3))
        self.log.append(Pass(self.role, trains, x[:, -1].detach(), s.detach(), t.detach(), condition, mask))
        label = 0.0 if condition is None else 0.1 * condition[:, None]
        kept = 1.0 if mask is None else (mask[:, :1] > 0).to(x)
        h = torch.tanh(x[:, :-1] + s[:, None] - 2 * t[:, None] + label) * kept
        return torch.cat([h * self.theta, torch.zeros_like(x[:, -1:])], 1)


class TaggedDraws:
    """A step's draws whose noise carries the tag; they note the purposes of dropout."""

    def __init__(self, draws: StepDraws) -> None:
        self.draws, self.rows = draws, draws.rows
        self.purposes: list[str] = []

    def normal(self, purpose: str, *shape: int) -> Tensor:
        return tagged(self.draws.normal(purpose, *shape))

    def dropout(self, purpose: str, positions: Tensor | None = None) -> Mask | None:
        self.purposes.append(purpose)
        return self.draws.dropout(purpose, positions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.draws, name)


def tagged(x: Tensor) -> Tensor:
    """x (B, ..., D) with the index of its sample in the last entry."""
    x = x.clone()
    x[..., -1] = torch.arange(len(x), dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 2))
    return x


@dataclass
class Seen:
    """What one evaluation of a method's losses did."""

    passes: list[Pass]
    draws: TaggedDraws
    losses: dict[str, Loss] = field(default_factory=dict)

    def mask(self, made: Pass) -> str | None:
        """The purpose whose mask the pass's rows had, each its own sample's; None without one, "another" for any other."""
        if made.mask is None:
            return None
        slots = max(1, len(made.tag) // B)  # a neural operator has several rows a sample, each with a mask of its own
        for purpose in dict.fromkeys(self.draws.purposes):
            whole = self.draws.draws.dropout(purpose)
            assert whole is not None
            if slots > 1:
                own = whole("block", (B, slots, 3)).flatten(0, 1)
            else:
                own = whole("block", (B, 3))[made.tag.round().long()]
            if torch.equal(own, made.mask):
                return purpose
        return "another"


def networks(method: Method, log: list[Pass]) -> dict[str, nn.Module]:
    """A spy in every role; the weight of a loss is no network."""
    return {role: Weight(0.1) if role == "weight" else Spy(role, log) for role in method.build(_Backbone())}


class _Backbone:
    """For the names of the roles."""

    def net(self) -> nn.Module:
        return nn.Identity()

    def weight(self) -> nn.Module:
        return nn.Identity()

    def decoupled(self) -> nn.Module:
        return nn.Identity()

    def critic(self) -> nn.Module:
        return nn.Identity()

    def operator(self, slots: int, modes: int) -> nn.Module:
        return nn.Identity()


def seen(method: Method, stage: int = -1, labelled: bool = True, dropout: bool = True, step: int = 0) -> Seen:
    """The losses of one step of a stage, half-way through the budget, and the passes that they made."""
    log: list[Pass] = []
    draws = TaggedDraws(StepDraws(0, step, range(B), B, CPU, dtype=torch.float64, training=dropout))
    slow = Spy("slow", log).requires_grad_(False) if method.needs.target_ema else None
    teacher, weak = (Spy(role, log).requires_grad_(False) for role in ("taught", "weak"))
    at = Context(
        draws, 0.5, method.stages(BUDGET)[stage], lambda x, t, c: teacher(x, t, t, condition=c),
        lambda x, t, c: weak(x, t, t, condition=c), slow and {"net": slow},
    )  # fmt: skip
    g = torch.Generator().manual_seed(1)
    x_1 = tagged(torch.randn(B, D, generator=g, dtype=torch.float64))
    wanted = method.needs.trajectories
    states = None
    if wanted is not None:
        states = tagged(torch.randn(B, 1 + len(wanted.kept), D, generator=g, dtype=torch.float64))
    found = Seen(log, draws)
    found.losses = method.losses(networks(method, log), Batch(x_1, LABELS if labelled else None, states), at)
    return found


# Settings beside the defaults that make other passes.
VARIANTS: dict[str, Method] = {
    "cd_slow": CD(target_ema=0.9),
    "ctm_alone": CTM(target_ema=0.0),
    "ctm_fixed": CTM(balance=False),
    "soflow_velocity": SoFlow(velocity_share=0.25),
    "ayf_emd_guided": replace(made("ayf_emd"), guidance_high=3.0),  # type: ignore[call-arg]
    "meanflow_finite": replace(made("meanflow"), derivative=Derivative.FINITE),  # type: ignore[call-arg]
    "lsd_detached": LSD(stop_gradient=StopGradient.DETACHED),
    "dmd2_critic": DMD2(critic=0.1),
    "lsd_none": LSD(stop_gradient=StopGradient.NONE),
}

# The tags of noise are as they are only near pure noise, where others begin.
TAGGED: dict[str, dict[str, Any]] = {name: {"sigma_init": 1e3} for name in ("sid", "sida")}


def method_of(case: str) -> Method:
    """The method at its defaults, or one of `VARIANTS`."""
    return VARIANTS[case] if case in VARIANTS else replace(few(case), **TAGGED.get(case, {}))
