"""What a method owes the loop that trains it, tried in a few steps: `CHECKS`, by name, each with its claim as docstring.

Nothing here knows the mathematics. It finds what would train on in silence: numbers that depend on restarts, slices or what
ran before, losses that are already reduced, networks that nothing reaches, jumps that are no maps.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.config import unmet
from bench.data import Dataset
from bench.nets import Backbone
from bench.training import returned
from bench.training.batches import batches
from bench.training.recipe import Recipe
from bench.training.rng import StepDraws, generator
from bench.training.train import Trainer
from methods.base import Context, Loss, Method, Models, Stage, TeacherVelocity
from methods.tools import solve

CPU = torch.device("cpu")
STEPS = 4  # of a stage
SLICES = 2
PROGRESS = (0.0, 0.5, 0.95)  # shares of the budget: a term may set in late
COUNTS = range(1, 65)  # of sampling steps


class Broken(Exception):
    """A method breaks the contract; the text says how, and what to do."""


@dataclass(frozen=True)
class Subject:
    """A method with what it is tried on: networks of `backbone` for samples of `data`, in batches of `batch`.

    images: the budget that it is meant for. dtype: float64 makes the comparisons sharp, where the networks have it. drop: the
    share of samples that lose their class, of a conditional backbone.
    """

    method: Method
    backbone: Backbone
    data: Dataset
    images: int
    batch: int
    dtype: torch.dtype = torch.float32
    drop: float = 0.25

    @property
    def stages(self) -> list[Stage]:
        return list(self.method.stages(self.images))

    @property
    def taken(self) -> list[Stage]:
        """The stages, each once for every set of losses that a step takes."""
        return [taken for stage in self.stages for taken in stage.different.values()]

    def models(self) -> dict[str, nn.Module]:
        """The networks by role, all weights moved off their start, as after training."""
        models = self.method.build(self.backbone)
        for role, module in models.items():
            stir(module, role)
            module.to(self.dtype)
        return models

    def teacher(self, name: str = "teacher") -> TeacherVelocity | None:
        """The velocity of some network, another one for each name, if the method needs one."""
        if not self.method.needs.teacher or (name == "weak" and not self.method.needs.weak_teacher):
            return None
        net = stir(self.backbone.net(), name).to(self.dtype).requires_grad_(False)

        def b(x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
            out: Tensor = net(x, t, t, condition=condition)
            return out

        return b

    @property
    def conditional(self) -> bool:
        """Whether the networks are told classes."""
        return bool(self.backbone.options.get("classes", 0))

    def draws(self) -> StepDraws:
        return StepDraws(0, 0, range(self.batch), self.batch, CPU, self.dtype)

    def losses(
        self, models: Models, stage: Stage, draws: StepDraws | None = None, progress: float = 0.0
    ) -> Mapping[str, Loss]:
        """Those of the first step, or of a slice of it, checked as the loop checks them."""
        draws, teacher, weak = draws or self.draws(), self.teacher(), self.teacher("weak")
        trained = {role for roles in stage.trained.values() for role in roles}
        for role, module in models.items():
            module.requires_grad_(role in trained)
        slow = {"net": models["net"]} if self.method.needs.target_ema else None
        batch = batches(self.data, CPU, self.conditional, self._paths(teacher), drop=self.drop).batch(draws.later(0))
        batch = replace(batch, x_1=batch.x_1.to(self.dtype))
        found = self.method.losses(models, batch, Context(draws, progress, stage, teacher, weak, slow))
        returned.check(self.method, found, stage, len(draws.rows))
        return found

    def _paths(self, teacher: TeacherVelocity | None) -> Tensor | None:
        wanted = self.method.needs.trajectories
        if wanted is None or teacher is None:
            return None
        x_0 = torch.randn((self.batch, *self.data.shape), generator=generator(CPU, "paths"), dtype=self.dtype)
        with torch.no_grad():
            return solve(wanted.solver, lambda x, t: teacher(x, t, None), x_0, wanted.times, wanted.kept)


def needs(subject: Subject) -> None:
    """Its needs are in range, and its league is one of the table's."""
    if wrong := unmet(subject.method):
        raise Broken("needs: " + "; ".join(wrong))


def stages(subject: Subject) -> None:
    """Its stages spend the budget and train roles that it builds."""
    roles = subject.models().keys()
    if "net" not in roles:
        raise Broken(f"build makes {sorted(roles)}, and no \"net\", the network that is averaged and sampled from")
    images = 2**20
    spent = sum(stage.images for stage in subject.method.stages(images))
    if spent != images:
        raise Broken(f"stages({images}) spend {spent} images: they must sum to the budget")
    for stage in subject.stages:
        used = {role for trained in stage.trained.values() for role in trained}
        if unknown := used - roles:
            raise Broken(f"stage {stage.name} trains {sorted(unknown)}, and build makes {sorted(roles)}")
        if lost := set(stage.balanced.values()) - stage.trained.keys():
            raise Broken(f"stage {stage.name} balances with {sorted(lost)}, which none of its losses is")


