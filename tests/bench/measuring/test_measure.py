"""What is counted of a step is what it computes, and a batch that does not fit is taken in smaller slices."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.config import request
from bench.measuring import Case, cases, measured
from bench.measuring.bare import by_hand
from bench.measuring.measure import FEWEST, MOST, Wanted, quartiles, timed
from bench.measuring.subject import subject
from bench.nets import factory
from methods.flow_matching import FlowMatching

CPU = torch.device("cpu")
UNET = ["sweep=none", "backbone=unet_small", "backbone.channels=16", "budget.batch=8"]
QUICK = Wanted(0.0)


def case(method: str, *more: str) -> Case:
    return Case.of(request([*UNET, f"method={method}", *more]).experiments[0])


@pytest.mark.parametrize(("method", "forwards", "off"), [
    ("flow_matching", 3, 0.02),
    ("meanflow", 5, 0.03),  # values with tangents, then a step; in attention a product has a tangent for either factor
])  # fmt: skip
def test_the_arithmetic_of_a_step_in_forward_passes(method: str, forwards: float, off: float) -> None:
    one = case(method)
    expected = forwards * factory(one.experiment, one.shape).gflops()
    assert measured(one, CPU, QUICK).gflops == pytest.approx(expected, rel=off)


@pytest.mark.parametrize("method", ["flow_matching", "lsd", "sct", "dsno"])
def test_it_is_what_pytorchs_own_counter_counts_with_forward_mode(method: str) -> None:
    one = case(method)
    made = subject(one.experiment, one.shape, CPU, one.batch)
    made.begin(0)
    with FlopCounterMode(display=False) as theirs:
        made.step()
    assert measured(one, CPU, QUICK).gflops == pytest.approx(theirs.get_total_flops() / 1e9 / one.batch)


def test_slices_change_nothing_in_the_arithmetic_and_hold_less() -> None:
    whole, sliced = (measured(case("flow_matching", f"budget.micro_batch={rows}"), CPU, QUICK) for rows in (8, 2))
    assert (whole.rows, sliced.rows) == (8, 2)
    assert sliced.gflops == pytest.approx(whole.gflops, rel=1e-6)
    assert sliced.memory < whole.memory


@dataclass(frozen=True)
class Wide(FlowMatching):
    """Fits in slices of some rows, and not of more."""

    most: int = 2

    def losses(self, models: Any, batch: Any, context: Any) -> Any:
        if len(batch.x_1) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().losses(models, batch, context)


def with_method(one: Case, method: FlowMatching) -> Case:
    return replace(one, experiment=replace(one.experiment, method=method))


def test_what_does_not_fit_is_halved_until_it_does() -> None:
    assert measured(with_method(case("flow_matching"), Wide()), CPU, QUICK).rows == 2
    with pytest.raises(torch.OutOfMemoryError):
        measured(with_method(case("flow_matching"), Wide(most=0)), CPU, QUICK)


class Clock:
    """Every look at it and every step takes its time."""

    def __init__(self, step: float) -> None:
        self.now, self.one = 0.0, step

    def __call__(self) -> float:
        return self.now

    def step(self) -> None:
        self.now += self.one


@pytest.mark.parametrize(("one", "steps"), [(1.0, 28), (10.0, 2), (1e-3, MOST), (100.0, FEWEST)])
def test_steps_fill_their_time_and_are_no_fewer_than_two(one: float, steps: int) -> None:
    clock = Clock(one)
    times = timed(clock.step, CPU, 30.0, clock)
    assert times == pytest.approx([one] * steps)


def test_the_spread_is_half_the_distance_of_the_quartiles() -> None:
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (3.0, 1.0)
    assert quartiles([2.0]) == (2.0, 0.0)


@pytest.mark.parametrize("method", ["flow_matching", "lmd", "ctm", "dsno", "tcm", "shortcut"])
def test_the_step_by_hand_moves_what_the_loop_moves(method: str) -> None:
    """The same networks, from the same weights; up to the optimizers' rate, which is at its peak by hand."""
    one = case(method, "budget.micro_batch=4", "train.schedule=constant", "train.warmup=0")
    loop, hand = (subject(one.experiment, one.shape, CPU, 4) for _ in range(2))
    for each in (loop, hand):
        each.begin(0)
    start = [p.detach().clone() for p in loop.trainer.models["net"].parameters()]
    loop.step()
    by_hand(hand)()
    for a, b, p in zip(loop.trainer.models["net"].parameters(), hand.trainer.models["net"].parameters(), start, strict=True):
        assert torch.equal(a == p, b == p)
        if method != "ctm":  # whose second loss is balanced with the first by the loop alone
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_flow_matching_comes_first_then_forward_mode_then_the_rest() -> None:
    names = [each.label for each in cases(request(["method=ect,psd_m,meanflow,lsd", "seed=0,1"]).experiments)]
    assert names[0] == "flow_matching"
    assert set(names[1:3]) == {"meanflow", "lsd"}
    assert set(names[3:]) == {"ect", "psd_m"}
