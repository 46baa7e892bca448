"""Dropout masks: as random as they have to be, the same however a batch is cut, and cheap to keep."""

from collections.abc import Callable
from math import sqrt

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from bench.layers import hashed, keyed_dropout, splitmix
from bench.training.rng import StepDraws, key
from methods.tools import Mask

CPU = torch.device("cpu")
ROWS, SHAPE = 64, (32, 16, 16)
BITS = 2**64


def mask(seed: int = 0, step: int = 0, purpose: str = "student", rows: range = range(ROWS), at: Tensor | None = None) -> Mask:
    made = StepDraws(seed, step, rows, ROWS, CPU).dropout(purpose, at)
    assert made is not None
    return made


def dropped(rate: float, numbers: Mask, name: str = "block0", shape: tuple[int, ...] = (ROWS, *SHAPE)) -> Tensor:
    """Which entries the layer drops."""
    return keyed_dropout(torch.ones(shape), rate, name, numbers) == 0


def off(count: Tensor, n: int, rate: float) -> float:
    """The largest distance of some counts of n entries from their expectation, in standard deviations."""
    return float((count - n * rate).abs().max()) / sqrt(n * rate * (1 - rate))


def correlation(a: Tensor, b: Tensor) -> float:
    """Of two masks, in standard deviations of independent ones."""
    return abs(float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]).double())[0, 1])) * sqrt(a.numel())


# How random they are. The seeds are fixed; each bound is one that numbers of the law break once in a thousand tests or less.