def build(subject: Subject) -> None:
    """Its networks start from the same weights wherever they are built."""
    built = []
    for seed in (1, 2):
        with _surroundings(seed):
            built.append(subject.method.build(subject.backbone))
    for role, module in built[0].items():
        other = built[1][role].state_dict()
        if changed := [key for key, value in module.state_dict().items() if not torch.equal(value, other[key])]:
            raise Broken(f"build: the network {role} starts from other weights each time ({changed[0]}): two processes of one "
                         "training would begin apart; make it inside torch.random.fork_rng with a seed of its own")


def losses(subject: Subject) -> None:
    """Its losses are finite numbers per sample, and so are their parts."""
    models = subject.models()
    for stage, progress in product(subject.taken, PROGRESS):
        draws = returned.Noted(0, 0, range(subject.batch), subject.batch, CPU, subject.dtype)
        for name, loss in subject.losses(models, stage, draws, progress).items():
            if said := returned.unfinite(name, loss, draws, subject.method.needs.group):
                raise Broken(f"stage {stage.name}, {progress:.0%} of the budget: {said}")
            for part, values in loss.parts.items():
                if values.ndim != 1:
                    raise Broken(f"stage {stage.name}: the part {part} has shape {tuple(values.shape)}: parts are vectors, of "
                                 "one number for each sample that they are of")
                if values.requires_grad:
                    raise Broken(f"stage {stage.name}: the part {part} holds the graph of the step: .detach() it")


def pure(subject: Subject) -> None:
    """The same step has the same losses, whatever ran before, and changes nothing but gradients."""
    models = subject.models()
    for stage in subject.taken:
        before = copy.deepcopy({role: module.state_dict() for role, module in models.items()})
        with _surroundings(1):
            first = subject.losses(models, stage)
        for role, module in models.items():
            after = module.state_dict()
            if changed := [key for key, value in before[role].items() if not torch.equal(value, after[key])]:
                raise Broken(f"stage {stage.name}: losses change the network {role} ({changed[0]}): only the optimizer does")
        with _surroundings(2) as untouched:
            second = subject.losses(models, stage)
            if not untouched():
                raise Broken(f"stage {stage.name}: losses move PyTorch's global generator: take every random number from "
                             "`context`, or a restart, a second process and a slice get others")
        for name in first:
            if not torch.equal(first[name].per_sample, second[name].per_sample):
                raise Broken(f"stage {stage.name}: {name} differs between two calls of one step: keep nothing between calls, "
                             "and take every random number from `context`")


def slices(subject: Subject) -> None:
    """Slices of a batch have the losses of the whole one, in any order."""
    size, group = subject.batch // SLICES, subject.method.needs.group
    if size % group:
        raise Broken(f"needs.group={group} does not divide slices of {size}: choose a budget.batch that is a multiple of "
                     f"{SLICES * group}")
    models, whole = subject.models(), subject.draws()
    for stage in subject.taken:
        joint = subject.losses(models, stage)
        parts = [subject.losses(models, stage, whole.slice(range(i, i + size))) for i in range(0, subject.batch, size)]
        for name, loss in joint.items():
            one = loss.per_sample.detach().sort().values
            several = torch.cat([part[name].per_sample.detach() for part in parts]).sort().values
            if not torch.allclose(one, several, rtol=_tolerance(subject), atol=_tolerance(subject) * float(one.abs().median())):
                raise Broken(f"stage {stage.name}: {name} of a slice of the batch is not that of the whole batch: a sample's "
                             "loss depends on no other sample but its group's, and shares of the batch come from context.split")


def gradients(subject: Subject) -> None:
    """Every loss has finite gradients, and moves every network that its stage says it trains."""
    models = subject.models()
    for stage in subject.taken:
        reached = set()
        for progress in PROGRESS:
            for name, loss in subject.losses(models, stage, progress=progress).items():
                for role in stage.trained[stage.balanced.get(name, name)]:
                    weights = list(models[role].parameters())
                    found: tuple[Tensor | None, ...] = ()
                    if loss.per_sample.requires_grad:
                        found = torch.autograd.grad(loss.per_sample.mean(), weights, retain_graph=True, allow_unused=True)
                    moved = [g for g in found if g is not None]
                    if not all(bool(g.isfinite().all()) for g in moved):
                        raise Broken(f"stage {stage.name}: the gradient of {name} is not finite")
                    reached |= {(name, role)} if any(bool(g.any()) for g in moved) else set()
        for name in {*stage.trained, *stage.balanced}:
            for role in stage.trained[stage.balanced.get(name, name)]:
                if (name, role) not in reached:
                    raise Broken(f"stage {stage.name}: no gradient of {name} reaches the network {role}, which it is to train")


