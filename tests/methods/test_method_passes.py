"""What every method of the configuration folder hands to its networks: dropout masks, class labels, ordered times.

A method that is not named in `MASKS` is held to the rule: all passes of the network that is trained share one mask, and
those of a teacher, a slow copy or a frozen network have none.
"""

import itertools

import pytest
import torch
from contract import METHODS, batch_of
from oracle import context
from passes import BUDGET, LABELS, VARIANTS, B, D, Pass, method_of, networks, seen, tagged
from specs import network
from torch import Tensor, nn

from bench.nets import Backbone
from bench.teaching import Teacher
from bench.training.rng import StepDraws
from methods.base import Batch
from methods.tools import Derivative, Linear, Preconditioned, conditioned

CASES = [*METHODS, *VARIANTS]
STAGED = [(case, stage) for case in CASES for stage in ((0, -1) if len(method_of(case).stages(BUDGET)) > 1 else (-1,))]
EACH = pytest.mark.parametrize(("case", "stage"), STAGED, ids=[f"{case}{'' if stage else '-first'}" for case, stage in STAGED])

# The purposes of the masks of each kind of pass, where they are not the rule's. Sources: the authors' code, as far as it is
# public (consistency_models_cifar10, ect, TCM, SoFlow, shortcut-models; for self-distillation a copy); it has no dropout in
# CTM's CIFAR-10 setting, where sharing follows the consistency models that it builds on.
DIAGONAL: dict[str, set[str | None]] = {"net+": {"student", None}, "net-": {None}}  # dropout in the diagonal term only
TRAJECTORY: dict[str, set[str | None]] = {"net+": {"student", "denoising"}}
MASKS: dict[str, dict[str, set[str | None]]] = {
    "lsd": DIAGONAL, "esd": DIAGONAL, "psd_m": DIAGONAL, "psd_u": DIAGONAL, "lsd_detached": DIAGONAL, "lsd_none": DIAGONAL,
    "split_meanflow": DIAGONAL,
    "shortcut": {"net+": {"student", "bootstrap"}},  # two halves of the batch; the slow copy runs without
    "decoupled_meanflow": {"net+": {"student", "velocity"}},  # two draws of every sample, a call each
    "soflow_velocity": {"net+": {"student", "velocity"}},  # likewise
    "ct": {"slow": {"student"}}, "cd_slow": {"slow": {"student"}},  # the two passes that are compared share their mask
    "tcm": {"first": {"student"}},
    "ctm": {**TRAJECTORY, "slow": {"student"}}, "ctm_fixed": {**TRAJECTORY, "slow": {"student"}}, "ctm_alone": TRAJECTORY,
    "ctm_gan": {**TRAJECTORY, "slow": {"student"}},
}  # fmt: skip
SHARED = LABELS // 8  # of two classes, as some methods look at other samples of a class
START_ONLY = {"decoupled_meanflow"}  # its teacher gives its weights and no velocity


DATA_STAGES = {("cmt", -1)}  # that train on data, of methods with stored trajectories


def on_paths(case: str, stage: int) -> bool:
    """Whether it is stored trajectories that the stage trains on: they have no labels."""
    return method_of(case).needs.trajectories is not None and (case, stage) not in DATA_STAGES


@EACH
def test_the_passes_of_a_loss_have_the_masks_of_the_papers(case: str, stage: int) -> None:
    found = seen(method_of(case), stage)
    masks: dict[str, set[str | None]] = {}
    for each in found.passes:
        masks.setdefault(each.key, set()).add(found.mask(each))
    rule = {key: {"student"} if key.startswith("net") else {None} for key in masks}
    assert masks == {key: MASKS.get(case, {}).get(key, rule[key]) for key in masks}
    assert "net+" in masks


@EACH
def test_without_dropout_no_pass_has_a_mask(case: str, stage: int) -> None:
    assert all(each.mask is None for each in seen(method_of(case), stage, dropout=False).passes)


@EACH
def test_every_pass_sees_each_samples_own_label(case: str, stage: int) -> None:
    """Stored trajectories are unconditional."""
    for each in seen(method_of(case), stage).passes:
        if on_paths(case, stage):
            assert each.label is None
        else:
            assert each.label is not None, each.key
            assert torch.equal(each.label, LABELS[each.tag.round().long()]), each.key


@EACH
def test_without_labels_no_pass_sees_one(case: str, stage: int) -> None:
    assert all(each.label is None for each in seen(method_of(case), stage, labelled=False).passes)


@EACH
def test_every_sample_is_trained_on_and_the_label_changes_its_loss(case: str, stage: int) -> None:
    method = method_of(case)
    with_labels, without = (seen(method, stage, labelled=flag, dropout=False) for flag in (True, False))
    for loss in with_labels.losses:
        ours = torch.cat([each.tag for each in with_labels.passes if each.key == "net+"]).round().long()
        assert set(ours.tolist()) == set(range(B)), loss
        same = torch.equal(with_labels.losses[loss].per_sample, without.losses[loss].per_sample)
        assert same == on_paths(case, stage)


