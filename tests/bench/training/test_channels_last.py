"""Convolutions in PyTorch's channels-last layout: the same training up to rounding, laid out like that throughout."""

import pytest
import torch
from torch import Tensor, nn

from bench.config import request
from bench.measuring.subject import Subject, subject

SMALL = ["sweep=none", "data=digits", "backbone=unet_small", "backbone.channels=8", "budget.batch=8"]


def begun(method: str, *more: str) -> Subject:
    (experiment,) = request([*SMALL, f"method={method}", *more]).experiments
    made = subject(experiment, (1, 8, 8), torch.device("cpu"), 8)
    made.begin(0)
    return made


def weights(made: Subject) -> Tensor:
    return torch.cat([p.detach().flatten() for p in made.trainer.models["net"].parameters()])


@pytest.mark.parametrize("method", ["cd", "lsd", "dsno"])
def test_a_training_is_the_same_up_to_rounding(method: str) -> None:
    plain, other = begun(method), begun(method, "train.channels_last=true")
    before = weights(plain)
    for _ in range(3):
        plain.step()
        other.step()
    moved = (weights(plain) - before).norm()
    assert (weights(other) - weights(plain)).norm() < 1e-2 * moved


def test_weights_moments_averages_and_what_convolutions_make_are_laid_out_so() -> None:
    made = begun("lmd", "train.channels_last=true")
    seen: list[Tensor] = []
    networks = [made.trainer.models["net"], *made.trainer.frozen]
    wide = [m for net in networks for m in net.modules() if isinstance(m, nn.Conv2d) and m.in_channels > 1]
    handles = [m.register_forward_hook(lambda m, i, out: seen.append(out)) for m in wide]
    made.step()
    for handle in handles:
        handle.remove()
    state = made.trainer.state
    moments = [held["exp_avg"] for held in state.optimizers["net"].state.values()]
    averages = [average for kept in state.average.weights.values() for average in kept]
    kept = [x for x in (*(m.weight for m in wide), *moments, *averages, *seen) if x.ndim == 4 and x.shape[1] > 1]
    assert len(seen) == len(wide) and kept, "the network and its teacher, once each"
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in kept)
