"""CTM against a critic: CTM until it counts, then a third loss of the longer jump, at the length of the first's gradient."""

from pathlib import Path

import pytest
import torch
from oracle import FEATURES, Oracle, context, data, features, teacher_of
from small_runs import bits, planned, run
from specs import network
from torch import Tensor, nn
from trainings import BATCH, NET, live, live_of, points

from bench.nets import Backbone
from bench.training.rng import StepDraws
from bench.training.train import Recipe, Trainer
from bench.truth import target
from methods.base import Batch, Loss, Method
from methods.ctm import CTM
from methods.ctm_gan import CTMGAN
from methods.tools import deceived, told_apart

N, THETA, TRUTH = 512, 0.2, target("gaussian")
ZERO, CLEAR = 5.0, 40.0  # of a gradient's mean square in standard errors, as in test_truth_expectation
METHOD = CTMGAN(n=4, onset=0.5)


class Critic(nn.Module):
    """Logits phi(x) @ theta."""

    def __init__(self, size: float) -> None:
        super().__init__()
        theta = size * torch.randn((FEATURES, 3), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        self.theta = nn.Parameter(theta)

    def forward(self, x: Tensor, s: Tensor, t: Tensor, **_: object) -> Tensor:
        assert bool((t == 1).all()), "it sees data without noise"
        return features(x, t, t) @ self.theta


def losses(theta: float, critic: nn.Module, progress: float = 0.7, step: int = 0,
           method: CTM = METHOD) -> tuple[dict[str, Loss], Oracle]:
    net = Oracle(TRUTH, theta)
    at = context(method, N, step=step, progress=progress, teacher=teacher_of(TRUTH))
    return method.losses({"net": net, "critic": critic}, Batch(data(TRUTH, N, step=step)), at), net


def reached(loss: Loss, parameter: Tensor) -> bool:
    (found,) = torch.autograd.grad(loss.per_sample.sum(), [parameter], retain_graph=True, allow_unused=True)
    return found is not None and bool((found != 0).any())


def test_the_critic_tells_data_from_the_end_of_the_longer_jump_which_is_moved_against_it() -> None:
    critic = Critic(0.5)
    found, net = losses(THETA, critic)
    (stage,) = METHOD.stages(100)
    assert found.keys() == {"net", "denoising", "adversarial", "critic"} == stage.trained.keys() | stage.balanced.keys()
    assert stage.balanced == {"denoising": "net", "adversarial": "net"} and stage.trained["critic"] == ("critic",)
    at, x_1 = context(METHOD, N, teacher=teacher_of(TRUTH)), data(TRUTH, N)
    x, _ = METHOD.ends({"net": net}, Batch(x_1), at)
    one = torch.ones(N, dtype=torch.float64)
    assert torch.equal(found["adversarial"].per_sample, deceived(critic, x, one))
    assert torch.equal(found["critic"].per_sample, told_apart(critic, x_1, x, one))
    assert reached(found["adversarial"], net.theta) and reached(found["critic"], critic.theta)
    assert not reached(found["critic"], net.theta) and METHOD.league == "perceptual"


@pytest.mark.parametrize(("progress", "counts"), [(0.0, False), (0.499, False), (0.5, True)])
def test_until_it_counts_the_losses_are_ctms_to_the_bit_and_the_critic_learns(progress: float, counts: bool) -> None:
    critic = Critic(0.5)
    (found, net), (plain, _) = losses(THETA, critic, progress), losses(THETA, critic, progress, method=CTM(n=4))
    assert all(torch.equal(found[name].per_sample, plain[name].per_sample) for name in ("net", "denoising"))
    assert reached(found["adversarial"], net.theta) is counts and reached(found["critic"], critic.theta)


@pytest.mark.parametrize(("theta", "fooled"), [(0.0, True), (0.3, False)])
def test_at_the_exact_map_a_critic_that_says_nothing_learns_nothing_and_moves_nothing(theta: float, fooled: bool) -> None:
    """The law of the ends is then the data's, whatever the jumps' times."""
    gradients = []
    for step in range(32):
        critic = Critic(0.0)
        found, net = losses(theta, critic, step=step)
        gradients.append(torch.autograd.grad(found["critic"].per_sample.mean(), critic.theta)[0][:, 0])
        assert not reached(found["adversarial"], net.theta)
    each = torch.stack(gradients)
    excess = (each.mean(0) / each.std(0) * 32**0.5).square().mean()
    assert excess < ZERO if fooled else excess > CLEAR, excess


def test_a_fixed_weight_takes_the_place_of_the_balance() -> None:
    critic = Critic(0.5)
    found, _ = losses(THETA, critic)
    fixed, _ = losses(THETA, critic, method=CTMGAN(n=4, balance=False, denoising=0.3, critic=0.2))
    wanted = found["net"].per_sample + 0.3 * found["denoising"].per_sample + 0.2 * found["adversarial"].per_sample
    torch.testing.assert_close(fixed["net"].per_sample, wanted)
    assert fixed.keys() == {"net", "critic"} and not CTMGAN(balance=False).stages(100)[0].balanced


# In the loop.


def trainer(method: Method) -> Trainer:
    models = method.build(Backbone(network(NET), (2,), seed=0))
    with torch.no_grad():
        for role, module in models.items():
            g = torch.Generator().manual_seed(len(role))
            for p in module.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=g))
    recipe = Recipe(4 * BATCH, BATCH, lr=2e-3, ema=(0.99,), clip=0.0, optimizer="radam")
    made = Trainer(method, models, points("gaussian"), recipe, 0, torch.device("cpu"), teacher=teacher_of(TRUTH))
    made.begin_stage(0)
    return made