@EACH
def test_teachers_and_slow_copies_are_asked_where_there_are_any(case: str, stage: int) -> None:
    method = method_of(case)
    roles = {each.role for step in range(2) for each in seen(method, stage, step=step).passes}
    later = "teacher" in roles  # the rounds after the first have a frozen student for a teacher
    asked = method.needs.teacher and not method.needs.trajectories and case not in START_ONLY
    assert ("taught" in roles or later) == asked
    assert ("weak" in roles) == method.needs.weak_teacher
    assert ("slow" in roles) == bool(method.needs.target_ema)


@EACH
def test_the_times_of_a_pass_are_in_order_and_within_the_clock(case: str, stage: int) -> None:
    """FMM goes back and forth, and a central difference steps aside."""
    for step in range(4):
        for each in seen(method_of(case), stage, step=step).passes:
            s, t = (Tensor(u).double() for u in (each.s, each.t))
            aside = 0.006 if getattr(method_of(case), "derivative", None) is Derivative.FINITE else 1e-12
            assert (s >= -aside).all() and (t <= 1 + aside).all()
            assert case == "fmm" or (s <= t + 2 * aside).all()


@EACH
def test_losses_with_dropout_are_finite_and_do_not_depend_on_the_slicing(case: str, stage: int) -> None:
    """A real network, half of whose units are dropped."""
    method = method_of(case)
    own = network({"name": "mlp", "width": 16, "depth": 1, "embedding": 8, "dropout": 0.5, "classes": B})
    models = {role: net.double() for role, net in method.build(Backbone(own, (2,), seed=0)).items()}
    with torch.no_grad():
        for p in (p for net in models.values() for p in net.parameters()):
            p.add_(0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    x_1 = torch.randn(B, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    teacher = lambda x, t, condition=None: -x  # noqa: E731
    states = batch_of(method, x_1, teacher).states

    def taken(rows: range, dropout: bool = True) -> dict[str, Tensor]:
        at = context(method, B, rows=rows, progress=0.5, stage=method.stages(BUDGET)[stage], teacher=teacher,
                     target={"net": models["net"]})
        object.__setattr__(at, "weak_teacher", teacher)
        at.draws._training = dropout  # type: ignore[attr-defined]
        part = slice(rows.start, rows.stop)
        batch = Batch(x_1[part], SHARED[part], None if states is None else states[part])
        return {name: loss.per_sample for name, loss in method.losses(models, batch, at).items()}

    cut = max(4, method.needs.group)
    whole, parts = taken(range(B)), [taken(range(0, cut)), taken(range(cut, B))]
    for name, values in whole.items():
        assert values.isfinite().all()
        joined = torch.cat([part[name] for part in parts])
        torch.testing.assert_close(joined.sort().values, values.sort().values, rtol=1e-11, atol=1e-11)
        assert not torch.equal(values, taken(range(B), dropout=False)[name])


@pytest.mark.parametrize("case", CASES)
def test_a_jump_sees_every_samples_label_and_no_mask(case: str) -> None:
    method, x = method_of(case), tagged(torch.randn(B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3)))
    for steps in (n for n in (1, 2, 4) if method.supports(n)):
        grid = method.grid(steps)
        for s, t in itertools.pairwise(grid):
            log: list[Pass] = []
            end = grid[-1] if method.needs.reaches == "data" else t
            method.jump(networks(method, log), x, s.expand(B), end.expand(B), LABELS)
            assert log
            for each in log:
                rows = len(each.tag) // B
                assert each.mask is None and each.label is not None
                assert torch.equal(each.label, LABELS.repeat_interleave(rows))


# What lies between a method and its networks.


class Noted(nn.Module):
    """A network that notes its arguments."""

    def forward(self, x: Tensor, s: Tensor, t: Tensor, condition: Tensor | None = None, dropout: object = None) -> Tensor:
        self.condition, self.dropout, self.times = condition, dropout, (s, t)
        return x


def test_a_function_of_a_network_hands_on_its_label_and_mask() -> None:
    mask = StepDraws(0, 0, range(B), B, torch.device("cpu")).dropout("student")
    x, t = torch.zeros(B, D), torch.full((B,), 0.5)
    for wrap in (lambda net: conditioned(net, LABELS, mask),
                 lambda net: conditioned(Preconditioned(net, Linear(), 0.5), LABELS, mask)):  # fmt: skip
        net = Noted()
        wrap(net)(x, t, t)  # type: ignore[no-untyped-call]
        assert net.condition is LABELS and net.dropout is mask


def test_a_teacher_sees_the_label_on_its_diagonal_and_has_no_mask() -> None:
    net = Noted()
    x, t = torch.zeros(B, D), torch.full((B,), 0.5)
    Teacher(net, "run", 0, 0.0).velocity(x, t, LABELS)
    assert net.condition is LABELS and net.dropout is None and torch.equal(*net.times)
