"""Distribution matching against closed forms: Gaussian generators, whose denoisers are affine, and exact fake velocities."""

from dataclasses import dataclass, replace
from math import log, sqrt
from typing import Any

import pytest
import torch
from contract import made
from oracle import CPU, Oracle, context, data, perturbation, teacher_of
from torch import Tensor, nn
from trainings import map_error, one_jump, teacher_net, trained

from bench.scoring.sample import Sampler
from bench.truth import Gaussian, Truth, target
from methods.base import Batch, Loss
from methods.distribution_matching import DMD2, Curve, SiD, SiDA
from methods.tools import Linear, Trigonometric, align, deceived, told_apart

N = 4096
MEAN, WIDTH = torch.tensor([0.7, -0.4], dtype=torch.float64), torch.tensor([1.3, 0.6], dtype=torch.float64)
NARROW = Curve(0.4, 0.4 + 1e-9)  # one noise level
CASES = {"dmd2": DMD2(levels=NARROW), "sid": SiD(levels=NARROW), "sid_half": SiD(levels=NARROW, alpha=0.5)}
CLOCKS = pytest.mark.parametrize("path", [Linear(), Trigonometric(), Linear(0.5)], ids=["linear", "trigonometric", "half_base"])


def law(mean: Tensor, width: Tensor) -> Gaussian:
    return Gaussian(tuple(mean.tolist()), tuple(map(tuple, torch.diag(width.square()).tolist())))