def test_until_it_counts_the_network_is_ctms_to_the_bit_in_training_too() -> None:
    ours, theirs = trainer(CTMGAN(n=4, initialise=False)), trainer(CTM(n=4, initialise=False))
    before = live_of(ours.models["critic"])
    for share in (0.0, 0.25, 0.5):
        assert ours.progress.share == share
        assert torch.equal(live(ours), live(theirs))
        ours.step(ours.progress)
        theirs.step(theirs.progress)
    assert not torch.equal(live(ours), live(theirs)), "the third step is at half of the budget"
    assert not torch.equal(live_of(ours.models["critic"]), before)


def test_the_loop_adds_the_adversarial_gradient_at_the_length_of_the_trajectories() -> None:
    made = trainer(CTMGAN(n=4, initialise=False, onset=0.0))
    found = made.step.losses(StepDraws(0, 0, range(BATCH), BATCH, torch.device("cpu")), made.progress)
    named, kept = dict(made.models["net"].named_parameters()), {"retain_graph": True, "materialize_grads": True}
    gradients = {
        name: torch.autograd.grad(found[name].per_sample.mean(), list(named.values()), **kept)  # type: ignore[arg-type]
        for name in ("net", "denoising", "adversarial")
    }
    last = [i for i, name in enumerate(named) if name.startswith("head")]
    length = {name: torch.cat([each[i].flatten() for i in last]).norm() for name, each in gradients.items()}
    made.step.gradients(made.progress)
    for i, p in enumerate(named.values()):
        wanted = sum((length["net"] / length[name] * each[i] for name, each in gradients.items()), torch.zeros(()))
        assert p.grad is not None
        torch.testing.assert_close(p.grad, wanted, rtol=1e-3, atol=1e-5 * float(wanted.norm() + 1))


def test_a_stopped_run_continues_bitwise(tmp_path: Path) -> None:
    made = planned("ctm_gan", "method.n=4", "budget.images=2560", "method.onset=0.2")
    run(tmp_path / "calm", made)
    assert run(tmp_path / "rough", made, stop_after=0) == "interrupted"
    assert run(tmp_path / "rough", made) == "done"
    assert bits(tmp_path / "rough" / made[-1].id) == bits(tmp_path / "calm" / made[-1].id)
