"""Classes and guidance of a sampler: drawn as often as in training, led away from no class, and paid for where it is."""

import pytest
import torch
from small_nets import stirred
from specs import network
from torch import Tensor, nn

from bench.nets import Backbone, counting
from bench.scoring.labels import Guidance, Labels
from bench.scoring.sample import Sampler
from methods.base import Method
from methods.edm import EDM
from methods.flow_matching import FlowMatching
from methods.self_distillation import LSD
from methods.tools import Guided, Solver, with_scale

CPU, CHUNK, COUNTS = torch.device("cpu"), 64, (10, 20, 70)
SMALL = Backbone(network({"name": "mlp", "width": 16, "depth": 1, "embedding": 8, "classes": 3}), (2,), 0)
NET, TOLD = stirred(SMALL.net()), stirred(SMALL.scaled())  # the second is told its scale
SCALED = LSD(scale=(1.0, 4.0))
METHODS = {"euler": FlowMatching(), "midpoint": FlowMatching(solver=Solver.MIDPOINT), "edm": EDM()}
each = pytest.mark.parametrize("name", METHODS)


def sampler(method: Method, guidance: Guidance | None = None, only: int | None = None, net: nn.Module = NET) -> Sampler:
    return Sampler(method, {"net": net}, (2,), 0, CHUNK, CPU, Labels(COUNTS, only), guidance=guidance)


def paid(made: Sampler, steps: int) -> tuple[Tensor, int, int]:
    """Samples, calls and rows a sample."""
    with counting(made.models["net"]) as count:
        x = made.draw(0, steps)
    return x, count.calls, count.rows // CHUNK


@each
def test_the_scale_one_is_no_guidance_to_the_bit_and_costs_nothing(name: str) -> None:
    plain, one = paid(sampler(METHODS[name]), 4), paid(sampler(METHODS[name], Guidance(1.0)), 4)
    assert torch.equal(plain[0], one[0]) and plain[1:] == one[1:]


@each
def test_a_guided_step_takes_two_rows_a_call(name: str) -> None:
    plain, guided = paid(sampler(METHODS[name]), 4), paid(sampler(METHODS[name], Guidance(2.0)), 4)
    assert guided[1] == plain[1] and guided[2] == 2 * plain[2] and not torch.allclose(plain[0], guided[0])


def test_a_guided_step_is_its_equation() -> None:
    made, w = sampler(FlowMatching(), Guidance(2.5)), 2.5
    x, s, c = made.noise(0), torch.zeros(CHUNK), made.classes(CHUNK)
    with torch.no_grad():
        of_class, of_none = NET(x, s, s, condition=c), NET(x, s, s)
    torch.testing.assert_close(made.draw(0, 1), x + of_none + w * (of_class - of_none), rtol=1e-5, atol=1e-5)


def test_the_scale_zero_is_no_class() -> None:
    class Nobody(nn.Module):
        def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: object = None) -> Tensor:
            out: Tensor = NET(x, s, t)
            return out

    none = sampler(FlowMatching(), net=Nobody()).draw(0, 3)
    torch.testing.assert_close(sampler(FlowMatching(), Guidance(0.0)).draw(0, 3), none, rtol=1e-5, atol=1e-5)


def test_a_step_that_begins_outside_the_interval_is_not_guided() -> None:
    plain = sampler(FlowMatching())
    within = sampler(FlowMatching(), Guidance(3.0, (0.25, 0.75)))  # of the times 0, 1/4, 1/2, 3/4 the two in the middle
    assert paid(within, 4)[2] == 6
    late = sampler(FlowMatching(), Guidance(3.0, (0.8, 1.0)))
    assert torch.equal(late.draw(0, 4), plain.draw(0, 4))


def test_a_network_that_is_told_its_scale_takes_one_row_a_call() -> None:
    plain, one = SMALL.net(), paid(sampler(SCALED, Guidance(1.0), net=TOLD), 2)
    plain.load_state_dict({key: value for key, value in TOLD.state_dict().items() if not key.startswith("scaling.")})
    untold, guided = paid(sampler(LSD(), net=plain), 2), paid(sampler(SCALED, Guidance(2.5), net=TOLD), 2)
    assert torch.equal(one[0], untold[0]) and one[1:] == untold[1:] == guided[1:] == (2, 2)
    made = sampler(SCALED, Guidance(2.5), net=TOLD)
    x, s, c = made.noise(0), torch.zeros(CHUNK), made.classes(CHUNK)
    assert c is not None
    with torch.no_grad():
        jumped = x + TOLD(x, s, s + 1, condition=with_scale(c, torch.full((CHUNK,), 2.5)))
    torch.testing.assert_close(made.draw(0, 1), jumped, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(jumped, paid(sampler(SCALED, Guidance(1.0), net=TOLD), 1)[0])


def test_where_a_told_scale_is_not_asked_it_is_one_or_the_nearest_that_was_trained() -> None:
    def drawn(method: LSD, guidance: Guidance | None) -> Tensor:
        return sampler(method, guidance, net=TOLD).draw(0, 4)

    one, late = drawn(SCALED, Guidance(1.0)), drawn(SCALED, Guidance(3.0, (0.8, 1.0)))
    assert torch.equal(drawn(SCALED, None), one) and torch.equal(late, one)
    within = drawn(SCALED, Guidance(3.0, (0.25, 0.75)))
    assert not torch.equal(within, one) and not torch.equal(within, drawn(SCALED, Guidance(3.0)))
    high, low = LSD(scale=(2.0, 4.0)), LSD(scale=(0.25, 0.5))
    assert torch.equal(drawn(high, None), drawn(SCALED, Guidance(2.0)))
    assert torch.equal(drawn(low, None), drawn(low, Guidance(0.5)))


def test_guidance_without_a_class_is_refused() -> None:
    with pytest.raises(ValueError, match="class labels"):
        Guided(NET, 2.0, 3)(torch.zeros(2, 2), torch.zeros(2), torch.zeros(2))


def test_classes_come_as_often_as_in_training_and_depend_on_the_chunk_alone() -> None:
    made = sampler(FlowMatching())
    many = made.classes(20_000)
    assert many is not None
    shares = torch.bincount(many, minlength=3) / len(many)
    torch.testing.assert_close(shares, torch.tensor([0.1, 0.2, 0.7]), atol=0.015, rtol=0)
    few = made.classes(100)
    assert few is not None and torch.equal(few, many[:100])
    assert (Labels((0, 5, 0)).drawn(0, 0, 1000) == 1).all()
    with pytest.raises(ValueError, match="no class 'flower': classes are numbers, here 0 to 2"):
        Labels((0, 5, 0), "flower")  # type: ignore[arg-type]
    assert not torch.equal(Labels(COUNTS).drawn(0, 0, CHUNK), Labels(COUNTS).drawn(0, 1, CHUNK))
    assert not torch.equal(Labels(COUNTS).drawn(0, 0, CHUNK), Labels(COUNTS).drawn(1, 0, CHUNK))


def test_each_sample_is_of_its_own_class() -> None:
    class Spelling(nn.Module):
        def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: object = None) -> Tensor:
            assert condition is not None
            return -x + condition[:, None]

    found = torch.cat(list(sampler(FlowMatching(), net=Spelling()).batches(150, 1, 40)))
    classes = sampler(FlowMatching()).classes(150)
    assert classes is not None and torch.equal(found[:, 0].round().long(), classes)
    assert (sampler(FlowMatching(), only=2, net=Spelling()).draw(0, 1).round() == 2).all()


def test_a_class_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no class 3.*0 to 2"):
        Labels(COUNTS, 3)
