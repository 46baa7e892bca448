"""Evaluation happens where the networks are: only what is drawn on the CPU, so that it is the same on every device, is copied
to one, and only numbers that are reported come back.

The device is not there (tests/support/fake_device.py): Inception has its shapes without its weights. What may pass is counted
by the file that asks for it, under every protocol that ships.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from contract import SMALL, made
from fake_device import DEVICE, fake_device
from specs import network, source
from torch import Tensor, nn

from bench import data, protocols
from bench.config import Experiment, request, section
from bench.config.schema import Proxy as ProxySettings
from bench.features import base as features
from bench.features import inception_weights, resize
from bench.features.inception import Convolution
from bench.metrics import kid
from bench.metrics.fid_infinity import POINTS
from bench.nets import Backbone
from bench.protocols import Protocol
from bench.scoring import score as score_rule
from bench.scoring import score_images
from bench.scoring.baselines import references
from bench.scoring.evaluation import Evaluation
from bench.scoring.proxy import Proxy
from bench.scoring.score import Score, scorer
from bench.truth import TARGETS
from methods.base import Method
from results.records import EvalRow

TO, BACK, READ = "a copy to the device", "a copy to the host", "the host reads a number"
FRECHET = f"{READ}: bench/metrics/frechet.py"
CHUNK = 20
Passed = Mapping[str, int]


def colours(n: int, seed: int) -> Tensor:
    return torch.randint(0, 256, (n, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


COLOURS = data.Dataset("cifar10", "images", (3, 16, 16), colours(40, 0), colours(30, 1), "c" * 64, flip=True)
WHOLE = data.load(source({"name": "digits"}))
DIGITS = dataclasses.replace(WHOLE, train=WHOLE.train[:300], heldout=WHOLE.heldout[:260], hash="few")
COUNTS = {"inception": 60, "digits8": 240, "cifar32": 270}  # more than one call of the features; a line of fd_infinity if small


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The device, with an Inception that no weights need be there for, few subsets, and statistics that no other test reads."""
    one = Convolution(torch.zeros(1, 1, 1, 1), torch.zeros(1), torch.zeros(1), torch.ones(1))  # of whatever shape
    monkeypatch.setattr(inception_weights, "find", lambda named=None: [one] * 94)
    monkeypatch.setattr(score_images, "kid", partial(kid, subsets=5))
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path / "cache"))
    with fake_device() as found:
        yield found


@dataclasses.dataclass(frozen=True)
class Case:
    """What is scored, and how."""

    of: data.Dataset
    experiment: Experiment
    rule: Protocol


def case(of: data.Dataset, count: int, *arguments: str) -> Case:
    few = {"count": count, "chunk": CHUNK, "steps": "[1,2]", "seeds": "[0]"}
    (given,) = request(["sweep=none", *(f"evaluation.{key}={value}" for key, value in few.items()), *arguments]).experiments
    planned = protocols.planned(given)
    return Case(of, planned, protocols.protocol_of(planned, of))


def of_images(name: str, *arguments: str) -> Case:
    """Under the protocol that ships under this name; digits under theirs, small colour images under the others."""
    own = name == "digits-frechet"
    count = COUNTS[protocols.SHIPPED[name].features]
    said = ["data=digits"] if own else ["data=cifar10"]
    return case(DIGITS if own else COLOURS, count, *said, f"evaluation.protocol={name}", *arguments)


def of_points(name: str) -> Case:
    (given,) = request(["sweep=none", f"data={name}"]).experiments
    return case(data.dataset(given), 3 * CHUNK, f"data={name}")


def scoring(subject: Case) -> Score:
    return scorer(subject.of, subject.rule, DEVICE, subject.experiment.evaluation)


def models(method: Method, shape: tuple[int, ...]) -> dict[str, nn.Module]:
    return {role: net.to(DEVICE) for role, net in method.build(Backbone(network(SMALL), shape, 0)).items()}


def evaluations(subject: Case, method: Method) -> Iterator[list[EvalRow]]:
    nets = models(method, subject.of.shape)
    job = Evaluation(method, nets, subject.of, subject.rule, scoring(subject), subject.experiment, "run", "", 0, DEVICE)
    return job.rows(skip=set())


def steady(subject: Case, method: Method, events: list[str]) -> Passed:
    """What passes between the device and the host in the second evaluation, of two steps."""
    rows = evaluations(subject, method)
    next(rows)
    events.clear()
    assert {row.steps for row in next(rows)} == {2}
    return passed(events)


def passed(events: list[str]) -> Passed:
    """Without the lines, which move."""
    return Counter(event.rsplit(":", 1)[0] for event in events)


