"""Every method trains every kind of network for images."""

import pytest
import torch
from contract import METHODS, in_few

from bench.config import request
from bench.measuring.subject import subject

SMOKE = {
    "edm2": ["backbone=edm2", "backbone.channels=8", "backbone.multipliers=[1,2]", "backbone.blocks=1",
             "backbone.attention=[4]"],
    "dit": ["backbone=dit_s", "backbone.width=16", "backbone.depth=1", "backbone.heads=2"],
}  # fmt: skip


@pytest.mark.parametrize("backbone", SMOKE)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_every_network(backbone: str, method: str) -> None:
    asked = ["sweep=none", "data=digits", "budget.batch=8", f"method={method}", *in_few(method), *SMOKE[backbone]]
    (experiment,) = request(asked).experiments
    made = subject(experiment, (1, 8, 8), torch.device("cpu"), 8)
    made.begin(0)
    before = [p.detach().clone() for p in made.trainer.models["net"].parameters()]
    for _ in range(1 + made.trainer.progress.stage.cycle):
        made.step()
    after = list(made.trainer.models["net"].parameters())
    assert all(bool(p.isfinite().all()) for p in after)
    assert sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) > 1
