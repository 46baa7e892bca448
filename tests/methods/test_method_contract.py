"""What every method of the configuration folder owes the harness. A new YAML is tested here the day it is born."""

from dataclasses import fields, replace

import pytest
import torch
from contract import METHODS, NETWORKS, TRUTH, batch_of, built, few, losses, made, reads_data
from omegaconf import OmegaConf
from oracle import Oracle, context, data, teacher_of
from trainings import points

from bench.config.compose import CONF
from bench.layers import lowered
from bench.training.contract import CHECKS, Subject
from methods.tools.interpolant import Interpolant, Linear, Trigonometric

# The noise level at which two steps stop by evaluation.grid=papers; no other method's times differ from its even ones.
TUNED = {"cd": 0.821, "ct": 0.821, "ict": 0.821, "ect": 0.821, "tcm": 0.821, "gaf": 0.821, "cmt": 0.821,
         "sct": 0.98, "scd": 0.98, "imm": 0.7}  # fmt: skip
# The fewest steps of a sample, where it is not one; the first of them is one jump.
LEAST = {"consistency_fm": 2, "multistep_cm": 8}
B, BUDGET = 16, 2**20
EACH = pytest.mark.parametrize("name", METHODS)
# Network calls of one jump, where it is not one.
CALLS: dict[str, int] = {}
# Methods whose jump is an Euler step, beside those that can be teachers.
VELOCITIES = {"reflow", "contrastive", "curvature"}
# Methods whose losses read no training sample.
WITHOUT_DATA = {"dmd2", "sid", "reflow", "re_meanflow", "dsno"}
# Parameters that a method never moves: on the diagonal the network does not see t - s.
UNSEEN = {
    "flow_matching": {"net.time.gap.weight"}, "edm": {"net.net.time.gap.weight"}, "contrastive": {"net.time.gap.weight"},
    "decoupled_meanflow": {"net.time.gap.weight"},  # each of its parts sees one time
    "reflow": {"net.time.gap.weight"}, "ctm": {"net.time.gap.weight"},  # by its denoising loss
    "ctm_gan": {"net.time.gap.weight", "critic.time.gap.weight"},
    "curvature": {"net.time.gap.weight", "encoder.time.gap.weight"},
    **{name: {"fake.time.gap.weight", "critic.time.gap.weight"} for name in ("dmd2", "sid", "sida")},
}  # fmt: skip


