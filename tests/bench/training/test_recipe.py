"""What the recipes of papers add: rates in images, averages by three rules, images that are moved and told."""


import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.config import ConfigError, request
from bench.data.augment import Augment
from bench.training.ema import Averages, Rule, gamma
from bench.training.recipe import Recipe
from bench.training.rng import StepDraws

CPU = torch.device("cpu")
WIDEST = 12**-0.5  # relative width of the average of all weights so far


def test_the_rate_falls_as_one_over_the_root_after_so_many_images() -> None:
    recipe = Recipe(1000, 10, lr=0.01, schedule="sqrt", decay_after=100)
    assert [recipe.rate(done / 1000, 1000) for done in (0, 50, 100, 400, 900)] == pytest.approx(
        [0.01, 0.01, 0.01, 0.005, 0.01 / 3])  # fmt: skip


def test_a_warm_up_in_images_multiplies_what_falls_after_so_many_images() -> None:
    recipe = Recipe(1000, 10, lr=0.01, schedule="sqrt", decay_after=100, warmup_images=400)
    assert recipe.rate(0.1, 1000) == pytest.approx(0.01 * 0.25)  # EDM2: both at once
    assert recipe.rate(0.4, 1000) == pytest.approx(0.01 * 0.5)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear", "sqrt"])
def test_a_warm_up_in_images_is_the_share_that_it_makes_of_the_stage(schedule: str) -> None:
    images, share = Recipe(1000, 10, schedule=schedule, warmup_images=200), Recipe(1000, 10, schedule=schedule, warmup=0.2)
    for p in (0.0, 0.1, 0.2, 0.7, 0.99):
        assert images.rate(p, 1000) == share.rate(p, 1000)


def test_a_warm_up_that_is_longer_than_the_stage_never_ends() -> None:
    assert Recipe(1000, 10, lr=1.0, warmup_images=4000).rate(0.5, 1000) == pytest.approx(0.125)


def folded(rule: Rule, value: float, steps: int) -> tuple[Tensor, list[float]]:
    """An average of weights 1, 2, ..., after so many steps, and the weights."""
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.zero_()
    averages, live = Averages(module, [value], rule), [float(n) for n in range(1, steps + 1)]
    for weight in live:
        with torch.no_grad():
            module.weight.fill_(weight)
        averages.update()
    return averages.weights[value][0], live


def test_a_half_life_is_in_images() -> None:
    average, live = folded(Rule("half_life", rise=False, batch=10), 40.0, 30)
    expected = sum(w * (1 - 0.5**0.25) * 0.5 ** ((30 - n) / 4) for n, w in enumerate(live, 1))  # after it started from 0
    assert float(average) == pytest.approx(expected, rel=1e-5)


def test_a_half_life_rises_with_the_images_and_forgets_the_start() -> None:
    rule = Rule("half_life", batch=10)
    assert rule.decay(40.0, 20) == pytest.approx(0.5)  # 200 images: half-life 10
    assert rule.decay(40.0, 1) < 1e-5
    assert rule.decay(40.0, 80) == rule.decay(40.0, 1000) == pytest.approx(0.5**0.25)


@given(st.floats(0.01, WIDEST))
def test_a_power_average_has_the_width_that_it_is_named_by(width: float) -> None:
    """Against the moments of the profile t^gamma on [0, 1], by quadrature."""
    g = gamma(width)
    assert g > -1e-9
    u = (np.arange(20_000) + 0.5) / 20_000
    t = u ** (1 / (g + 1))  # distributed as the profile
    assert float(t.std()) == pytest.approx(width, rel=2e-3)


def test_a_power_average_weighs_steps_by_their_power() -> None:
    width, steps = 0.1, 400
    average, live = folded(Rule("power"), width, steps)
    g = gamma(width)
    profile = np.array(live) ** g
    assert float(average) == pytest.approx(float((profile * live).sum() / profile.sum()), rel=2e-2)


