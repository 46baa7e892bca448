"""Terminal velocity matching: its definition, LSD as a limit of it, its fixed point, its times."""

import torch
from clocks import BOTH, CLEAR, ZERO, gaussian, measure
from oracle import Oracle, context, one_loss, squared
from refinements import THETA, N, taken, way

from methods.self_distillation import LSD
from methods.terminal_velocity import TerminalVelocity
from methods.tools.interpolant import Interpolant, Linear


def test_with_the_current_network_as_its_slow_copy_it_is_lsd_and_flow_matching() -> None:
    """Its squares are means of two entries, theirs are sums."""
    method = TerminalVelocity()
    loss, gradient, net = taken(method)
    s, t, _ = net.calls[0]
    u = net.calls[-1][0]
    net = Oracle(gaussian(), THETA)
    (x, _), (x_u, speed) = way(Linear(), method, s), way(Linear(), method, u)
    r = LSD(learned_weight=False).residual(net, x, s, t, context(method, N))
    expected = (squared(r) + squared(net(x_u, u, u) - speed)) / 2
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad(expected.mean(), net.theta)[0]
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def test_the_slow_copy_says_how_fast_a_jump_should_end() -> None:
    """The exact one; asked where the jump ends, at its later time, without gradient."""
    truth, slow = gaussian(), Oracle(gaussian())
    loss, net = one_loss(TerminalVelocity(), truth, N, THETA, target={"net": slow})
    s, t, _ = net.calls[0]
    x, _ = way(Linear(), TerminalVelocity(), s)
    ((asked, at, with_gradient),) = slow.calls
    assert torch.equal(asked, t) and torch.equal(at, t) and not with_gradient
    h = 1e-5
    ends = [x + (r - s)[:, None] * net(x, s, r) for r in (t - h, t, t + h)]
    r = (ends[2] - ends[0]) / (2 * h) - truth.velocity(ends[1], t)
    torch.testing.assert_close(loss.parts["terminal"], r.square().mean(1).detach(), rtol=1e-5, atol=1e-8)


@BOTH
def test_its_terminal_part_is_zero_at_the_exact_map_and_its_gradient_vanishes_there(path: Interpolant) -> None:
    method = TerminalVelocity(interpolant=path)
    assert measure(method, gaussian(path), n=64, part="terminal").loss < 1e-20
    assert measure(method, gaussian(path), n=1024).excess < ZERO
    assert measure(method, gaussian(path), 0.2, n=1024).excess > CLEAR


def test_its_gaps_and_ends_are_the_papers_with_the_clock_turned_around() -> None:
    """Their law is that of ends drawn again until they lie below 1 - gap."""
    u = torch.rand((2, 40_000), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    s, t = TerminalVelocity().times(*u)
    assert (s >= 0).all() and (t <= 1).all() and (s <= t).all()
    gap = torch.sigmoid(-0.8 + torch.special.ndtri(u[0]))
    torch.testing.assert_close(t - s, gap, rtol=1e-9, atol=1e-12)
    normal = torch.randn((64, 4000), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ends = torch.sigmoid(-0.4 + normal)
    fits = ends < 1 - gap[:4000]
    first = ends.gather(0, fits.double().argmax(0, keepdim=True))[0]
    found = torch.logit(1 - t[:4000]).sort().values - torch.logit(first).sort().values
    assert found[100:-100].abs().mean() < 0.05


def test_times_at_the_ends_of_their_laws_are_in_order() -> None:
    for dtype in (torch.float32, torch.float64):
        u = torch.tensor([0.0, 1 - torch.finfo(dtype).eps / 2], dtype=dtype)
        s, t = TerminalVelocity().times(*torch.cartesian_prod(u, u).T)
        assert (s >= 0).all() and (s <= t).all() and (t <= 1).all() and t.isfinite().all()
