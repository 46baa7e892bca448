"""Drifting: what its force is and what it leaves alone, where it vanishes, and where a training with it goes."""

from dataclasses import replace
from math import sqrt

import pytest
import torch
from clocks import BOTH
from oracle import context, data, one_loss
from torch import Tensor, nn
from trainings import one_jump, trained

from bench.truth import Gaussian, target
from methods.base import Batch
from methods.drifting import Drifting, drifts, force, weights
from methods.tools.interpolant import Interpolant

G, D = 8, 3
WIDTHS = (0.02, 0.05, 0.2)
FLOOR = 1e-6


def cloud(seed: int, groups: int = 2, size: int = G, dim: int = D) -> Tensor:
    return torch.randn((groups, size, dim), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def nobody(x: Tensor) -> Tensor:
    """Conditions of groups without any."""
    return x.new_zeros((*x.shape[:2], 1))


def moved(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """V in units of the data, and the size of the forces."""
    drift, unit, size = drifts(x, y, nobody(x), WIDTHS, FLOOR)
    return drift * unit.reshape((*x.shape[:2], 1)), size


def by_hand(x: list[Tensor], y: list[Tensor]) -> tuple[list[Tensor], float]:
    """V of one group, particle by particle, and its unit S / sqrt(D)."""
    count, size = len(x), sqrt(len(x[0]))
    acting = [*x, *y]
    distance = [[(a - b).norm().item() for b in acting] for a in x]
    scale = sum(map(sum, distance)) / (count * len(acting))
    total = [torch.zeros_like(a) for a in x]
    for r in WIDTHS:
        near = torch.tensor([[0.0 if i == j else torch.exp(torch.tensor(-d / scale / r, dtype=torch.float64)).item()
                              for j, d in enumerate(row)] for i, row in enumerate(distance)], dtype=torch.float64)
        forces = []
        for i in range(count):
            weight = [0.0 if i == j else sqrt(max(near[i, j] ** 2 / (near[i].sum() * near[:, j].sum()), FLOOR))
                      for j in range(len(acting))]
            repelled, drawn = sum(weight[:count]), sum(weight[count:])
            forces.append(sum((repelled * w * a for w, a in zip(weight[count:], y, strict=True)), 0 * x[0])
                          - sum((drawn * w * a for w, a in zip(weight[:count], x, strict=True)), 0 * x[0]))
        forces = [f * size / scale for f in forces]
        rms = torch.stack(forces).square().mean().sqrt()
        total = [v + f / rms for v, f in zip(total, forces, strict=True)]
    return total, scale / size


def test_the_drift_is_its_definition_particle_by_particle() -> None:
    x, y = cloud(0), cloud(1) + 0.5
    drift, units, _ = drifts(x, y, nobody(x), WIDTHS, FLOOR)
    for group, found in enumerate(units.reshape(2, G)):
        expected, unit = by_hand(list(x[group]), list(y[group]))
        torch.testing.assert_close(drift[group], torch.stack(expected), rtol=1e-9, atol=1e-9)
        assert found.tolist() == pytest.approx([unit] * G)


def test_data_and_samples_exchanged_turn_the_force_around() -> None:
    """Seen from the same places, with every pair of weights at its own place."""
    x, y = cloud(0), cloud(1) + 0.5
    weight = weights(torch.cdist(x, torch.cat([x, y], 1)), torch.ones(2, G, 2 * G, dtype=torch.bool), 0.3, FLOOR)
    b, a = weight.split(G, 2)
    here, there = force(x, y, torch.cat([b, a], 2)), force(y, x, torch.cat([a, b], 2))
    torch.testing.assert_close(there, -here, rtol=1e-12, atol=1e-14)
    assert here.abs().max() > 0.1


def test_samples_that_are_the_data_stay_where_they_are() -> None:
    """Their own place too, which does not repel them: the nearest attracts as the nearest repels."""
    x, y = cloud(0), cloud(1)
    weight = weights(torch.cdist(x, torch.cat([y, y], 1)), torch.ones(2, G, 2 * G, dtype=torch.bool), 0.3, FLOOR)
    assert force(y, y, weight).abs().max() < 1e-14


def test_the_weights_of_a_force_sum_to_zero() -> None:
    """So that it does not depend on where the origin is."""
    x, y, far = cloud(0), cloud(1) + 0.5, 1e3
    alike = ~torch.eye(G, 2 * G, dtype=torch.bool).expand(2, -1, -1)
    weight = weights(torch.cdist(x, torch.cat([x, y], 1)), alike, 0.3, FLOOR)
    torch.testing.assert_close(force(x + far, y + far, weight), force(x, y, weight), rtol=0, atol=1e-9)


def test_it_turns_and_grows_with_the_data_and_does_not_see_where_they_are() -> None:
    x, y = cloud(0), cloud(1) + 0.5
    turn, _ = torch.linalg.qr(cloud(2, 1, D)[0])
    for scale in (1e-6, 1.0, 1e6):
        there, size = moved(scale * (x @ turn + 3), scale * (y @ turn + 3))
        here, expected = moved(x, y)
        torch.testing.assert_close(there, scale * here @ turn, rtol=1e-7, atol=1e-7 * scale)
        torch.testing.assert_close(size, expected, rtol=1e-7, atol=0)


@pytest.mark.parametrize("law", ["gaussian", "skewed"])
def test_where_both_laws_are_one_a_sample_is_drawn_nowhere_unless_it_repels_itself(law: str) -> None:
    """By itself it would be drawn to where the others are, by a force that falls as one over their number."""
    truth, r = target(law), 1.0
    mean = truth.sample(100_000, torch.Generator().manual_seed(0)).mean(0)

    def inwards(size: int, draws: int, itself: bool, shift: float = 0.0) -> tuple[float, float]:
        """The mean force on a sample along its way from the mean, with its standard error."""
        x, y = data(truth, 2 * size * draws, seed=size).reshape(2, draws, size, 2) - mean
        y = (1 + shift) * y
        alike = itself | ~torch.eye(size, 2 * size, dtype=torch.bool).expand(draws, -1, -1)
        found = (force(x, y, weights(torch.cdist(x, torch.cat([x, y], 1)), alike, r, 0.0)) * x).sum(2).mean(1)
        return found.mean().item(), found.std().item() / sqrt(draws)

    few, many = (inwards(size, draws, True)[0] for size, draws in ((8, 6000), (32, 1500)))
    assert 0.2 < many / few < 0.5
    for size, draws, other in ((8, 6000, few), (32, 1500, many)):
        bias, error = inwards(size, draws, False)
        assert abs(bias) < 4 * error < 0.25 * abs(other)
        wide, error = inwards(size, draws, False, 0.5)
        assert wide > 6 * error, "where the data are wider it is drawn outwards"


@BOTH
def test_descent_moves_the_samples_along_the_drift(path: Interpolant) -> None:
    """The gradient of a group's loss with respect to its samples is -2 V / D in their scaled coordinates, exactly."""
    method = Drifting(particles=G, interpolant=path)

    class Free(nn.Module):
        """Samples wherever they are."""

        def __init__(self) -> None:
            super().__init__()
            self.x = nn.Parameter(cloud(3, 1, 2 * G)[0])

        def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
            assert (s == 0).all() and (t == 1).all()
            return self.x - x

    net, x_1 = Free(), cloud(4, 1, 2 * G)[0]
    loss = method.losses({"net": net}, Batch(x_1), context(method, 2 * G))["net"]
    (found,) = torch.autograd.grad(loss.per_sample.sum(), net.x)
    x, y = net.x.detach().reshape(2, G, D), x_1.reshape(2, G, D)
    drift, unit, size = drifts(x, y, nobody(x), method.temperatures, method.floor)
    torch.testing.assert_close(found, -2 / D * drift.reshape(-1, D) / unit[:, None], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(loss.per_sample, drift.reshape(-1, D).square().mean(1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(loss.parts["force"], size)
    first, second = unit.reshape(2, G)
    assert (first == first[0]).all() and (second == second[0]).all() and first[0] != second[0]


def test_only_those_of_one_condition_act_on_each_other() -> None:
    """A sample of another class, or a datum of it, can be anywhere; one that is alone in its class stays."""
    x, y = cloud(0, 1), cloud(1, 1) + 0.5
    classes = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2]).reshape(1, G, 1)
    alike = classes == classes.transpose(1, 2)
    assert alike.sum() == 16 + 9 + 1
    both = alike.repeat(1, 1, 2) & ~torch.eye(G, 2 * G, dtype=torch.bool)
    weight = weights(torch.cdist(x, torch.cat([x, y], 1)), both, 0.3, FLOOR)
    assert (weight[~both] == 0).all() and (weight[both] > 0).all()
    drift, *_ = drifts(x, y, classes, WIDTHS, FLOOR)
    assert (drift[0, -1] == 0).all() and (drift[0, :-1].abs().sum(1) > 0).all()
    own, *_ = drifts(x[:, :4], y[:, :4], nobody(x[:, :4]), WIDTHS, FLOOR)
    cosine = torch.nn.functional.cosine_similarity(drift[0, :4].flatten(), own[0].flatten(), dim=0)
    assert cosine > 0.8, "the scale alone is that of all"


def test_what_is_far_from_all_data_is_drawn_to_them_by_the_floor_alone() -> None:
    x, y = 1e-2 * cloud(0), cloud(1) * 1e-2 + 10
    way = (y.mean(1, keepdim=True) - x).flatten(0, 1)
    for floor, drawn in ((FLOOR, True), (0.0, False)):
        drift, _, size = drifts(x, y, nobody(x), (0.02,), floor)
        assert (size.max() > 1e-4) == drawn
        assert ((drift.flatten(0, 1) * way).sum(1) > 0).all() or not drawn


def test_a_sample_is_one_jump_from_noise_to_data() -> None:
    method = Drifting()
    assert [n for n in range(5) if method.supports(n)] == [1]
    assert method.needs.group == method.particles == 64 and replace(method, particles=6).needs.group == 6
    _, net = one_loss(method, target("gaussian"), 64)
    ((s, t, grad),) = net.calls
    assert (s == 0).all() and (t == 1).all() and grad


def test_a_short_training_brings_the_mean_and_the_width_to_the_datas() -> None:
    """Of a Gaussian, whose mean and width the untrained generator has not."""
    truth = target("gaussian")
    assert isinstance(truth, Gaussian)
    jump = one_jump(trained(Drifting(), "gaussian", 250, lr=3e-3))
    z = torch.randn((4000, 2), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        x = jump(z, torch.zeros(len(z)), torch.ones(len(z)))
    mean, covariance = torch.tensor(truth.mean), torch.tensor(truth.covariance)
    assert (x.mean(0) - mean).abs().max() < 0.15 < 0.5 < mean.abs().max()
    assert (x.T.cov().diag().sqrt() / covariance.diag().sqrt() - 1).abs().max() < 0.15