def test_the_widest_power_average_is_the_mean_of_all_steps() -> None:
    average, live = folded(Rule("power"), WIDEST, 50)
    assert float(average) == pytest.approx(float(np.mean(live)), rel=1e-5)


def test_averages_are_updated_every_so_many_steps_with_the_decay_of_one_update() -> None:
    average, _ = folded(Rule("decay", rise=False, every=16), 0.5, 47)
    assert float(average) == pytest.approx(0.25 * 16 + 0.5 * 32)  # after steps 16 and 32, from 0
    assert Rule("half_life", rise=False, every=16, batch=10).decay(160.0, 3) == pytest.approx(0.5)


def test_an_average_goes_on_between_two_updates_where_it_stopped() -> None:
    module = nn.Linear(2, 2)
    rule = Rule("decay", every=4)
    one, two = (Averages(module, [0.5], rule) for _ in range(2))
    for step in range(10):
        with torch.no_grad():
            module.weight.add_(step)
        one.update()
        if step == 5:
            two.load(one.state(), 6)
        elif step > 5:
            two.update()
    assert torch.equal(one.weights[0.5][0], two.weights[0.5][0])


def draws(batch: int = 400, step: int = 0) -> StepDraws:
    return StepDraws(0, step, range(batch), batch, CPU)


def blobs(batch: int, side: int = 32) -> tuple[Tensor, Tensor]:
    """Images of one blob each, off the centre, and the coordinates of their pixels (x to the right, y down, in pixels)."""
    at = torch.arange(side) - (side - 1) / 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    image = torch.exp(-((x - 4) ** 2 + (y + 2) ** 2) / 8)
    return image.expand(batch, 1, side, side).clone(), torch.stack([x, y])


def centre(images: Tensor, grid: Tensor) -> Tensor:
    """(B, 2): of mass."""
    mass = images / images.sum((1, 2, 3), keepdim=True)
    return torch.einsum("bchw,dhw->bd", mass, grid)


def moved(point: Tensor, told: Tensor, side: int) -> Tensor:
    """Where what the network is told says that a point goes (geometric)."""
    x, y = point
    x, y = (-x if told[0] else x), (-y if told[1] else y)
    size, angle = 2 ** (0.2 * told[2]), torch.atan2(told[4], told[3] + 1)
    x, y = size * x, size * y
    x, y = angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y
    w, r = told[5:7].norm(), torch.atan2(told[6], told[5]) / 2
    u, v = r.cos() * x + r.sin() * y, -r.sin() * x + r.cos() * y
    u, v = u * 2 ** (0.2 * w), v / 2 ** (0.2 * w)
    x, y = r.cos() * u - r.sin() * v, r.sin() * u + r.cos() * v
    return torch.stack([x + 0.125 * side * told[7], y + 0.125 * side * told[8]])


def test_what_the_network_is_told_is_where_the_image_has_gone() -> None:
    x, grid = blobs(400)
    images, told = Augment("geometric", 0.3)(x, draws())
    ends = torch.stack([moved(torch.tensor([4.0, -2.0]), each, 32) for each in told])
    inside = ends.abs().amax(1) < 8
    near = (grid - ends[:, :, None, None]).norm(dim=1, keepdim=True) < 7  # what is reflected at the edges is further off
    assert int(inside.sum()) > 150
    torch.testing.assert_close(centre((images * near)[inside], grid), ends[inside], atol=0.2, rtol=0)


def test_an_image_that_is_left_as_it_is_or_mirrored_is_so_to_the_bit() -> None:
    x = torch.rand(400, 3, 8, 8)
    images, told = Augment("geometric", 0.12)(x, draws())
    still = (told[:, 2:] == 0).all(1)
    for across, down, dims in ((0, 0, []), (1, 0, [3]), (0, 1, [2]), (1, 1, [2, 3])):
        which = still & (told[:, 0] == across) & (told[:, 1] == down)
        assert which.any()
        assert torch.equal(images[which], x[which].flip(dims) if dims else x[which])


