"""The contract between a method and the harness.

A method says which networks it needs, in which stages they are trained, what each sample's loss is, and how to jump
along the learned flow map. The harness owns everything else: data, randomness, reduction over the batch, optimizers,
EMAs, checkpoints, evaluation. A loss is pure: the same arguments give the same numbers on every rank and micro-batch.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from methods.tools import Interpolant, Linear, Mask, Solver, conditioned, everywhere

Models = Mapping[str, nn.Module]
TeacherVelocity = Callable[[Tensor, Tensor, Tensor | None], Tensor]  # (x, t, condition) -> b_t(x)


class Backbone(Protocol):
    """Makes the networks of one comparison; every method receives the same one."""

    def net(self) -> nn.Module:
        """net(x, s, t, condition=None, dropout=None) -> v_{s,t}(x), shape of x (B, ...); s, t (B,)."""
        ...

    def weight(self) -> nn.Module:
        """weight(s, t) -> w_{s,t}, shape (B,), zero before training."""
        ...

    def decoupled(self) -> nn.Module:
        """`net` whose first part sees s alone and whose last part t alone: with the same weights the same at s = t."""
        ...

    def scaled(self) -> nn.Module:
        """`net` that is told a scale of guidance too (`with_scale`): with the same weights the same at the scale 1."""
        ...

    def critic(self) -> nn.Module:
        """critic(x, s, t, condition=None, dropout=None) -> logits (B, places) of being data; a small network, zero before
        training."""
        ...

    def operator(self, slots: int, modes: int) -> nn.Module:
        """`net` with blocks that mix `slots` neighbouring rows (the times of one sample) in `modes` frequencies.

        Called as `net` is, on a multiple of `slots` rows. Its shared part has the names and the values of `net`, and
        before training it gives the same numbers.
        """
        ...


class Draws(Protocol):
    """Random numbers of one training step, as pure functions of (seed, purpose, step, global sample index)."""

    rows: range  # global indices of the samples in this slice of the batch
    device: torch.device  # where the numbers are

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """(len(rows), *shape) in [0, 1)."""
        ...

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """(len(rows), *shape), standard normal."""
        ...

    def common(self, purpose: str) -> float:
        """One uniform number shared by the whole global batch of this step."""
        ...

    def split(self, share: float) -> tuple[Tensor, Tensor]:
        """Positions in this slice of the samples inside and outside a fixed share of the global batch.

        Sample i is inside when floor((i+1) share) > floor(i share): exactly floor(B share) of B samples, spread evenly,
        so that every slice has its part and no random number or device synchronisation is spent on it.
        """
        ...

    def dropout(self, purpose: str, positions: Tensor | None = None) -> Mask | None:
        """A key for dropout masks, None where dropout is off: passes that are given the same purpose share them.

        positions: which samples of this slice the pass sees, when not all.
        """
        ...


@dataclass(frozen=True)
class Batch:
    """Data of one slice: x_1 (B, ...) and what a network is told of it: class labels (B,), or numbers (B, K) where augmentation
    is told too, or None.

    null: the same with the class of every sample dropped, in a class-conditional run. A share of the samples (train.label_drop)
    is trained without its class: there `condition` is `null`.

    states (B, 1 + times, ...): teacher trajectories from x_0 on, for a method with needs.trajectories; they have nothing
    to do with x_1.
    """

    x_1: Tensor
    condition: Tensor | None = None
    states: Tensor | None = None
    null: Tensor | None = None

    def solved(self) -> Tensor:
        """`states`. Raises ValueError where the harness handed none in."""
        if self.states is None:
            raise ValueError("this method needs a teacher's trajectories, and the batch has none")
        return self.states

    def guidable(self) -> tuple[Tensor, Tensor, Tensor]:
        """`condition`, `null`, and which samples (B,) have a class. Raises ValueError where the run has no classes."""
        if self.condition is None or self.null is None:
            raise ValueError("guided targets need class labels, and the batch has none")
        return self.condition, self.null, (self.condition != self.null).reshape(len(self.null), -1).any(1)


@dataclass(frozen=True)
class Stage:
    """A part of training with an optimizer and a learning-rate schedule of its own.

    `trained` maps the name of a loss to the roles whose parameters it moves. `prepare(models, previous)` runs once at
    the start and edits `models` in place; `previous` holds the networks as evaluated (EMA) at the end of the stage
    before, or {"net": teacher network} in the first stage of a method that has a teacher.
    `balanced` maps the name of a further loss to one in `trained`: its gradient, on the same parameters and scaled to the
    other's length at the last layer (the module `head`) of those networks, both of the whole batch, is added to it. Where
    several are balanced with one, each is scaled to what that one is without the rest.
    `every`: a loss named there is taken in every n-th step only, the last of each n, and its optimizer rests in the others.
    What `losses` is handed as `context.stage` has the losses of its step alone, and those it returns. Raises ValueError for
    a step without any.
    """

    name: str
    images: int
    trained: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"net": ("net",)})
    prepare: Callable[[Models, Models], None] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    balanced: Mapping[str, str] = field(default_factory=dict)
    every: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, n in self.every.items():
            if name not in self.trained or n < 1:
                raise ValueError(f"stage {self.name} takes {name!r} every {n} steps: name one of {sorted(self.trained)}, and "
                                 "1 or more")
        if self.trained and self.trained.keys() <= {name for name, n in self.every.items() if n > 1}:
            raise ValueError(f"stage {self.name} takes no loss in its first step: leave one of {sorted(self.trained)} out of "
                             "`every`")

    @property
    def cycle(self) -> int:
        """Steps after which the losses that are taken repeat."""
        return math.lcm(*self.every.values())

    @property
    def different(self) -> "dict[int, Stage]":
        """The first step that takes each set of losses, and `at` it."""
        found = {tuple(self.at(step).trained): step for step in reversed(range(self.cycle))}
        return {step: self.at(step) for step in sorted(found.values())}

    def at(self, step: int) -> "Stage":
        """This stage with the losses of one of its steps, which begin at 0."""
        left = {name for name, n in self.every.items() if (step + 1) % n}
        if not left:
            return self
        return replace(
            self, trained={name: roles for name, roles in self.trained.items() if name not in left},
            balanced={name: other for name, other in self.balanced.items() if other not in left}, every={},
        )  # fmt: skip


@dataclass(frozen=True)
class Context:
    """What a loss may look at besides its arguments."""

    draws: Draws
    progress: float | Tensor  # share of the whole budget done before this step, in [0, 1); in a compiled step on the device
    stage: Stage
    teacher: TeacherVelocity | None = None  # (x, t, condition) -> b_t(x), frozen
    weak_teacher: TeacherVelocity | None = None  # likewise (needs.weak_teacher)
    target: Models | None = None  # slow copies of the networks (needs.target_ema)

    def noise(self, like: Tensor) -> Tensor:
        """Standard normal noise of the shape of `like`, one tensor per sample; the same within a step."""
        return self.draws.normal("x_0", *like.shape[1:])

    def uniform_pair(self, purpose: str) -> tuple[Tensor, Tensor]:
        """Two independent (B,) uniforms."""
        u = self.draws.uniform(purpose, 2)
        return u[:, 0], u[:, 1]

    def grouped_uniform(self, purpose: str, group: int) -> Tensor:
        """(B,) uniforms shared by `group` neighbouring samples; slices never cut a group (needs.group)."""
        return self.draws.uniform(purpose).reshape(-1, group)[:, :1].expand(-1, group).reshape(-1)

    def split(self, share: float) -> tuple[Tensor, Tensor]:
        """See `Draws.split`."""
        return self.draws.split(share)

    def teach(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """b_t(x) of the frozen teacher. Raises if the harness handed none in."""
        if self.teacher is None:
            raise ValueError("this method needs a teacher, and the context has none")
        return self.teacher(x, t, condition)

    def teach_weakly(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """The weaker teacher's b_t(x). Raises if the harness handed none in."""
        if self.weak_teacher is None:
            raise ValueError("this method needs a weak teacher, and the context has none")
        return self.weak_teacher(x, t, condition)