def first(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Start and end of the first jump of its shortest sampling."""
    s, t = few(name).grid(LEAST.get(name, 1))[:2].expand(B, 2).T
    return s, t


@EACH
def test_the_yaml_states_every_knob_at_the_default_of_the_class(name: str) -> None:
    method = made(name)
    stated = set(OmegaConf.load(CONF / "method" / f"{name}.yaml")) - {"name", "target"}
    assert stated == {f.name for f in fields(method) if f.init} - {"interpolant"}
    if name != "psd_u":  # the one that differs from its class by a knob
        assert method == type(method)()


@EACH
def test_data_are_read_by_all_but_those_that_say_so(name: str) -> None:
    assert reads_data(few(name)) == (name not in WITHOUT_DATA)


def test_a_critic_reads_data() -> None:
    """So the word in the table follows the knobs."""
    assert reads_data(replace(made("sid"), critic=1.0)) and not reads_data(replace(made("sida"), critic=0.0))  # type: ignore[call-arg]


@EACH
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract_of_the_loop(name: str, check: str) -> None:
    """What the author of a plug-in can check too, of every stage."""
    method = few(name)
    CHECKS[check](Subject(method, NETWORKS, points("gaussian"), BUDGET, B, torch.float64))


@EACH
@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)], ids=["points", "images"])
def test_its_losses_are_one_finite_number_per_sample(name: str, shape: tuple[int, ...]) -> None:
    method, g = few(name), torch.Generator().manual_seed(0)
    x_1 = torch.randn((B, *shape), generator=g, dtype=torch.float64)
    teacher = lambda x, t, condition: -x  # noqa: E731
    batch, at = batch_of(method, x_1, teacher), context(method, B, teacher=teacher)
    found = method.losses(built(method, shape), batch, at)
    stage = method.stages(BUDGET)[-1]
    assert found.keys() == stage.trained.keys() | stage.balanced.keys()
    for loss in found.values():
        assert loss.per_sample.shape == (B,) and loss.per_sample.isfinite().all()
        assert all(part.ndim == 1 and not part.requires_grad for part in loss.parts.values())


@EACH
def test_its_gradients_reach_every_trained_parameter(name: str) -> None:
    method = few(name)
    models = built(method)
    for loss_name, loss in losses(method, models, data(TRUTH, B), progress=0.5).items():  # a loss may set in late
        stage = method.stages(BUDGET)[-1]
        roles = stage.trained[stage.balanced.get(loss_name, loss_name)]
        named = {f"{role}.{n}": p for role in roles for n, p in models[role].named_parameters()}
        gradients = torch.autograd.grad(loss.per_sample.mean(), list(named.values()), retain_graph=True)
        for parameter, gradient in zip(named, gradients, strict=True):
            assert gradient.isfinite().all()
            assert gradient.abs().max() > 0 or parameter in UNSEEN.get(name, ()), parameter


@EACH
@pytest.mark.parametrize("low", [False, True], ids=["float32", "bfloat16"])
def test_its_gradients_are_finite_in_the_precision_of_training(name: str, low: bool) -> None:
    method, teacher = few(name), teacher_of(TRUTH)
    models = built(method, dtype=torch.float32)
    at = context(method, 256, teacher=teacher)
    at.draws._dtype = torch.float32  # type: ignore[attr-defined]
    if low:
        models = {role: lowered(module) for role, module in models.items()}
    found = method.losses(models, batch_of(method, data(TRUTH, 256).float(), teacher), at)
    for loss in found.values():
        assert loss.per_sample.dtype == torch.float32
        loss.per_sample.mean().backward(retain_graph=True)
    gradients = [p.grad for p in models["net"].parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)


@EACH
@pytest.mark.parametrize("size", [4, 8])
def test_micro_batches_have_the_losses_of_the_whole_batch(name: str, size: int) -> None:
    """As multisets: a method may order its samples as it likes. No slice cuts a group."""
    method = few(name)
    models, x_1, size = built(method), data(TRUTH, B), max(size, method.needs.group)
    assert size % method.needs.group == 0 and size < B
    whole = losses(method, models, x_1)
    parts = [losses(method, models, x_1, range(i, i + size)) for i in range(0, B, size)]
    for key, loss in whole.items():
        joined = torch.cat([part[key].per_sample for part in parts])
        torch.testing.assert_close(joined.sort().values, loss.per_sample.sort().values, rtol=1e-12, atol=1e-12)


@EACH
@pytest.mark.parametrize("path", [Linear(), Trigonometric(), Linear(0.5)], ids=["linear", "trigonometric", "half_base"])
def test_its_map_is_the_identity_on_the_diagonal(name: str, path: Interpolant) -> None:
    method = few(name, path)
    x, t = data(TRUTH, 1).expand(B, 2), torch.full((B,), 0.4, dtype=torch.float64)
    assert torch.equal(method.jump(built(method), x, t, t), x)


@EACH
def test_all_samples_jump_together_as_each_does(name: str) -> None:
    method, x = few(name), data(TRUTH, B)
    models = built(method)
    for times in (method.grid(steps) for steps in (1, 2, 4) if method.supports(steps)):
        ends = times[1:] if method.needs.rule == "hop" else times[-1:].expand(len(times) - 1)
        for s, t in zip(times[:-1], ends, strict=True):
            assert torch.equal(method.jump_together(models, x, s, t), method.jump(models, x, s.expand(B), t.expand(B)))


@EACH
@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)], ids=["points", "images"])
def test_a_jump_keeps_the_shape_of_its_samples(name: str, shape: tuple[int, ...]) -> None:
    method = few(name)
    s, t = first(name)
    x = torch.randn((B, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert method.jump(built(method, shape), x, s, t).shape == x.shape


@EACH
def test_a_jump_calls_the_network_once_unless_it_says_otherwise(name: str) -> None:
    method, net = few(name), Oracle(TRUTH)
    s, t = first(name)
    method.jump({"net": net}, data(TRUTH, B), s, t)
    assert len(net.calls) == CALLS.get(name, 1)


@EACH
def test_one_exact_jump_reaches_data_or_the_end_of_its_segment(name: str) -> None:
    """A velocity model's is an Euler step, and only its direction is known."""
    method, x = few(name), data(TRUTH, B)
    s, t = first(name)
    end = method.jump({"net": Oracle(TRUTH)}, x, s, t)
    euler = x + (t - s)[:, None] * TRUTH.velocity(x, s)
    expected = euler if method.velocity_model or name in VELOCITIES else TRUTH.flow(x, s, t)
    torch.testing.assert_close(end, expected)


@EACH
def test_the_fewest_steps_are_one_or_as_many_as_there_are_segments(name: str) -> None:
    least = LEAST.get(name, 1)
    assert few(name).supports(least) and not any(few(name).supports(n) for n in range(least))


@EACH
@pytest.mark.parametrize("path", [Linear(), Trigonometric(), Linear(0.5)], ids=["linear", "trigonometric", "half_base"])
def test_one_rule_says_for_all_methods_where_samples_stop(name: str, path: Interpolant) -> None:
    method = replace(few(name), interpolant=path)
    for steps in (n for n in (1, 2, 4, 16) if method.supports(n)):
        even, papers = method.sampling_times(steps), method.sampling_times(steps, papers=True)
        assert torch.equal(even, method.grid(steps))
        if steps == 2 and name in TUNED:
            assert path.sigma(papers[1]).item() == pytest.approx(TUNED[name]) and (papers.diff() > 0).all()
            assert torch.equal(papers[::2], even[::2])
        else:
            assert torch.equal(papers, even)