def test_each_change_has_its_probability_and_mirroring_is_a_fair_coin() -> None:
    x = torch.zeros(20_000, 1, 2, 2)
    told = Augment("geometric", 0.12)(x, draws(20_000))[1]
    shares = [float((told[:, i] != 0).double().mean()) for i in (0, 1, 2, 4, 5, 7)]
    assert shares == pytest.approx([0.5, 0.06, 0.12, 0.12, 0.12, 0.12], abs=0.012)
    assert float((told[:, 6] != 0).double().mean()) == pytest.approx(0.06, abs=0.01)  # half of the axes are turned
    assert [float(told[told[:, i] != 0, i].std()) for i in (2, 7)] == pytest.approx([1, 1], abs=0.06)


def test_the_mild_augmentation_changes_nothing_up_and_down_and_tells_six_values() -> None:
    x = torch.rand(300, 1, 8, 8)
    images, told = Augment("mild", 1.0)(x, draws(300))
    assert told.shape == (300, 6)
    assert not torch.equal(images, x)
    bands = torch.linspace(0, 1, 8)[:, None].expand(1, 1, 8, 8).expand(300, 1, 8, 8).contiguous()  # dark above, light below
    down = Augment("mild", 1.0)(bands, draws(300))[0]
    assert bool((down[:, :, 5:].mean((1, 2, 3)) > down[:, :, :3].mean((1, 2, 3))).float().mean() > 0.95)


def test_slices_of_a_batch_are_augmented_as_the_whole_is() -> None:
    x, augment = torch.rand(16, 3, 8, 8), Augment("geometric", 0.5)
    whole = draws(16)
    images, told = augment(x, whole)
    for begin in (0, 4, 12):
        part, said = augment(x[begin : begin + 4], draws(16).slice(range(begin, begin + 4)))
        torch.testing.assert_close(part, images[begin : begin + 4])
        assert torch.equal(said, told[begin : begin + 4])


def test_an_image_that_is_not_square_is_turned_and_not_sheared() -> None:
    side, wide = torch.arange(16) - 7.5, torch.arange(32) - 15.5
    y, x = torch.meshgrid(side, wide, indexing="ij")
    image = torch.exp(-(x**2 + y**2) / 2).expand(200, 1, 16, 32)
    images, told = Augment("geometric", 1.0)(image.contiguous(), draws(200))
    straight = told[:, 5:].abs().amax(1) < 0.4  # a stretch of at most 1.4 in variance
    grid, middle = torch.stack([x, y])[:, :, 8:24], images[straight][..., 8:24]  # further off it is reflected
    at = centre(middle, grid)[:, :, None, None]
    spread = torch.einsum("bchw,bdhw->bd", middle / middle.sum((1, 2, 3), keepdim=True), (grid - at) ** 2)
    assert len(spread) > 3
    assert bool(((spread[:, 0] / spread[:, 1]).log().abs() < 0.45).all())  # a round blob stays round


@pytest.mark.parametrize(("settings", "said"), [
    (["train.decay_after=1000"], "train.schedule=sqrt"),
    (["train.ema=[1.5]"], "each is a decay of one update, at least 0 and below 1"),
    (["train.ema=[0.999]", "train.ema_rule=half_life"], "each is a number of images"),
    (["train.ema=[0.5]", "train.ema_rule=power"], "each is a width relative to the training, from 0.001 to 0.288"),
    (["train.augment=geometric"], "has no input for that"),
    (["train.augment=geometric", "data=gaussian"], "is for images"),
])  # fmt: skip
def test_settings_that_cannot_be_are_told_in_one_line(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        request(["sweep=none", *settings])
    assert len(error.value.faults) == 1
    assert said in error.value.faults[0]


def test_a_half_life_of_the_training_is_the_average_that_is_scored() -> None:
    made = request(["sweep=none", "train.ema=[5000,500]", "train.ema_rule=half_life", "evaluation.ema=500"]).experiments[0]
    assert made.ema == 500.0
