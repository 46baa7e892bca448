"""The step as one would write it by hand for one training: losses, backward, clip, optimizer, average.

No bill, no meter, no checks of what a method returns: what the loop costs is its own step over this one.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from bench.measuring.subject import Subject
from bench.nets import project
from bench.training import rng
from methods.base import Context, Loss, Stage


def by_hand(made: Subject) -> Callable[[], None]:
    """Steps of the subject's networks, optimizers and averages, always at the point of training where the subject stands."""
    trainer, state, recipe = made.trainer, made.trainer.state, made.trainer.recipe
    step, stage, share = made.trainer.step, made.trainer.progress.stage, made.trainer.progress.share
    target = None if state.slow is None else {"net": state.slow.net}
    live = list(trainer.models["net"].parameters())
    number = trainer.progress.step
    taken = itertools.cycle([stage.at(step) for step in range(stage.cycle)])

    def losses(draws: rng.StepDraws, stage: Stage) -> Mapping[str, Loss]:
        context = Context(draws, share, stage, step.teacher, step.weak_teacher, target)
        return trainer.method.losses(trainer.models, step.batches.batch(draws), context)

    def backward(found: Mapping[str, Loss], stage: Stage) -> None:
        values = {name: loss.per_sample.sum() / recipe.batch for name, loss in found.items()}
        for name, other in stage.balanced.items():
            values[other] = values[other] + values.pop(name)
        if len(values) == 1:
            next(iter(values.values())).backward()
            return
        for name, value in values.items():
            torch.autograd.backward(value, inputs=state.parameters(name), retain_graph=True)

    def one_step() -> None:
        now = next(taken)
        for optimizer in state.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        whole = rng.StepDraws(0, number, range(recipe.batch), recipe.batch, trainer.device, training=recipe.dropout)
        rows = recipe.micro_batch or recipe.batch
        for begin in range(0, recipe.batch, rows):
            backward(losses(whole.slice(whole.rows[begin : begin + rows]), now), now)
        for name in now.trained:
            if recipe.clip:
                torch.nn.utils.clip_grad_norm_(state.parameters(name), recipe.clip, foreach=True)
            state.optimizers[name].step()
        for module in trainer.models.values():
            project(module)
        for decay, weights in state.average.weights.items():
            _lerp(weights, live, 1 - decay)
        if state.slow is not None:
            _lerp(list(state.slow.net.parameters()), live, 1 - trainer.method.target_decay(share))

    return one_step


@torch.no_grad()
def _lerp(averages: Sequence[Tensor], live: Sequence[Tensor], weight: float) -> None:
    torch._foreach_lerp_(list(averages), list(live), weight)
