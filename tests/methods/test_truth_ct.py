"""Consistency training: the slow target of CT, which follows its grid, and the robust constant of iCT."""

from dataclasses import dataclass, field

import pytest
import torch
from oracle import context
from torch import Tensor, nn
from trainings import live_of, trained

from methods.base import Batch, Context, Loss, Models
from methods.consistency import CD, CT, ECT, ICT
from methods.pairs import DoublingPairs, GrowingPairs
from methods.truncated import TCM


def test_the_decay_of_the_slow_target_follows_the_grid() -> None:
    assert CT().target_decay(0.0) == pytest.approx(0.9**2) == CT().needs.target_ema
    assert CT().target_decay(0.25) == pytest.approx(0.9 ** (2 / 75))
    assert CT().target_decay(1 - 1e-9) == pytest.approx(0.9 ** (2 / 150))
    assert CD(target_ema=0.95).target_decay(0.7) == 0.95
    for method in (CD(), ICT(), ECT(), TCM()):
        assert method.needs.target_ema is None
        with pytest.raises(ValueError, match="no slow target"):
            method.target_decay(0.5)


@dataclass(frozen=True)
class Watched(CT):
    """Consistency training that notes the slow and the live network before each step."""

    seen: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def losses(self, models: Models, batch: Batch, context: Context) -> dict[str, Loss]:
        assert context.target is not None
        self.seen.append((live_of(context.target["net"]), live_of(models["net"])))
        return super().losses(models, batch, context)


def test_the_loop_lets_the_slow_target_decay_as_the_method_says() -> None:
    method = Watched(pairs=GrowingPairs(2, 8), mu_0=0.5)
    trained(method, "gaussian", 6)
    slow = method.seen[0][1]
    for k, (found, net) in enumerate(method.seen):
        if k:
            mu = method.target_decay((k - 1) / 6)
            slow = mu * slow + (1 - mu) * net
        torch.testing.assert_close(found, slow)
    assert len({method.target_decay(k / 6) for k in range(6)}) >= 5


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4), (3, 8, 8)], ids=str)
def test_the_robust_constant_grows_with_the_root_of_the_dimension(shape: tuple[int, ...]) -> None:
    """.0300 on 3 x 32 x 32, as the paper says."""
    x_1 = torch.randn((8, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    class Still(nn.Module):
        def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
            return torch.zeros_like(x)

    def loss(c: float | None) -> Tensor:
        method = ICT(c=c, pairs=DoublingPairs(1280, 1280))
        return method.losses({"net": Still()}, Batch(x_1), context(method, 8))["net"].per_sample

    assert torch.equal(loss(None), loss(0.00054 * x_1[0].numel() ** 0.5))
    assert not torch.allclose(loss(None), loss(0.00054), rtol=1e-3)