def jump(subject: Subject) -> None:
    """Its jump keeps shape and precision, is the identity where it ends where it starts, and is what samples are drawn by."""
    models, reaches = subject.models(), subject.method.needs.reaches
    x = torch.randn((subject.batch, *subject.data.shape), generator=generator(CPU, "jump"), dtype=subject.dtype)
    times = subject.method.grid(next(n for n in COUNTS if subject.method.supports(n))).to(subject.dtype)
    start, end, last = times[[0, 1, -1]].expand(subject.batch, 3).T
    still = last if reaches == "data" else start
    with torch.no_grad():
        whole = subject.method.jump(models, x, start, last if reaches == "data" else end)
        none = x if reaches == "grid" else subject.method.jump(models, x, still, still)
        together = subject.method.jump_together(models, x, start[0], last[0] if reaches == "data" else end[0])
    if whole.shape != x.shape or whole.dtype != x.dtype:
        raise Broken(f"jump returns {whole.dtype} of shape {tuple(whole.shape)} for {x.dtype} of shape {tuple(x.shape)}")
    if not torch.allclose(none, x, rtol=_tolerance(subject), atol=_tolerance(subject)):
        raise Broken("jump from a time to the same time is not the identity: X_{s,s}(x) = x")
    if not torch.allclose(together, whole, rtol=_tolerance(subject), atol=_tolerance(subject)):
        raise Broken("jump_together, by which samples are drawn, is not jump: a class that inherits it and has a jump of its "
                     "own overrides both")


def grid(subject: Subject) -> None:
    """Its grid has the steps that are asked for, and ends at data."""
    if not any(subject.method.supports(n) for n in COUNTS):
        raise Broken(f"supports: no number of steps from 1 to {COUNTS[-1]} is supported")
    for n in (n for n in COUNTS if subject.method.supports(n)):
        times = subject.method.grid(n)
        if tuple(times.shape) != (n + 1,) or not bool((times.diff() > 0).all()) or float(times[-1]) != 1 or float(times[0]) < 0:
            raise Broken(f"grid({n}) is not {n + 1} increasing times from noise (0 or later) to data (1)")


def restart(subject: Subject) -> None:
    """A training that stops and goes on ends with the weights of one that did not, to the bit."""
    images = sum(subject.batch * (STEPS + stage.cycle - 1) for stage in subject.stages)
    while min(stage.images for stage in subject.method.stages(images)) < 2 * subject.batch and images < subject.images:
        images *= 2
    recipe, models = Recipe(images, subject.batch, checkpoints=0, logs=1), subject.method.build(subject.backbone)
    with tempfile.TemporaryDirectory() as folder, _surroundings(3):
        whole = _trainer(subject, models, recipe, None)
        _run(whole)
        stopped = _trainer(subject, models, replace(recipe, checkpoints=recipe.steps), Path(folder))
        stopped.rungs = {recipe.steps // 2: _stop}  # after the step, and before its checkpoint
        with suppress(_Stopped):
            _run(stopped)
        torch.manual_seed(4)
        again = _trainer(subject, models, replace(recipe, checkpoints=recipe.steps), Path(folder))
        _run(again)
    for role, module in whole.models.items():
        for key, value in module.state_dict().items():
            if not torch.equal(value, again.models[role].state_dict()[key]):
                raise Broken(f"after a restart the network {role} has other weights ({key}): all that a step depends on is in "
                             "the networks or comes from `context`")


CHECKS: dict[str, Callable[[Subject], None]] = {
    check.__name__: check for check in (needs, build, stages, losses, pure, slices, gradients, jump, grid, restart)
}
OF_LOSSES = ("pure", "slices", "gradients", "restart")
"""The checks that say nothing of their own where `losses` is broken."""


class _Stopped(Exception):
    pass


def _stop() -> None:
    raise _Stopped


def _trainer(subject: Subject, models: Models, recipe: Recipe, folder: Path | None) -> Trainer:
    method, teacher = copy.deepcopy(subject.method), replace(subject, dtype=torch.float32)
    velocity = teacher.teacher()
    return Trainer(
        method, copy.deepcopy(dict(models)), subject.data, recipe, 0, CPU, folder, velocity,
        {"net": stir(subject.backbone.net(), "teacher")} if velocity else {},
        conditional=subject.conditional, weak_teacher=teacher.teacher("weak"), trajectories=teacher._paths(velocity),
    )  # fmt: skip


def _run(trainer: Trainer) -> None:
    outcome = trainer.run()
    if outcome.status == "diverged":
        raise Broken(f"it diverges in its first {trainer.recipe.steps} steps: {outcome.reason}")


def stir(module: nn.Module, name: str) -> nn.Module:
    """The module, all its weights moved off their start, in another way for each name."""
    with torch.no_grad():
        for i, p in enumerate(module.parameters()):
            p.add_(0.2 * torch.randn(p.shape, generator=generator(CPU, name, i)))
    return module


def _tolerance(subject: Subject) -> float:
    return 1e-10 if subject.dtype == torch.float64 else 1e-3


@contextmanager
def _surroundings(seed: int) -> Iterator[Callable[[], bool]]:
    """A global generator that stands elsewhere; the handle says whether it has not been moved. Put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        yield lambda: torch.equal(state, torch.get_rng_state())
