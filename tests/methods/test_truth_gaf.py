"""Generator-augmented flows: which pairs lead to which samples, and that a share of 0 is consistency training as it was."""

from dataclasses import fields, replace

import pytest
import torch
from clocks import BOTH, PATHS, gaussian
from oracle import Oracle, context, data, one_loss
from torch import Tensor
from trainings import map_error, one_jump, trained

from methods.base import Batch
from methods.consistency import CT, ECT, ICT, ConsistencyTraining, Distance
from methods.gaf import GAF
from methods.tools.interpolant import Interpolant

N = 64


def losses(method: ConsistencyTraining, path: Interpolant, theta: float = 0.2) -> tuple[Tensor, Tensor]:
    """Per-sample losses and their gradient, with a slow copy that is neither the network nor exact."""
    truth = gaussian(path)
    slow = {"net": Oracle(truth, 0.4)} if method.needs.target_ema else None
    loss, net = one_loss(method, truth, N, theta, progress=0.3, target=slow)
    return loss.per_sample.detach(), torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]


@BOTH
def test_a_share_of_none_is_improved_consistency_training_to_the_bit(path: Interpolant) -> None:
    ours, theirs = losses(GAF(generated=0.0, interpolant=path), path), losses(ICT(interpolant=path), path)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_it_is_improved_consistency_training_in_all_else() -> None:
    for field in fields(ICT):
        assert field.name == "generated" or getattr(GAF(), field.name) == getattr(ICT(), field.name)


@BOTH
@pytest.mark.parametrize("method", [GAF(c=0.05), ICT(generated=0.5, c=0.05), ECT(generated=0.25), CT(generated=0.5)],
                         ids=["gaf", "ict", "ect", "ct"])
def test_pairs_of_a_share_lead_to_what_the_generator_makes_of_their_noisy_end(method: ConsistencyTraining,
                                                                             path: Interpolant) -> None:
    """By the slow copy of gaf and ct, by the live network of the others; the other pairs lead to the data."""
    truth, method = gaussian(path), replace(method, interpolant=path)
    found, gradient = losses(method, path)
    at, x_1 = context(method, N, progress=0.3), data(truth, N)
    x_0, (s, r, w) = path.base_scale * at.noise(x_1), method.pair(at)
    net, slow = Oracle(truth, 0.2), Oracle(truth, 0.4)
    ends = {each: lambda x, t, net=each: x + (1 - t)[:, None] * net(x, t, torch.ones_like(t)) for each in (net, slow)}
    own = (torch.arange(1, N + 1) * method.generated).floor() > (torch.arange(N) * method.generated).floor()
    maker, taught = (slow if isinstance(method, GAF | CT) else net), (slow if isinstance(method, CT) else net)
    made = ends[maker](path.point(x_0, x_1, s), s).detach()
    assert own.sum() == round(N * method.generated) and (made - x_1).norm(dim=1).min() > 1e-3
    x_1 = torch.where(own[:, None], made, x_1)
    target = ends[taught](path.point(x_0, x_1, r), r).detach()
    raw = (ends[net](path.point(x_0, x_1, s), s) - target).square().sum(1)
    expected = w * (raw if method.distance is Distance.SQUARED else torch.sqrt(raw + method.c**2) - method.c)  # type: ignore[operator]
    torch.testing.assert_close(found, expected.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.mean(), net.theta)[0], rtol=1e-8, atol=1e-12)


def test_the_generator_has_no_slow_copy_at_a_decay_of_none() -> None:
    method = GAF(generator_ema=0.0, interpolant=PATHS["linear"])
    assert method.needs.target_ema is None
    assert torch.equal(losses(method, PATHS["linear"])[0], losses(ICT(generated=0.5), PATHS["linear"])[0])


def test_every_slice_generates_its_own_part() -> None:
    """The first of two halves and both together."""
    method, truth = GAF(), gaussian()
    x_1, models = data(truth, N), {"net": Oracle(truth, 0.2)}
    whole, part = (
        method.losses(models, Batch(x_1[: len(rows)]), context(method, N, rows=rows, target=models))["net"].per_sample
        for rows in (range(N), range(N // 2))
    )  # fmt: skip
    torch.testing.assert_close(part, whole[: N // 2], rtol=1e-12, atol=1e-14)


def test_a_short_training_learns_the_map_of_a_gaussian_up_to_its_own_shift() -> None:
    """Of 1.9 at first; the flow to its own samples is another one."""
    assert map_error("gaussian", one_jump(trained(GAF(generator_ema=0.95), "gaussian", 300))) < 0.2
