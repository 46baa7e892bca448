"""FID's Inception: the same weights give the same features whichever way they came, and the references' features."""

import io
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

import cifar
import pytest
import references
import torch
from torch import Tensor

from bench.config.errors import ConfigError
from bench.features import base as features
from bench.features import inception_weights
from bench.features.inception import Convolution
from bench.features.inception_layout import canonical, digest, names

WAYS = r"pip install 'fewstep\[inception\]'.*evaluation\.weights=FILE.*FEWSTEP_CACHE"


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No package, no network, an empty cache."""

    def fails(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(inception_weights.importlib.util, "find_spec", lambda _: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(urllib.request, "urlopen", fails)
    monkeypatch.setenv("FEWSTEP_CACHE", str(tmp_path / "cache"))


@cache
def network(rule: str) -> features.FeatureNet:
    cifar.need_weights()
    return features.load("inception", rule)


@cache
def layers() -> list[Convolution]:
    cifar.need_weights()
    return inception_weights.find()


def relative(found: Tensor, expected: Tensor) -> float:
    """Largest over the images of |found - expected| / |expected|, norms over the features."""
    return float(((found - expected).norm(dim=1) / expected.norm(dim=1)).max())


def in_graph_names(prefix: str) -> dict[str, Tensor]:
    """As clean-fid's TorchScript holds them; the classes, which it has too, are left to be ignored."""
    out = {"output.weight": torch.zeros(1008, 2048)}
    for (name, _), layer in zip(names(), layers(), strict=True):
        out |= {f"{prefix}{name}.{part}": tensor for part, tensor in layer._asdict().items()}
    return out


def test_the_same_weights_give_the_same_features_whichever_way_they_came(tmp_path: Path) -> None:
    pixels = cifar.images("test", 2)
    script, state, old, graph = (tmp_path / name for name in ("a.pt", "b.pth", "c.pth", "d.pt"))
    references.torchscript(tmp_path).rename(script)
    torch.save(references.state_dictionary(), state)
    torch.save(references.state_dictionary(), old, _use_new_zipfile_serialization=False)
    torch.save(in_graph_names("layers."), graph)
    expected = network("clean")(pixels)
    for path in (script, state, old, graph):
        assert torch.equal(features.load("inception", "clean", weights=path)(pixels), expected), path


def test_the_layouts_name_every_layer_once() -> None:
    graph, torchvision = zip(*names(), strict=True)
    assert len(graph) == 94 == len(set(graph)) == len(set(torchvision))
    assert digest(canonical(in_graph_names("net.layers."))) == inception_weights.DIGEST == features.digest("inception")


@pytest.mark.parametrize("protocol", references.PROTOCOLS)
def test_features_are_the_references_to_a_ten_thousandth(protocol: str, tmp_path: Path) -> None:
    pixels = cifar.images("test", 4)
    expected = references.features(protocol, references.networks(tmp_path)[protocol], pixels)
    assert relative(network(references.PROTOCOLS[protocol])(pixels), expected) < 1e-4


def test_the_fast_clean_rule_has_the_same_features_to_a_ten_thousandth() -> None:
    pixels = cifar.images("test", 4)
    assert relative(network("clean-fast")(pixels), network("clean")(pixels)) < 1e-4


def test_grey_images_and_fewer_levels_are_taken_as_the_pictures_they_show() -> None:
    grey = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8) % 17
    shown = (grey.double() * 255 / 16).round().to(torch.uint8).expand(1, 3, 8, 8)
    assert torch.equal(network("clean")(grey, 16), network("clean")(shown))


def test_features_know_no_gradient_and_leave_precision_as_it_was() -> None:
    pixels = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = network("clean")(pixels)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert found.dtype == torch.float32 and not found.requires_grad
    assert torch.equal(found, network("clean")(pixels))


def test_the_digest_needs_no_file_and_missing_weights_name_the_ways_out(offline: None) -> None:
    assert len(features.digest("inception")) == 64
    with pytest.raises(ConfigError, match=rf"could not be fetched.*no network.*{WAYS}"):
        features.load("inception", "clean")
    with pytest.raises(ConfigError, match=rf"gone\.pt does not exist.*{WAYS}"):
        features.load("inception", "clean", weights="gone.pt")


def test_wrong_weights_are_refused_by_name(tmp_path: Path) -> None:
    state = references.state_dictionary()
    path = tmp_path / "weights.pth"

    def refused(**changed: Tensor | None) -> str:
        torch.save({k: v for k, v in (state | changed).items() if v is not None}, path)
        with pytest.raises(ConfigError, match=rf"weights\.pth.*{WAYS}") as caught:
            inception_weights.read(path)
        return str(caught.value)

    bias = state["Mixed_7c.branch_pool.bn.bias"].clone()
    bias[5] += 1e-6
    assert "holds others (digest" in refused(**{"Mixed_7c.branch_pool.bn.bias": bias})
    assert "no Mixed_7c.branch_pool.bn.bias" in refused(**{"Mixed_7c.branch_pool.bn.bias": None})
    assert "not one throughout" in refused(**{"Mixed_5b.branch1x1.bn.weight": torch.full((64,), 0.5)})
    assert "known layout" in refused(**{"Conv2d_1a_3x3.conv.weight": None})


