"""Claims about operator networks: what they share with plain ones, and what their temporal blocks do."""

from contextlib import ExitStack
from math import cos, pi, sin

import pytest
import torch
import torch.nn.functional as F
from small_nets import SMALL
from specs import network
from torch import Tensor, nn

from bench.layers import Mixing, lowered
from bench.nets import Backbone, counting

CONFIGS = {**SMALL, "mlp": {"name": "mlp", "width": 16, "depth": 2, "embedding": 16}}
BLOCKS = {"mlp": 2, "unet": 2 + 1 + 4, "ddpmpp": 3 + 2 + 5, "ncsnpp": 3 + 2 + 5, "adm": 3 + 2 + 5, "edm2": 3 + 7, "dit": 2}
each_net = pytest.mark.parametrize("name", CONFIGS)
SIZES = [(4, 2), (4, 3), (5, 3), (8, 4), (1, 1), (2, 2)]
SHAPE = (1, 8, 8)


def stirred(net: nn.Module, size: float = 0.3) -> nn.Module:
    """All parameters away from their zeros."""
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            inputs = p.numel() // len(p) if p.ndim else 1
            p.add_(size * torch.randn(p.shape, generator=g, dtype=p.dtype) / inputs**0.5)
    return net


def block(slots: int, modes: int, channels: int = 3) -> Mixing:
    mixing = stirred(Mixing(channels, slots, modes).double())
    assert isinstance(mixing, Mixing)
    return mixing


def signal(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=dtype)


def complex_matrices(mixing: Mixing) -> Tensor:
    """R_k of all kept frequencies; a frequency without a sine is real."""
    imaginary = torch.zeros_like(mixing.real)
    if mixing.imaginary is not None:
        imaginary[mixing.waves] = mixing.imaginary
    return torch.complex(mixing.real, imaginary)


# one block