@dataclass
class Affine:
    """x_g = mean + width z, whatever the clock."""

    method: DMD2

    def net(self, mean: Tensor, width: Tensor) -> nn.Module:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.mean, self.width = nn.Parameter(mean.clone()), nn.Parameter(width.clone())

            def forward(net, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
                z = x / align(self.method.interpolant.alpha(s), x) / self.method.interpolant.base_scale
                return (net.mean + net.width * z - x) / align(t - s, x)

        return Net()


def taken(
    method: DMD2, mean: Tensor, width: Tensor, follow: Any = None, teacher: Any = None, **more: Any
) -> tuple[Any, Any, Any]:
    """The losses of a Gaussian generator, of which the fake network knows the velocity, with the networks and the context."""
    net = Affine(method).net(mean, width)
    models = {"net": net, "fake": follow or Oracle(law(mean, width)), **more}
    at = context(method, N, teacher=teacher or teacher_of(law(MEAN, WIDTH)))
    return method.losses(models, Batch(data(law(MEAN, WIDTH), N)), at), models, at


def closed(method: DMD2, at: Any, mean: Tensor, width: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """On the linear clock, by posterior means of Gaussians: x_0, d loss / d x_g, f_real - f_fake, <|x_g - f_real|>."""
    z, noise = at.noise(torch.zeros(N, 2)), at.draws.normal("renoise", 2)
    x_g, t = mean + width * z, align(method.interpolant.time_of_sigma(method.levels(at.draws.uniform("levels"))), z)
    x_t = (1 - t) * noise + t * x_g

    def denoised(m: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        slope = t * c.square() / ((1 - t) ** 2 + t**2 * c.square())
        return m + slope * (x_t - t * m), slope * t

    (real, k_real), (fake, k_fake) = denoised(MEAN, WIDTH), denoised(mean, width)
    distance = (x_g - real).abs().mean(1, keepdim=True)
    if isinstance(method, SiD):
        r, k = real - fake, k_real - k_fake
        return z, (k * (real - x_g - method.alpha * r) + r * (k_real - 1 - method.alpha * k)) / distance, r, distance
    return z, (fake - real) / distance / 2, real - fake, distance


@pytest.mark.parametrize("case", CASES)
def test_the_generators_gradient_is_its_closed_form_and_goes_to_the_data(case: str) -> None:
    """Its mean is off, or its width, or nothing: then there is no gradient at any sample."""
    method = CASES[case]
    for shift, stretch in ((0.5, 1.0), (0.0, 1.5), (-0.3, 0.6), (0.0, 1.0)):
        mean, width = MEAN + shift, WIDTH * stretch
        losses, models, at = taken(method, mean, width)
        found = torch.autograd.grad(losses["net"].per_sample.mean(), [models["net"].mean, models["net"].width])
        z, gradient, *_ = closed(method, at, mean, width)
        for ours, expected in zip(found, (gradient.mean(0), (gradient * z).mean(0)), strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)
        if shift and stretch == 1:
            assert (found[0] * shift > 0).all(), "a step against it brings the mean to the data's"
        if stretch != 1 and not shift:
            assert (found[1] * (stretch - 1) > 0).all()
        if not shift and stretch == 1:
            assert all(g.abs().max() < 1e-12 for g in found)


@pytest.mark.parametrize("case", ["sid", "sid_half"])
def test_the_loss_of_sid_is_one_minus_alpha_of_the_squared_distance_of_the_denoisers(case: str) -> None:
    """In expectation, for the fake denoiser is the mean of x_g; before each sample is divided by its distance."""
    method = CASES[case]
    losses, _, at = taken(method, MEAN + 1, WIDTH * 1.2)
    *_, r, distance = closed(method, at, MEAN + 1, WIDTH * 1.2)
    expected = (1 - method.alpha) * r.square().sum(1)  # type: ignore[attr-defined]
    difference = losses["net"].per_sample.detach() * distance[:, 0] - expected
    assert abs(difference.mean()) < 3 * difference.std() / sqrt(N)
    assert expected.mean().abs() > 10 * difference.std() / sqrt(N)


@CLOCKS
@pytest.mark.parametrize("case", CASES)
def test_an_exact_fake_velocity_leaves_the_generator_where_its_law_is_the_datas(case: str, path: Any) -> None:
    """At every sample, on every clock, for any generator: both denoisers are one function."""
    method = replace(CASES[case], interpolant=path, levels=Curve(0.02, 0.98))
    velocity = lambda x, t, condition=None: torch.sin(x) + align(t, x)  # noqa: E731

    class Same(nn.Module):
        def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
            return velocity(x, t)

    losses, models, _ = taken(method, MEAN + 1, WIDTH, Same(), velocity)
    gradient = torch.autograd.grad(losses["net"].per_sample.mean(), list(models["net"].parameters()))
    assert all(g.abs().max() < 1e-12 for g in gradient)


@pytest.mark.parametrize("name", ["gaussian", "skewed"])
def test_the_fake_networks_gradient_vanishes_at_the_generators_velocity_only(name: str) -> None:
    """Of a generator whose samples are those of a target."""
    truth: Truth = target(name)
    gradients = {}
    for theta in (0.0, 0.1):
        found, method = [], DMD2()
        fake = Oracle(truth, perturbation(theta))
        for step in range(16):
            at = context(method, 512, step=step)
            loss = method.followed(fake, data(truth, 512, seed=5, step=step), Batch(torch.zeros(512, 2)), at)
            found.append(torch.autograd.grad(loss.mean(), fake.theta)[0])
        each = torch.stack(found)
        gradients[theta] = (each.mean(0) / each.std(0) * 4).square().mean().item()
    assert gradients[0.0] < 2.5 and gradients[0.1] > 10


@CLOCKS
def test_the_fake_loss_is_edms_of_the_generators_denoiser(path: Any) -> None:
    """(sigma^2 + sd^2) / (sigma sd)^2 times the squared error of the data that it predicts, whatever the clock."""
    method = DMD2(interpolant=path)
    net, at = Oracle(target("gaussian"), 0.1), context(method, 64)
    x_g = data(target("skewed"), 64)
    loss = method.followed(net, x_g, Batch(x_g), at)
    t = path.time_of_sigma(method.fake_levels(at.draws.uniform("fake levels")))
    x_t = path.point(path.base_scale * at.draws.normal("fake", 2), x_g, t)
    error = method.data(net(x_t, t, t), x_t, t) - x_g
    sigma, sd = path.sigma(t), method.sigma_data
    torch.testing.assert_close(loss, (sigma**2 + sd**2) / (sigma * sd) ** 2 * error.square().sum(1), rtol=1e-6, atol=1e-8)


def test_noise_levels_are_uniform_on_their_part_of_edms_grid() -> None:
    u = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    assert Curve()(u).tolist() == pytest.approx([80.0, ((80 ** (1 / 7) + 0.002 ** (1 / 7)) / 2) ** 7, 0.002])
    torch.testing.assert_close(Curve(0.25, 0.75)(u), Curve()(0.25 + u / 2))
    with pytest.raises(ValueError, match="must be below clean"):
        Curve(0.5, 0.5)


@CLOCKS
def test_samples_are_drawn_as_they_are_trained(path: Any) -> None:
    """From noise at sigma_init in one jump."""
    method = SiD(interpolant=path)
    assert path.sigma(method.grid(1)[:1]).item() == pytest.approx(2.5) and method.grid(1)[-1] == 1
    assert [n for n in range(5) if method.supports(n)] == [1]
    at, net = context(method, 64), Oracle(target("gaussian"), 0.1)
    z = at.noise(torch.zeros(64, 2))

    class Fixed(Sampler):
        def noise(self, index: int, purpose: str = "x_0") -> Tensor:
            return z.float()

    drawn = Fixed(method, {"net": net}, (2,), 0, 64, CPU).draw(0, 1)
    trained_on = method.generated(net, Batch(torch.zeros(64, 2, dtype=torch.float64)), at)
    torch.testing.assert_close(drawn.double(), trained_on, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["dmd2", "sid", "sida"])
def test_in_a_step_that_leaves_the_generator_alone_nothing_is_asked_of_the_teacher(name: str) -> None:
    method = replace(made(name), every=5)  # type: ignore[call-arg]
    (stage,) = method.stages(100)
    assert stage.every == {"net": 5} and stage.trained.keys() == {"net", "fake", *["critic"] * (name == "sida")}
    at = context(method, 16, stage=stage.at(0))  # without a teacher
    models = {"net": Oracle(target("gaussian")), "fake": Oracle(target("gaussian")), "critic": Oracle(target("gaussian"))}
    found = method.losses(models, Batch(data(target("gaussian"), 16)), at)
    assert found.keys() == stage.trained.keys() - {"net"}
    assert [grad for *_, grad in models["net"].calls] == [False], "one sample, without a graph"


def test_the_leagues_follow_the_critic() -> None:
    assert [made(name).league for name in ("dmd2", "sid", "sida", "lsd")] == ["extra networks"] * 2 + ["perceptual", "plain"]
    assert DMD2(critic=0.1).league == "perceptual"


class Slope(nn.Module):
    """Logits g . x, in two places."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope, dtype=torch.float64))

    def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
        return 2 * self.slope * x


def test_a_critic_raises_the_logits_of_data_and_a_generator_those_of_its_own() -> None:
    zero, t, x = Slope(0.0), torch.full((1,), 0.5, dtype=torch.float64), torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    assert deceived(zero, x, t).item() == pytest.approx(log(2)) == told_apart(zero, x, -x, t).item() / 2
    (slope,) = torch.autograd.grad(told_apart(zero, x, -x, t).sum(), zero.slope)
    assert slope.item() == pytest.approx(-4), "data have the larger entries: -1/2 of the means 4 and -4"
    x.requires_grad_()
    (up,) = torch.autograd.grad(deceived(Slope(0.5), x, t).sum(), x)
    assert (up < 0).all(), "against it the logit rises"


@pytest.mark.parametrize("name", ["dmd2", "sida"])
def test_a_critic_is_told_data_and_samples_at_the_same_noise(name: str) -> None:
    method = replace(made(name), critic=0.5, levels=NARROW)  # type: ignore[call-arg]
    critic, mean = Slope(0.3), MEAN + 0.5
    losses, models, at = taken(method, mean, WIDTH, critic=critic)
    plain, *_ = taken(replace(method, critic=0.0), mean, WIDTH)
    z = at.noise(torch.zeros(N, 2))
    t = method.interpolant.time_of_sigma(method.levels(at.draws.uniform("levels")))
    path, x_g = method.interpolant, mean + WIDTH * z
    x_t = path.point(at.draws.normal("renoise", 2), x_g, t)
    real = path.point(at.draws.normal("noise of data", 2), data(law(MEAN, WIDTH), N), t)
    torch.testing.assert_close(losses["critic"].per_sample, told_apart(critic, real, x_t, t))
    torch.testing.assert_close(losses["net"].per_sample, plain["net"].per_sample + 0.5 * deceived(critic, x_t, t))
    assert _reached(losses["critic"], models["net"]) == [False] * 2 and _reached(losses["critic"], critic) == [True]
    assert _reached(losses["fake"], models["net"]) == [False] * 2 and all(_reached(losses["net"], models["net"]))


def _reached(loss: Loss, module: nn.Module) -> list[bool]:
    found = torch.autograd.grad(loss.per_sample.sum(), list(module.parameters()), retain_graph=True, allow_unused=True)
    return [g is not None for g in found]


TRAINED = {"dmd2": DMD2(sigma_data=1.0), "sid": SiD(every=5, sigma_data=1.0), "sida": SiDA(every=5, sigma_data=1.0)}


@pytest.mark.parametrize("name", TRAINED)
def test_a_short_training_brings_the_generator_to_the_data(name: str) -> None:
    """The map that it learns is one of many: its error ends below half of the untrained one's, and its law near the data's."""
    made_ = trained(TRAINED[name], "skewed", 250, teacher_net("skewed"), lr=3e-3)
    jump = one_jump(made_)
    assert map_error("skewed", jump) < 0.25 < 0.5 < map_error("skewed", lambda x, s, t: x)