@pytest.mark.parametrize("rate", [0.03, 0.1, 0.13, 0.5, 0.9])
def test_the_rate_is_met_overall_and_in_every_row_channel_and_position(rate: float) -> None:
    d = dropped(rate, mask()).double()
    assert off(d.sum(), d.numel(), rate) < 3.5
    for over in ((1, 2, 3), (0, 2, 3), (0, 1)):
        count = d.sum(over)
        assert off(count, d.numel() // count.numel(), rate) < 5


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_neighbours_are_independent(rate: float) -> None:
    d = dropped(rate, mask())
    for axis in range(4):
        for by in (1, 2, d.shape[axis] // 2):
            n = d.shape[axis] - by
            assert correlation(d.narrow(axis, 0, n), d.narrow(axis, by, n)) < 4, (axis, by)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_all_pairs_of_rows_channels_and_positions_are_independent(rate: float) -> None:
    d = dropped(rate, mask()).double()
    for table in (d.flatten(1), d.transpose(0, 1).flatten(1), d.flatten(0, 1).flatten(1).T):
        found = torch.corrcoef(table).fill_diagonal_(0) * sqrt(table.shape[1])
        assert found.abs().max() < 6


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_a_row_has_no_period(rate: float) -> None:
    """Its power is that of white noise at every frequency: exponential with mean 1."""
    d = dropped(rate, mask()).flatten(1).double()
    power = torch.fft.rfft(d - rate).abs().square()[:, 1:-1] / (d.shape[1] * rate * (1 - rate))
    assert float(power.mean()) == pytest.approx(1, abs=0.01)
    assert power.max() < 20


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_masks_of_other_seeds_steps_purposes_layers_and_rows_are_independent(rate: float) -> None:
    first = dropped(rate, mask())
    others = {"seed": dropped(rate, mask(seed=1)), "step": dropped(rate, mask(step=1)),
              "purpose": dropped(rate, mask(purpose="velocity")), "layer": dropped(rate, mask(), "block1"),
              "row": first.roll(1, 0)}  # fmt: skip
    for what, other in others.items():
        assert correlation(first, other) < 4, what
        rows = (first.double() - rate) * (other.double() - rate)
        assert (rows.flatten(1).mean(1) / (rate * (1 - rate)) * sqrt(rows[0].numel())).abs().max() < 5.5, what


def test_numbers_are_those_of_the_definition() -> None:
    """In Python's integers, which have no sign to get wrong; the first are published for the seed 1234567."""

    def mixed(seed: int, n: int) -> int:
        z = (seed + n * 0x9E3779B97F4A7C15) % BITS
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % BITS
        z = (z ^ z >> 27) * 0x94D049BB133111EB % BITS
        return z ^ z >> 31

    assert [mixed(1234567, n) for n in (1, 2, 3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    ours = splitmix(torch.tensor(1234567), torch.arange(9)).tolist()
    assert [n % BITS for n in ours] == [mixed(1234567, n) for n in range(9)]
    seed = key("any")
    numbers = hashed(torch.tensor(seed), torch.tensor([0, 5, 2]), 4)
    for i, row in enumerate((0, 5, 2)):
        for e in range(4):
            exact = mixed(seed, 2 * row) * mixed(seed, 2**40 + e) + mixed(seed, 2 * row + 1)
            assert int(numbers[i, e]) % BITS == exact % BITS


# Whatever the slice.


def test_every_slice_and_choice_of_samples_has_the_masks_of_the_whole_to_the_bit() -> None:
    whole = mask()("block0", (ROWS, *SHAPE))
    for rows in (range(5), range(5, 23), range(23, ROWS)):
        part = whole[rows.start : rows.stop]
        assert torch.equal(mask(rows=rows)("block0", (len(rows), *SHAPE)), part)
        at = torch.tensor([3, 0, 4])
        assert torch.equal(mask(rows=rows, at=at)("block0", (3, *SHAPE)), part[at])
    slices = StepDraws(0, 0, range(ROWS), ROWS, CPU).slice(range(7, 9)).dropout("student")
    assert slices is not None and torch.equal(slices("block0", (2, *SHAPE)), whole[7:9])


def test_a_pass_of_another_number_of_samples_is_refused() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        mask(rows=range(4))("block0", (5, 3))


# The layer.


def layer(numbers: Mask, rate: float = 0.3) -> Callable[[Tensor], Tensor]:
    return lambda x: keyed_dropout(x, rate, "block0", numbers)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_it_is_a_product_with_a_mask_in_every_mode(dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(0)
    x, dx, w = torch.randn(3, ROWS, *SHAPE, generator=g).to(dtype)
    f, kept = layer(mask()), ~dropped(0.3, mask()) / torch.tensor(0.7, dtype=dtype)
    near = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 0.05}[dtype]

    def same(got: Tensor, expected: Tensor) -> None:
        assert got.dtype == dtype
        torch.testing.assert_close(got, expected, rtol=near, atol=near)

    x.requires_grad_()
    same(f(x), x * kept)
    for got in (*torch.func.jvp(f, (x,), (dx,)), torch.autograd.grad(f(x), x, w)[0]):
        assert torch.equal(got == 0, kept == 0)
    y, dy = torch.func.jvp(lambda x: f(x.sin()), (x,), (dx,))
    same(dy, x.cos() * dx * kept)
    same(torch.autograd.grad((dy * w).sum() + (y * w).sum(), x)[0], (-x.sin() * dx + x.cos()) * w * kept)


def test_it_keeps_a_byte_an_entry_for_the_backward_pass() -> None:
    kept: list[Tensor] = []
    x, dx = torch.randn(2, ROWS, *SHAPE, requires_grad=True).unbind()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):  # type: ignore[func-returns-value]
        torch.func.jvp(layer(mask()), (x,), (dx,))
        layer(mask())(x)
    large = [t for t in kept if t.numel() > 1]  # a factor is kept too
    assert large and all(t.dtype == torch.bool for t in large)


def test_it_leaves_the_precision_and_the_layout_of_its_input_alone() -> None:
    x = torch.randn(ROWS, *SHAPE, requires_grad=True)
    low, plain = layer(mask())(x.bfloat16()), layer(mask())(x)
    assert low.dtype == torch.bfloat16 and torch.equal(low == 0, plain == 0)
    last = layer(mask())(x.to(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last) and torch.equal(last, plain)


@pytest.mark.parametrize("rate", [1e-9, 1 - 1e-9])
def test_rates_near_their_ends(rate: float) -> None:
    assert bool(dropped(rate, mask()).all()) is (rate > 0.5) and bool(dropped(rate, mask()).any()) is (rate > 0.5)


def test_without_a_mask_or_a_rate_it_is_its_input() -> None:
    x = torch.ones(2, 3)
    assert keyed_dropout(x, 0.5, "block0", None) is x and keyed_dropout(x, 0.0, "block0", mask()) is x


def test_a_compiled_pass_takes_the_masks_of_another_step_as_they_are() -> None:
    x, counter = torch.randn(ROWS, 8), CompileCounter()
    f = torch.compile(lambda x, numbers: layer(numbers)(x), backend=counter, fullgraph=True)
    for step in range(3):
        assert torch.equal(f(x, mask(step=step)), layer(mask(step=step))(x))
    assert counter.frame_count == 1