@pytest.mark.parametrize(("slots", "modes"), SIZES)
def test_mixing_is_the_spectral_convolution_of_the_paper(slots: int, modes: int) -> None:
    mixing, h = block(slots, modes), signal(2, slots, 3, 5)
    spectrum = torch.fft.rfft(h, dim=1)
    kept = torch.zeros_like(spectrum)
    kept[:, :modes] = torch.einsum("bkip,kio->bkop", spectrum[:, :modes], complex_matrices(mixing))
    expected = h + F.leaky_relu(torch.fft.irfft(kept, n=slots, dim=1))
    assert (expected - h).abs().max() > 1e-2
    torch.testing.assert_close(mixing(h.flatten(0, 1)), expected.flatten(0, 1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("slots", "modes"), SIZES)
def test_mixing_is_a_circular_convolution_over_the_slots(slots: int, modes: int) -> None:
    """Its kernel, written out with sines and cosines: (1/T) sum_k c_k Re(R_k e^{2 pi i k m / T}), c_k the weight of k."""
    mixing, h = block(slots, modes), signal(slots, 3)
    matrices = complex_matrices(mixing)
    kernel = torch.zeros(slots, 3, 3, dtype=torch.float64)
    for m in range(slots):
        for k in range(modes):
            weight = 1 if 2 * k in (0, slots) else 2
            angle = 2 * pi * k * m / slots
            kernel[m] += weight / slots * (cos(angle) * matrices[k].real - sin(angle) * matrices[k].imag)
    change = [sum(h[n] @ kernel[(m - n) % slots] for n in range(slots)) for m in range(slots)]
    expected = h + F.leaky_relu(torch.stack(change))  # type: ignore[arg-type]
    torch.testing.assert_close(mixing(h), expected, rtol=1e-12, atol=1e-12)


def test_mixing_does_not_mix_pixels_or_samples() -> None:
    mixing, h = block(4, 2), signal(8, 3, 2, 2)
    moved = h.clone()
    moved[0, 0, 1, 0] += 1  # sample 0 is rows 0 to 3
    changed = (mixing(moved) != mixing(h)).any(1)
    assert changed[:4, 1, 0].all() and changed.sum() == 4


def test_the_gradients_of_mixing_are_right() -> None:
    mixing, h = block(5, 3), signal(5, 3, 2).requires_grad_()

    def run(x: Tensor, real: Tensor, imaginary: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(mixing, {"real": real, "imaginary": imaginary}, (x,))
        return out

    assert torch.autograd.gradcheck(run, (h, mixing.real, mixing.imaginary))
    assert torch.autograd.gradcheck(run, (h, mixing.real, mixing.imaginary), check_forward_ad=True, check_backward_ad=False)


@pytest.mark.parametrize(("slots", "modes"), SIZES)
def test_every_parameter_of_mixing_counts(slots: int, modes: int) -> None:
    mixing = block(slots, modes)
    mixing(signal(4 * slots, 3)).square().sum().backward()
    for p in mixing.parameters():
        assert p.grad is not None and (p.grad != 0).all()


def test_mixing_refuses_rows_that_are_no_groups_and_frequencies_that_there_are_not() -> None:
    with pytest.raises(ValueError, match="groups of 4"):
        Mixing(3, 4, 2)(torch.zeros(6, 3))
    for modes in (0, 4):
        with pytest.raises(ValueError, match="1 to 3 frequencies"):
            Mixing(3, 4, modes)


# the network


def inputs(rows: int = 8, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    x = signal(rows, *SHAPE, dtype=dtype)
    t = torch.linspace(0.1, 1, rows, dtype=dtype)
    return x, torch.zeros_like(t), t


@each_net
def test_an_operator_shares_the_names_and_values_of_the_plain_network(name: str) -> None:
    backbone = Backbone(network(CONFIGS[name]), SHAPE, 3)
    plain, operator = backbone.net().state_dict(), backbone.operator(4, 2).state_dict()
    assert all(torch.equal(value, operator[key]) for key, value in plain.items())
    more = operator.keys() - plain.keys()
    assert more and all(key.startswith("mixing.") for key in more)
    assert not any(key.startswith("mixing") for key in plain)


@each_net
def test_an_operator_begins_as_the_network_whose_weights_it_takes(name: str) -> None:
    backbone = Backbone(network(CONFIGS[name]), SHAPE, 0)
    plain, operator = stirred(backbone.net()), backbone.operator(4, 2)
    operator.load_state_dict(operator.state_dict() | plain.state_dict())
    assert torch.equal(operator(*inputs()), plain(*inputs()))
    assert not torch.allclose(stirred(operator)(*inputs()), plain(*inputs()))


@each_net
def test_the_slots_of_one_sample_see_each_other_and_no_other_sample(name: str) -> None:
    operator = stirred(Backbone(network(CONFIGS[name]), SHAPE, 0).operator(4, 2)).double()
    x, s, t = inputs(dtype=torch.float64)
    moved = x.clone()
    moved[2] += 1
    with torch.no_grad():
        change = (operator(moved, s, t) - operator(x, s, t)).flatten(1).abs().max(1).values
        alone = operator(x[4:], s[4:], t[4:])
    assert (change[:4] > 1e-6).all() and (change[4:] < 1e-12).all()
    torch.testing.assert_close(alone, operator(x, s, t)[4:])


@each_net
def test_every_block_is_followed_by_a_mixing(name: str) -> None:
    operator = Backbone(network(CONFIGS[name]), SHAPE, 0).operator(4, 2)
    mixings = [m for m in operator.modules() if isinstance(m, Mixing)]
    with ExitStack() as stack:
        counts = [stack.enter_context(counting(m)) for m in mixings]
        operator(*inputs())
    assert len(mixings) == BLOCKS[name]
    assert [c.calls for c in counts] == [1] * len(mixings)


@each_net
def test_a_lowered_operator_is_the_operator_to_bfloat16(name: str) -> None:
    operator, at = stirred(Backbone(network(CONFIGS[name]), SHAPE, 0).operator(4, 2)), inputs()
    full = operator(*at)
    half = lowered(operator)(*at)
    half.square().mean().backward()
    assert half.dtype == full.dtype and (half - full).norm() < 0.05 * full.norm()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in operator.parameters())


def test_mixing_runs_in_float32_whatever_it_is_given() -> None:
    mixing, h = block(4, 2, 16).float(), signal(8, 16, dtype=torch.float32).bfloat16()
    out = mixing(h)
    assert out.dtype == torch.bfloat16
    change = mixing(h.float()) - h.float()
    assert torch.equal(out, h + change.bfloat16())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@each_net
def test_an_operator_on_a_gpu_equals_the_one_on_the_cpu(name: str) -> None:
    operator, at = stirred(Backbone(network(CONFIGS[name]), SHAPE, 0).operator(4, 2)).double(), inputs(dtype=torch.float64)
    expected = operator(*at)
    found = operator.cuda()(*(a.cuda() for a in at))
    torch.testing.assert_close(found.cpu(), expected)
    assert torch.equal(found, operator(*(a.cuda() for a in at)))