def noise(rule: Protocol, jumps: int = 1) -> Passed:
    """That of one set of samples, jumps: those that begin with noise."""
    return {f"{TO}: bench/scoring/sample.py": jumps * -(-rule.count // rule.chunk)}


def scores(rule: Protocol) -> Passed:
    """What one score of images may pass: what is drawn for it, and its numbers."""
    has, found = set(rule.metrics), Counter[str]()
    found[FRECHET] = 3 + 2 * len(rule.also)  # features that are finite, and two distances; of others one
    found["the host reads a number: bench/scoring/score.py"] = 1  # samples that are finite
    found["the host reads a number: bench/scoring/score_images.py"] = 2  # nn_train, nn_heldout
    found["the host reads a number: bench/metrics/neighbours.py"] = 1
    if "kid" in has:
        found["a copy to the device: bench/metrics/kid.py"] = 1  # the subsets
        found["a copy to the host: bench/metrics/kid.py"] = 1  # all their estimates
        found["the host reads a number: bench/metrics/kid.py"] = 1  # that of all samples
    if "precision" in has:
        found["a copy to the device: bench/scoring/score_images.py"] = 1  # the order of the real images
        found["a copy to the host: bench/metrics/precision_recall.py"] = 1  # the four
    if any(name.endswith("_infinity") for name in has):
        found["a copy to the device: bench/metrics/fid_infinity.py"] = 1  # the subsets
        found[FRECHET] += 2 * POINTS
    return found


def test_every_metric_of_images_is_among_what_is_counted() -> None:
    small, large = (set(of_images(name).rule.metrics) for name in ("digits-frechet", "clean-fid"))
    assert {"kid", "precision", "fd_infinity", "fd_heldout", "nn_closer"} <= small
    assert {"kid", "precision", "fid_heldout", "nn_closer"} <= large


@pytest.mark.parametrize("name", protocols.SHIPPED)
def test_under_every_protocol_only_noise_and_numbers_pass(name: str, events: list[str]) -> None:
    subject = of_images(name)
    assert subject.rule.count > subject.rule.feature_chunk, "the features are called more than once"
    assert steady(subject, made("flow_matching"), events) == scores(subject.rule) | noise(subject.rule)


@pytest.mark.parametrize("arguments", [
    ["evaluation.also=[inception,cifar32]", "evaluation.count=60"], ["evaluation.rounding=floor"], ["evaluation.rounding=edm"],
    ["evaluation.reference_count=250"], ["evaluation.grid=papers"],
], ids=lambda arguments: arguments[0].removeprefix("evaluation."))  # fmt: skip
def test_further_features_roundings_and_references_add_nothing_else(arguments: list[str], events: list[str]) -> None:
    subject = of_images("digits-frechet", *arguments)
    assert steady(subject, made("flow_matching"), events) == scores(subject.rule) | noise(subject.rule)


@pytest.mark.parametrize("name", ["ect", "tcm", "edm", "progressive"])
def test_renoising_copies_one_noise_more_a_step_and_the_choice_of_a_network_nothing(name: str, events: list[str]) -> None:
    subject, method = of_images("digits-frechet"), made(name)
    jumps = 2 if method.needs.rule == "renoise" else 1
    assert steady(subject, method, events) == scores(subject.rule) | noise(subject.rule, jumps)


def test_what_passes_in_scoring_does_not_grow_with_the_samples(events: list[str]) -> None:
    """Of features, resizes and roundings nothing is copied, however many calls there are."""
    few, many = (of_images("clean-fid", f"evaluation.count={count}") for count in (40, 60))
    found = [Counter(steady(subject, made("flow_matching"), events)) for subject in (few, many)]
    assert found[1] - found[0] == Counter(noise(many.rule)) - Counter(noise(few.rule)) and not found[0] - found[1]


@pytest.mark.parametrize("rule", sorted(resize.RULES))
def test_features_by_every_resize_rule_stay_where_they_are(rule: str, events: list[str]) -> None:
    net = features.load("inception", rule, DEVICE)
    pixels = COLOURS.train[:20].to(DEVICE)
    features.extract(net, pixels[:5], 255, 5)
    events.clear()
    for levels in (255, 16):
        assert features.extract(net, pixels, levels, 15).device.type == DEVICE.type
    assert events == []


POINTS_TOLD = {f"{READ}: bench/scoring/score.py": 1, f"{BACK}: bench/scoring/score.py": 1}  # whether finite, and where


@pytest.mark.parametrize("name", ["flow_matching", "ect", "progressive", "edm"])
def test_points_come_back_once_and_are_measured_on_the_host(name: str, events: list[str]) -> None:
    subject, method = of_points("gaussian"), made(name)
    assert steady(subject, method, events) == POINTS_TOLD | noise(subject.rule, 2 if method.needs.rule == "renoise" else 1)


@pytest.mark.parametrize("name", TARGETS)
def test_all_distances_of_points_are_the_hosts(name: str, events: list[str]) -> None:
    subject = of_points(name)
    found = scoring(subject)([torch.zeros((subject.rule.count, 2), device=DEVICE)], 0)
    assert {*found, "map_error"} == set(subject.rule.metrics)
    assert passed(events) == POINTS_TOLD


@pytest.mark.parametrize("method", ["flow_matching", "ect", "progressive", "dsno"])
def test_errors_of_maps_copy_their_points_once(method: str, events: list[str]) -> None:
    """With the times of each point where those differ; the exact map is the host's."""
    subject, of = of_points("gaussian"), made(method)
    next(evaluations(subject, of))
    copies, returns = (4, 3) if of.needs.reaches == "any" else (1, 2)  # the samples too come back
    assert passed(events)[f"{TO}: bench/scoring/score.py"] == copies
    assert passed(events)[f"{BACK}: bench/scoring/score.py"] == returns
    assert passed(events)[f"{READ}: bench/scoring/score.py"] == 1


def test_samples_of_the_host_go_to_the_device_as_pixels(events: list[str]) -> None:
    """Those of reference rows, once, with what says which are finite."""
    subject = of_images("digits-frechet")
    score = scoring(subject)
    samples = subject.of.decode(subject.of.heldout[: subject.rule.count])
    events.clear()
    score([samples], 0)
    assert passed(events) == Counter(scores(subject.rule)) + Counter({f"{TO}: bench/scoring/score.py": 2})
    assert len(references(subject.of, subject.rule, subject.experiment, "run", DEVICE)) > 0


def test_a_kept_reference_goes_to_the_device_once(events: list[str]) -> None:
    subject = of_images("cifar-frechet")
    scoring(subject)
    events.clear()
    scoring(subject)
    found = Counter(passed(events))
    assert found.pop(f"{TO}: bench/features/classifier.py") > 0
    assert found == {
        f"{TO}: bench/scoring/reference.py": 4,  # two means and roots
        f"{TO}: bench/scoring/score_images.py": 3,  # the features, and the pixels of both sides
        f"{READ}: bench/metrics/frechet.py": 4,  # whether these are finite
    }


@pytest.mark.parametrize("name", ["digits8", "cifar32", None])
def test_the_score_of_trials_passes_noise_and_its_numbers(name: str | None, events: list[str]) -> None:
    subject, method = of_images("digits-frechet") if name else of_points("mixture"), made("flow_matching")
    raw = {"validation": 0.2, "count": 100, "seeds": [1000], "steps": [1, 4], "features": name}
    trial = dataclasses.replace(subject.experiment, proxy=section(ProxySettings, raw, "proxy"))
    nets = models(method, subject.of.shape)
    proxy = Proxy.of_trial(trial, data.hold_back(subject.of, 0.2), DEVICE)
    proxy.score(nets)
    events.clear()
    proxy.score(nets)
    told = {FRECHET: 4} if name else {f"{BACK}: bench/scoring/proxy.py": 2}
    assert passed(events) == {f"{READ}: bench/scoring/proxy.py": 2} | told | noise(proxy.protocol, 2)


# That it can fail.

Patched = tuple[Any, str, Any]


def again(make: Callable[..., Tensor], *arguments: Any, like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return make(*arguments).to(like.device, dtype or like.dtype)


def around(where: Any, name: str, change: Callable[[Tensor], Tensor]) -> Patched:
    original = getattr(where, name)
    return where, name, lambda *args, **kwargs: change(original(*args, **kwargs))


def clipped(x: Tensor) -> Tensor:
    return x.index_put((x > 9,), x.new_zeros(()))


FAULTS: dict[str, tuple[Patched, str]] = {
    "none": ((resize, "SIDE", resize.SIDE), ""),
    "a table copied in every call": ((resize, "constant", again), f"{TO}: bench/features/resize.py"),
    "features by way of the host": (around(features, "extract", lambda x: x.cpu().to(DEVICE)),
                                    f"{BACK}: bench/scoring/score_images.py"),
    "pixels rounded on the host": (around(score_rule, "to_pixels", Tensor.cpu), f"{BACK}: bench/scoring/score.py"),
    "a number looked at": (around(score_images, "nearest", lambda x: x * x.max().item()),
                           f"{READ}: bench/scoring/score_images.py"),
    "a boolean index": (around(score_rule, "to_pixels", clipped), "a boolean index: bench/scoring/score.py"),
    "a list": (around(score_images, "nearest", lambda x: x * torch.tensor([1.0] * len(x), device=x.device)),
               f"{TO}: bench/scoring/score_images.py"),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_every_way_to_wait_for_the_host_is_noticed(what: str, events: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    patched, said = FAULTS[what]
    subject = of_images("clean-fid" if patched[0] is resize else "digits-frechet")
    monkeypatch.setattr(*patched)
    found, right = steady(subject, made("flow_matching"), events), scores(subject.rule) | noise(subject.rule)
    assert found[said] > right.get(said, 0) if said else found == right


def test_features_and_statistics_of_two_devices_do_not_meet(events: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    subject = of_images("digits-frechet")
    score = scoring(subject)
    monkeypatch.setattr(*around(features, "extract", Tensor.cpu))
    with pytest.raises(RuntimeError, match=r"lazy.*cpu|cpu.*lazy"):
        score([torch.zeros((subject.rule.count, *subject.of.shape), device=DEVICE)], 0)
