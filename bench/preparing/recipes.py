"""From the bytes of an image file to small pixels: the crops and filters that papers' data sets were made with.

    oord           as published (van den Oord et al., arXiv 1601.06759)
    adm-crop       halved while twice the size or more (BOX), then BICUBIC, the centre (Dhariwal and Nichol, arXiv 2105.05233)
    lanczos-crop   the largest square of the centre, LANCZOS (Karras et al., arXiv 2206.00364)
    crop140-area   the centre 140 x 140, area average (Boffi et al., arXiv 2505.18825)
    v2-area, v2-lanczos   the whole square by either filter

An area average is no whole number. It is rounded to the nearest here, where those who keep floats do not: their pixels differ
by at most half a level.
"""

from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from bench.config import ConfigError
from bench.preparing.entries import Entry, read

EXACT, AREA = "none: 8-bit values as they are published", "area averages to the nearest of 0..255, halves to even"
PILLOW = "Pillow's, to 8 bits in each resize"
CROPPED = 140
TARGET = (0, 0)  # the size of what is made


class Recipe(NamedTuple):
    """How an image is made. given: the size (width, height) that every file must have; None is any. how, rounding: in words."""

    pixels: Callable[[Image.Image, int], np.ndarray]
    given: tuple[int, int] | None
    how: str
    rounding: str


def made(version: str, side: int, entries: list[Entry]) -> np.ndarray:
    """uint8 (N, 3, side, side). Raises ConfigError naming a file that is no image, or of another size than it must be."""
    return np.stack([_one(RECIPES[version], side, entry) for entry in entries])


def own(channels: int, size: int | None, shape: tuple[int, ...], paths: list[Path]) -> np.ndarray:
    """uint8 (N, channels, H, W) of a folder's images, as data=folder reads them; shape: (H, W) of the first."""
    from bench.data import pictures

    found = []
    for path in paths:
        image = pictures.pixels(path, size)
        pictures.same_size(path, image.shape, shape)
        found.append(np.broadcast_to(image, (*image.shape[:2], channels)).transpose(2, 0, 1))
    return np.stack(found)


def _one(recipe: Recipe, side: int, entry: Entry) -> np.ndarray:
    content = read(entry)
    try:
        with Image.open(BytesIO(content)) as opened:
            image = opened.convert("RGB")
    except Exception as error:  # of damaged files Pillow's decoders let through whatever they meet
        why = (str(error) or type(error).__name__).split("\n")[0]
        raise ConfigError(f"{entry.place} is not a readable image ({why}); fetch it again") from error
    wanted = (side, side) if recipe.given == TARGET else recipe.given
    if wanted is not None and image.size != wanted:
        raise ConfigError(f"{entry.place} is {image.width} x {image.height}, and the official images are {wanted[0]} x "
                          f"{wanted[1]}; give the files as they were published")
    return np.ascontiguousarray(recipe.pixels(image, side).transpose(2, 0, 1))


def area(pixels: np.ndarray, side: int) -> np.ndarray:
    """uint8 (side, side, C) of (H, W, C): every pixel the mean over the part of the image that it covers, rounded."""
    rows, columns = (_overlaps(size, side) for size in pixels.shape[:2])
    means: np.ndarray = np.einsum("ih,hwc,jw->ijc", rows, pixels.astype(np.float64), columns, optimize=True)
    return means.round().astype(np.uint8)


@lru_cache
def _overlaps(size: int, side: int) -> np.ndarray:
    """(side, size): the share of each of `size` pixels in each of `side`; rows sum to one."""
    edges = np.arange(side + 1) * size / side
    low, high = np.maximum(edges[:-1, None], np.arange(size)), np.minimum(edges[1:, None], np.arange(size) + 1)
    shares: np.ndarray = np.clip(high - low, 0, None) * side / size
    return shares


def _centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _adm(image: Image.Image, side: int) -> np.ndarray:
    while min(image.size) >= 2 * side:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    scale = side / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    return np.asarray(_centre(image, side, side))


def _lanczos(image: Image.Image, side: int) -> np.ndarray:
    square = _centre(image, min(image.size), min(image.size))
    return np.asarray(square.resize((side, side), Image.Resampling.LANCZOS))


def _whole(image: Image.Image, side: int) -> np.ndarray:
    return np.asarray(image)


def _area(image: Image.Image, side: int) -> np.ndarray:
    return area(np.asarray(image), side)


def _area_of_centre(image: Image.Image, side: int) -> np.ndarray:
    return area(np.asarray(_centre(image, CROPPED, CROPPED)), side)


RECIPES = {
    "oord": Recipe(_whole, TARGET, "as published", EXACT),
    "adm-crop": Recipe(_adm, None, "halved (box) while the short side is twice the target or more, bicubic to it, centre crop",
                       PILLOW),
    "lanczos-crop": Recipe(_lanczos, None, "centre square, Lanczos", PILLOW),
    "crop140-area": Recipe(_area_of_centre, (178, 218), "centre 140 x 140, area average", AREA),
    "v2-area": Recipe(_area, (512, 512), "area average", AREA),
    "v2-lanczos": Recipe(_lanczos, (512, 512), "Lanczos", PILLOW),
}