def test_files_cut_short_or_of_another_kind_are_refused_by_name(tmp_path: Path) -> None:
    whole = references.torchscript(tmp_path).read_bytes()
    path = tmp_path / "part.pt"
    for content in (whole[: len(whole) // 2], whole[:-100], b"", b"<html>not found</html>", b"hello", b"(lp0"):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=rf"part\.pt is damaged or cut short, remove it; then {WAYS}"):
            inception_weights.read(path)
    torch.save([1, 2], path)
    with pytest.raises(ConfigError, match=r"part\.pt does not hold them: it is no state dictionary"):
        inception_weights.read(path)
    with pytest.raises(ConfigError, match=rf"{tmp_path.name} cannot be read .*; {WAYS}"):
        inception_weights.read(tmp_path)


def test_a_download_is_checked_before_it_takes_its_name(
    tmp_path: Path, script: bytes, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    asked = []

    def serve(content: bytes) -> None:
        def urlopen(url: str, timeout: float) -> io.BytesIO:
            asked.append(url)
            return io.BytesIO(content)

        monkeypatch.setattr(urllib.request, "urlopen", urlopen)

    serve(script[:-1000])
    with pytest.raises(ConfigError, match=rf"what came from https.* is damaged or cut short.*{WAYS}"):
        inception_weights.find()
    assert not list(folder.iterdir())
    serve(script)
    assert digest(inception_weights.find()) == inception_weights.DIGEST
    assert [file.name for file in folder.iterdir()] == [inception_weights.CLEAN_FID] and len(asked) == 2
    inception_weights.find()
    assert len(asked) == 2


def test_a_named_file_comes_before_the_cache_and_the_cache_before_all_others(tmp_path: Path, offline: None) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / inception_weights.FILES[1]).write_bytes(b"cached")
    with pytest.raises(ConfigError, match=r"6726825d\.pth is damaged"):
        inception_weights.find()
    with pytest.raises(ConfigError, match=r"mine\.pt does not exist"):
        inception_weights.find(tmp_path / "mine.pt")


@pytest.fixture
def script(tmp_path: Path) -> bytes:
    """The content of a file like clean-fid's; made before `offline` hides the package."""
    return references.torchscript(tmp_path).read_bytes()


@pytest.mark.parametrize(("name", "rule", "message"), [
    ("inception", "own", r"no resize rule 'own'.*clean-fast.*tensorflow; evaluation\.protocol"),
    ("inception", "cleen", r"no resize rule 'cleen' .*clean.*evaluation\.protocol"),
    ("digits8", "clean", r"digits8 resize images in their own way.*evaluation\.protocol"),
    ("inceptoin", "clean", r"data\.features=inceptoin is not valid; nearest: inception.*cifar32, digits8, inception"),
])
def test_unknown_networks_and_rules_are_named(name: str, rule: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        features.load(name, rule)


def test_the_digest_of_an_unknown_network_names_them_all() -> None:
    with pytest.raises(ConfigError, match=r"data\.features=cifar3 .*nearest: cifar32.*Valid: cifar32, digits8, inception"):
        features.digest("cifar3")


@pytest.mark.parametrize("bad", [torch.zeros(1, 3, 8, 8).double(), torch.zeros(1, 2, 8, 8, dtype=torch.uint8),
                                 torch.zeros(3, 8, 8, dtype=torch.uint8)])
def test_only_eight_bit_images_of_one_or_three_channels_have_features(bad: Tensor) -> None:
    with pytest.raises(ValueError, match="uint8"):
        features.load("digits8")(bad)


def counting(calls: list[int]) -> features.FeatureNet:
    """A network whose rows depend on their place in the call, as floating-point rounding may."""

    def function(pixels: Tensor, levels: int) -> Tensor:
        calls.append(len(pixels))
        return pixels.float().mean((1, 2, 3))[:, None] + torch.arange(len(pixels))[:, None]

    return features.FeatureNet("fake", 1, "", "own", torch.device("cpu"), function)


@pytest.mark.parametrize("n", [0, 1, 4, 5, 11])
def test_extraction_sees_whole_chunks_only(n: int) -> None:
    pixels = torch.randint(0, 256, (11, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    calls: list[int] = []
    done: list[int] = []
    found = features.extract(counting(calls), pixels[:n], 255, 4, done.append)
    assert found.shape == (n, 1) and found.dtype == torch.float32
    assert set(calls) <= {4} and len(calls) == -(-n // 4) and sum(done) == n
    assert torch.equal(found, features.extract(counting([]), pixels, 255, 4)[:n])


def test_inceptions_bits_do_not_depend_on_how_many_images_follow() -> None:
    pixels = cifar.images("test", 5)
    few, more = (features.extract(network("clean"), pixels[:n], 255, 4) for n in (3, 5))
    assert torch.equal(few, more[:3])

