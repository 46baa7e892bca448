"""A run that diverged says where: the first step, its stage, the loss, and what of it was first not a number."""

import math

import pytest
import torch

from bench.accounts import Moved
from bench.accounts.trace import FOLD, Trace
from bench.processes import Ranks

NAN, INF = math.nan, math.inf


def traced(*steps: tuple[float, float, float], looks: tuple[int, ...] = ()) -> Trace:
    """Steps of one loss "net": its value, its gradient's norm, its witness. looks: steps after which all was found well."""
    trace = Trace()
    for number, (loss, norm, witness) in enumerate(steps, 1):
        trace.add("net", torch.tensor(loss))
        trace.end(number, "train", 0.01 * number, {"net": Moved(torch.tensor(norm), torch.tensor(witness))})
        if number in looks:
            trace.clear()
    return trace


GOOD = (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ((NAN, NAN, NAN), "loss 'net' was not finite"),
        ((INF, NAN, NAN), "loss 'net' was not finite"),
        ((1.0, INF, NAN), "the gradient of loss 'net' was not finite"),
        ((1.0, 2.0, INF), "a parameter of loss 'net' was not finite"),
        ((2e6, 2.0, 3.0), "loss 'net' was 2e+06, above the bound of 1e+06"),
    ],
)
@pytest.mark.parametrize("looks", [(), (1,), (2,)])
def test_the_first_of_loss_gradient_and_parameters_is_named_with_its_step_rate_and_the_gradients_before(bad, what, looks):
    trace = traced((1.0, 7.0, 3.0), GOOD, bad, (NAN, NAN, NAN) if not math.isfinite(sum(bad)) else GOOD, looks=looks)
    assert trace.why(1e6, 10, Ranks()) == (
        f"{what} at step 3 of 10, stage 'train'; learning rate 0.03, largest gradient norm before it 7 (step 1)")


def test_what_is_not_finite_goes_before_what_is_only_large_and_a_first_step_has_none_before_it():
    assert traced((2e6, 1.0, 1.0), (NAN, NAN, NAN)).why(1e6, 2, Ranks()).startswith("loss 'net' was not finite at step 2")
    assert traced((NAN, NAN, NAN)).why(1e6, 2, Ranks()).endswith("learning rate 0.01, no step before it")


def test_slices_of_one_loss_are_added_up_and_several_losses_keep_their_names():
    trace = Trace()
    for name, value in (("a", 1.0), ("b", INF), ("a", 1.0), ("b", -INF)):
        trace.add(name, torch.tensor(value))
    fine = Moved(torch.tensor(1.0), torch.tensor(1.0))
    trace.end(1, "second", 0.1, {"a": fine, "b": fine})
    assert trace.why(1e6, 5, Ranks()).startswith("loss 'b' was not finite at step 1 of 5, stage 'second'")


def test_a_norm_that_overflows_is_told_apart_from_weights_that_are_lost():
    assert traced(GOOD, (1.0, INF, 3.0)).left_the_numbers() and not traced(GOOD, GOOD).left_the_numbers()


def test_many_steps_between_two_looks_are_fetched_on_the_way_and_none_is_lost():
    trace = traced(*[GOOD] * FOLD, (1.0, 9.0, 3.0), (1.0, NAN, NAN), *[(NAN, NAN, NAN)] * FOLD)
    assert trace.why(1e6, 5000, Ranks()).startswith(f"the gradient of loss 'net' was not finite at step {FOLD + 2:,}")
    assert "largest gradient norm before it 9" in trace.why(1e6, 5000, Ranks())
