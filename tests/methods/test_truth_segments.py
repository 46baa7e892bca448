"""Consistency within segments: definitions, what one segment is, fixed points, bias, short trainings."""

import itertools
from dataclasses import replace
from math import pi

import pytest
import torch
from clocks import BOTH, CLEAR, ZERO, gaussian, measure, skewed
from oracle import Oracle, context, data, one_loss, orders
from torch import Tensor
from trainings import map_error, trained

from methods.consistency import ConsistencyTraining, Distance
from methods.flow_matching import FlowMatching
from methods.pairs import UniformPairs
from methods.progressive import Spacing
from methods.segments import ConsistencyFM, MultistepCM, Segmented
from methods.tools.interpolant import Interpolant

N, LATE = 512, 0.999


class Parts:
    """What a definition needs of the step that a method took."""

    def __init__(self, method: Segmented, path: Interpolant) -> None:
        self.truth, self.path = gaussian(path), path
        at = context(method, N)
        self.x_1 = data(self.truth, N)
        self.x_0, self.u, self.net = path.base_scale * at.noise(self.x_1), at.draws.uniform("times"), Oracle(self.truth, 0.2)

    def on_path(self, t: Tensor) -> Tensor:
        return self.path.point(self.x_0, self.x_1, t)

    def end(self, s: Tensor, e: Tensor) -> Tensor:
        return self.on_path(s) + (e - s)[:, None] * self.net(self.on_path(s), s, e)

    def holds(self, loss: Tensor, gradient: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(loss, expected.detach(), rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(gradient, torch.autograd.grad(expected.mean(), self.net.theta)[0], rtol=1e-6, atol=1e-8)


def taken(method: Segmented, path: Interpolant, **more: object) -> tuple[Tensor, Tensor]:
    loss, net = one_loss(method, gaussian(path), N, 0.2, **more)  # type: ignore[arg-type]
    return loss.per_sample.detach(), torch.autograd.grad(loss.per_sample.mean(), net.theta)[0]


def square(x: Tensor) -> Tensor:
    return x.square().sum(1)


# Consistency flow matching.


@BOTH
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_the_first_stage_regresses_on_the_segments_end(segments: int, path: Interpolant) -> None:
    method = ConsistencyFM(segments=segments, interpolant=path)
    parts = Parts(method, path)
    e = torch.ceil(parts.u * segments) / segments
    parts.holds(*taken(method, path, stage=method.stages(100)[0]), square(parts.end(parts.u, e) - parts.on_path(e)) / 2)


def test_with_one_segment_the_first_stage_is_flow_matching_to_data() -> None:
    method, truth = ConsistencyFM(segments=1), gaussian()
    t = context(method, N).draws.uniform("times")

    class ToData(Oracle):
        def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: object = None) -> Tensor:
            return super().forward(x, s, torch.ones_like(s), condition, dropout)

    ours, _ = one_loss(method, truth, N, models={"net": Oracle(truth, 0.2)}, stage=method.stages(100)[0])
    law = FlowMatching(time_law=lambda u: t)
    theirs, _ = one_loss(law, truth, N, models={"net": ToData(truth, 0.2)})
    torch.testing.assert_close(ours.per_sample, (1 - t) ** 2 / 2 * theirs.per_sample, rtol=1e-9, atol=1e-12)


def test_a_second_stage_that_begins_at_its_boundary_is_the_first() -> None:
    method = ConsistencyFM(boundary=0.0)
    first, second = (taken(method, method.interpolant, stage=stage) for stage in method.stages(100))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@BOTH
@pytest.mark.parametrize("delta", [1e-3, 0.2])
def test_the_second_stage_is_its_definition(delta: float, path: Interpolant) -> None:
    method = ConsistencyFM(delta=delta, alpha=0.3, segments=2, boundary=0.8, interpolant=path)
    parts = Parts(method, path)
    s, e = parts.u, torch.where(parts.u < 0.5, 0.5, 1.0).double()
    r = torch.minimum(s + delta, e)
    target = torch.where((r < 0.8)[:, None], parts.end(r, e), parts.on_path(e)).detach()
    slopes = [parts.net(parts.on_path(t), t, e) for t in (s, r)]
    near = square(parts.end(s, e) - target)
    apart = torch.where((s < 0.8) & (e - s > 1.01 * delta), square(slopes[0] - slopes[1].detach()), 0.0)
    parts.holds(*taken(method, path), near / 2 + 0.15 * apart)


@BOTH
def test_its_bias_falls_with_the_step(path: Interpolant) -> None:
    sizes = {n: measure(ConsistencyFM(delta=1 / n, boundary=1.0, alpha=0.0, interpolant=path), gaussian(path)).size
             for n in (8, 16, 32)}
    assert all(1.5 < found < 2.5 for found in orders(sizes))


@pytest.mark.parametrize("method", [ConsistencyFM(boundary=1.0), MultistepCM(segments=2, end=256), MultistepCM()],
                         ids=["consistency_fm", "multistep_cm", "multistep_cm_8"])
def test_the_semigradient_vanishes_at_the_exact_map_only(method: Segmented) -> None:
    for truth in (gaussian(), skewed()):
        assert measure(method, truth, n=2048, progress=LATE).excess < ZERO
        assert measure(method, truth, 0.4, n=2048, progress=LATE).excess > CLEAR


# Multistep consistency.


@BOTH
@pytest.mark.parametrize("spacing", Spacing)
@pytest.mark.parametrize(("segments", "progress", "points"), [(1, 0.0, 8), (2, 0.0, 8), (2, 0.5, 16), (4, 0.999, 28)])
def test_a_step_is_its_definition(segments: int, progress: float, points: int, spacing: Spacing, path: Interpolant) -> None:
    """Eight points that become 32; a segment has a whole number of them."""
    method = MultistepCM(segments=segments, start=8, end=32, spacing=spacing, interpolant=path)
    parts = Parts(method, path)
    i = (parts.u * points).floor()
    ends = torch.stack([i, i + 1, ((i * segments / points).floor() + 1) * points / segments]) / points
    s, r, e = path.time_of(pi / 2 * ends) if spacing is Spacing.COSINE else ends
    w = torch.maximum(path.alpha(s), path.beta(s)) ** 2
    expected = w * square(parts.end(s, e) - parts.end(r, e).detach()) / (e - s) ** 2
    parts.holds(*taken(method, path, progress=progress), expected)


def test_one_segment_is_a_consistency_model() -> None:
    method = MultistepCM(segments=1, start=16, end=16, spacing=Spacing.UNIFORM)

    class Plain(ConsistencyTraining):
        pass

    theirs = Plain(pairs=UniformPairs(16), distance=Distance.SQUARED)
    s = (context(method, N).draws.uniform("times") * 16).floor() / 16
    (ours, _), (loss, _) = (one_loss(each, gaussian(), N, 0.2) for each in (method, theirs))
    weight = torch.maximum(s, 1 - s) ** 2 / (1 - s) ** 2
    torch.testing.assert_close(ours.per_sample, weight * loss.per_sample, rtol=1e-9, atol=1e-12)


def test_its_bias_falls_with_the_points() -> None:
    """Halves with the gap, divided by e - s as the loss is."""
    sizes = {n: measure(MultistepCM(segments=2, start=n, end=n), gaussian()).size for n in (16, 32, 64)}
    assert all(found > 0.7 for found in orders(sizes))


def test_its_points_grow_geometrically_and_count_the_same_on_the_device() -> None:
    method, u = MultistepCM(segments=8), torch.rand(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gaps = {}
    for progress in (0.0, 0.25, 0.5, 1 - 1e-9):
        s, r, e = method.times(u, progress)
        placed = method.interpolant.theta(torch.stack([s, r])) * 2 / pi
        gaps[progress] = round(1 / placed.diff(dim=0).mean().item())
        for ours, theirs in zip((s, r, e), method.times(u, torch.tensor(progress, dtype=torch.float64)), strict=True):
            assert torch.equal(ours, theirs)
        assert (s < r).all() and (r <= e).all() and e.max() == 1
    assert gaps == {0.0: 64, 0.25: 128, 0.5: 280, 1 - 1e-9: 1272}


@pytest.mark.parametrize("bad", [{"start": 4}, {"end": 32}])
def test_fewer_points_than_segments_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"method\.start"):
        replace(MultistepCM(), **bad)  # type: ignore[arg-type]


# Both.


@pytest.mark.parametrize("method", [ConsistencyFM(delta=0.02), MultistepCM(segments=2, start=8, end=64)],
                         ids=["consistency_fm", "multistep_cm"])
def test_a_short_training_learns_the_map_in_two_hops(method: Segmented) -> None:
    assert method.supports(2) and not method.supports(1) and not method.supports(4)
    made = trained(method, "gaussian", 600)
    models = {**made.models, "net": made.averaged()}

    def hops(x: Tensor, s: Tensor, t: Tensor) -> Tensor:
        for s, t in itertools.pairwise(method.grid(2).float()):
            x = method.jump_together(models, x, s, t)
        return x

    assert map_error("gaussian", hops) < 0.06