@dataclass(frozen=True)
class Loss:
    """per_sample (B,): the loop takes its mean over the global batch. parts: further vectors whose means are logged."""

    per_sample: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Trajectories:
    """Paths of the teacher's ODE from noise, solved once and kept: `count` of them, unconditional.

    The solver steps along `times`, from 0 up to 1; the states at the positions `kept` of `times` are what is kept,
    beside the noise itself.
    """

    count: int
    solver: Solver
    times: tuple[float, ...]
    kept: tuple[int, ...]

    @property
    def evaluations(self) -> int:
        """Rows that the teacher sees."""
        return self.count * self.solver.order * (len(self.times) - 1)


@dataclass(frozen=True)
class Needs:
    """What a method asks of the harness, as plain data: planning reads it without building a network."""

    teacher: bool = False
    """A trained velocity model of the same data and seed; its cost is billed to the method."""
    weak_teacher: bool = False
    """Beside the teacher a second, weaker velocity model to guide it away from; billed likewise."""
    trajectories: Trajectories | None = None
    """Solved paths of the teacher, handed to the losses as `batch.states`; billed likewise."""
    operator: bool = False
    """A network that mixes the times of a sample, `Backbone.operator`."""
    target_ema: float | None = None
    """Decay per step of the slow copy in `context.target`; None when the method has none. See `Method.target_decay`."""
    labels: bool = False
    """Class labels in its batches, and the null class: its targets are guided by them."""
    scale: tuple[float, float] | None = None
    """The least and the largest scale of guidance that its network is told (`with_scale`); None: it is told none."""
    group: int = 1
    """Neighbouring samples that share their times; batches and slices are multiples of it."""
    reaches: str = "any"
    """"any": X_{s,t} for all s <= t; "grid": on the method's own grid; "data": t = 1 only."""
    rule: str = "hop"
    """"hop" composes maps along the grid; "renoise" jumps to data and puts noise back in between."""
    cost: float = 1.0
    """Work of a training step relative to flow matching's, for estimates only."""
    precision: Literal["float32", "tf32", "bf16"] = "bf16"
    """The lowest in which its gradients agree with float32's (results/reference/precision.md)."""
    truth: str = "C"
    """What holds at the exact map: "A" zero pointwise, "B" zero up to a solver's or grid's error, "C" zero gradient in
    expectation. Where that is not the whole loss at the defaults, more follows: of which part ("A off the diagonal, C on
    it") or at which knob ("C at power=0": with the default, the map that is learned is another one)."""


