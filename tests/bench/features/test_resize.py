"""Each resize rule is the one its protocol names, checked against the implementation that defined it."""

import warnings

import cifar
import numpy as np
import pytest
import references
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.features import resize

SIZES = st.one_of(st.integers(1, 70), st.sampled_from([96, 128, 224, 298, 299, 300, 512, 640]))


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=g)


@given(height=SIZES, width=SIZES, seed=st.integers(0, 1000))
@settings(max_examples=12)
def test_the_clean_rule_is_pillows_bicubic_bit_for_bit(height: int, width: int, seed: int) -> None:
    """Where an image is taller than wide and shrinks, Pillow 13 changed the order of its passes: there only to rounding."""
    pixels = noise(height, width, seed)
    found, expected = resize.clean(pixels), references.resized("clean-fid", pixels)
    torch.testing.assert_close(found, expected, rtol=0, atol=0 if height <= max(width, resize.SIDE) else 1e-4)


@given(height=SIZES, width=SIZES, seed=st.integers(0, 1000))
@settings(max_examples=12)
def test_the_fast_clean_rule_stays_within_a_thousandth(height: int, width: int, seed: int) -> None:
    """Of one of the 255 steps, not of the whole range."""
    pixels = noise(height, width, seed)
    assert (resize.clean_fast(pixels) - resize.clean(pixels)).abs().max() < 1e-3


@given(height=SIZES, width=SIZES)
@settings(max_examples=12)
def test_the_tensorflow_rule_is_torch_fidelitys(height: int, width: int) -> None:
    compat = pytest.importorskip("torch_fidelity.interpolate_compat_tensorflow")
    pixels = noise(height, width)
    expected = compat.interpolate_bilinear_2d_like_tensorflow1x(pixels.float(), size=(299, 299), align_corners=False)
    torch.testing.assert_close(resize.tensorflow(pixels), expected, rtol=0, atol=1e-4)


def test_the_tensorflow_rule_does_not_shift_by_half_a_pixel() -> None:
    """Without any reference: column j lies at j * W / 299, and beyond the last pixel that one repeats."""
    ramp = torch.arange(13, dtype=torch.uint8).expand(1, 1, 13, 13)
    expected = (torch.arange(299, dtype=torch.float64) * 13 / 299).clamp(max=12)
    found = resize.tensorflow(ramp)[0, 0]
    torch.testing.assert_close(found.double(), expected.expand(299, 299), rtol=0, atol=1e-5)


@given(height=SIZES, width=SIZES)
@settings(max_examples=12)
def test_the_pytorch_rule_is_clean_fids_legacy_one(height: int, width: int) -> None:
    pixels = noise(height, width)
    torch.testing.assert_close(resize.pytorch(pixels), references.resized("legacy-pytorch", pixels), rtol=0, atol=1e-4)


@pytest.mark.parametrize("protocol", ["clean-fid", "legacy-pytorch"])
def test_real_images_are_resized_as_by_the_reference(protocol: str) -> None:
    pixels = cifar.images("test", 16)
    assert torch.equal(resize.RULES[references.PROTOCOLS[protocol]](pixels), references.resized(protocol, pixels))


@pytest.mark.parametrize("rule", sorted(resize.RULES))
def test_a_batch_is_resized_as_its_images_are_one_by_one(rule: str) -> None:
    pixels = noise(32, 32)
    found = resize.RULES[rule](pixels)
    assert found.shape == (2, 3, 299, 299) and found.dtype == torch.float32
    assert found.min() >= 0 and found.max() <= 255
    alone = torch.cat([resize.RULES[rule](one) for one in pixels.split(1)])
    torch.testing.assert_close(found, alone, rtol=0, atol=0 if rule != "clean-fast" else 1e-4)


@pytest.mark.parametrize("rule", sorted(resize.RULES))
def test_constant_images_stay_constant_and_are_scaled_as_the_protocol_does(rule: str) -> None:
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 20, 20)
    low, high = (part.unique() for part in resize.normalised(ends, rule))
    assert low.numpy() == pytest.approx(-1, abs=1e-6)
    assert high.numpy() == pytest.approx(1 if rule == "pytorch" else 127 / 128, abs=1e-6)


def test_the_coefficients_add_up_to_one() -> None:
    for size in (1, 5, 299, 1000):
        index, weight = resize.coefficients(size)
        assert index.min() >= 0 and index.max() < size
        np.testing.assert_allclose(weight.sum(1), 1, rtol=1e-14)


@pytest.fixture(autouse=True)
def _quiet():  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():  # Pillow deprecates an argument that clean-fid passes
        warnings.simplefilter("ignore")
        yield