@dataclass(frozen=True)
class Method(ABC):
    """A way to learn the flow map: its fields are its knobs, and their defaults are the paper's."""

    version: ClassVar[int] = 1  # bump when a loss is mended: results of the old code are then never served for it
    paper: ClassVar[str] = ""  # where the objective is from, for tables: "Song et al. 2023, arXiv 2303.01469"
    two_step_sigma: ClassVar[float | None] = None  # noise level of the stop in two steps that its paper tuned, if it did
    velocity_model: ClassVar[bool] = False  # learns v_{t,t} = b_t and integrates it in `jump`: it can be a teacher
    interpolant: Interpolant = field(default_factory=Linear, kw_only=True)

    @property
    @abstractmethod
    def needs(self) -> Needs:
        """See `Needs`. May depend on knobs."""

    @property
    def league(self) -> str:
        """Whom its rows are ranked among: "perceptual" where a loss shares features with the metric or plays against a critic,
        "extra networks" where it trains others beside the one that is sampled from. May depend on knobs."""
        return "plain"

    @abstractmethod
    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        """Per-sample losses by name, those of `context.stage`: its `trained` says which roles each one moves."""

    def build(self, backbone: Backbone) -> dict[str, nn.Module]:
        """The networks by role. "net" is the one that is averaged, evaluated and sampled from."""
        return {"net": self.parametrise(backbone.scaled() if self.needs.scale else backbone.net())}

    def parametrise(self, net: nn.Module) -> nn.Module:
        """v_{s,t}(x) from a raw network of the backbone. The networks of this method's students are made so too."""
        return net

    def stages(self, images: int) -> Sequence[Stage]:
        """The training stages; their images sum to the budget `images`."""
        return [Stage("train", images)]

    def target_decay(self, progress: float) -> float:
        """Decay of the slow copy in a step before which that share of the budget was done; by default constant.

        Raises ValueError for a method without a slow copy.
        """
        decay = self.needs.target_ema
        if decay is None:
            raise ValueError(f"{type(self).__name__} has no slow target")
        return decay

    def sampled(self, models: Models) -> list[str]:
        """The roles that `jump` calls."""
        return ["net"]

    def jump(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """X_{s,t}(x), shape of x (B, ...); s, t (B,)."""
        from methods.tools import jump

        return jump(conditioned(models["net"], condition), x, s, t)

    def jump_together(self, models: Models, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """`jump` of all samples from one time to another, as a sampler does it; s and t () are on the CPU, wherever x is.

        For a method whose times choose a network or a number of calls: it would wait for a device that it had to ask for them.
        """
        return self.jump(models, x, everywhere(s, x), everywhere(t, x), condition)

    def grid(self, steps: int) -> Tensor:
        """The steps + 1 increasing times that `steps` jumps visit, float64, ending at 1 (data)."""
        return torch.linspace(0, 1, steps + 1, dtype=torch.float64)

    def sampling_times(self, steps: int, papers: bool = False) -> Tensor:
        """`grid`, or with `papers` the same with the stop of two steps where this method's paper tuned it on its metric.

        A comparison takes one of the two for all methods: a tuned stop is worth more at two steps than many a method.
        """
        times = self.grid(steps)
        if papers and steps == 2 and self.two_step_sigma is not None:
            times[1] = self.interpolant.time_of_sigma(torch.tensor(self.two_step_sigma, dtype=times.dtype))
        return times

    def supports(self, steps: int) -> bool:
        """Whether the method defines a sample with this many jumps."""
        return steps >= 1


def start_from_teacher(models: Models, previous: Models, roles: Sequence[str] = ("net",)) -> None:
    """A `Stage.prepare`: the student, or all of some roles, take the weights of the teacher, or of the stage before."""
    for role in roles:
        models[role].load_state_dict(previous["net"].state_dict())


def share_teacher(models: Models, previous: Models) -> None:
    """A `Stage.prepare`: the part that a larger network shares with its teacher takes the teacher's weights."""
    net = models["net"]
    net.load_state_dict(net.state_dict() | previous["net"].state_dict())
