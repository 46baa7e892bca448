"""One image file as pixels: what is refused, and what is made of turned, transparent and moving pictures.

Pillow is imported where it is used: planning without a folder does without.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.config import FEWEST, ConfigError

if TYPE_CHECKING:
    from PIL.Image import Image

GREY = ("1", "L", "LA", "La")  # Pillow's modes of one channel and 8 bits, with or without transparency
WHITE = (255, 255, 255, 255)  # the ground on which transparent pixels are seen
SMALL = 2**18  # bytes of a file that is decoded before anything starts, to see whether it is whole


class Seen(NamedTuple):
    """An image file before it is loaded: channels 1 or 3; frames: whether there is more than one picture in it."""

    height: int
    width: int
    channels: int
    transparent: bool
    frames: bool


def seen(file: Path, content: bytes, size: int | None) -> Seen:
    """What `pixels` would make of a file with this content. With a size, a large file is not decoded.

    Raises ConfigError naming the file for what cannot be read, or not in 8 bits per channel.
    """
    with _opened(file, content) as image:
        mode, transparent, frames = image.mode, image.has_transparency_data, bool(getattr(image, "is_animated", False))
        height, width = (size, size) if size is not None else (0, 0)
        if size is None or len(content) <= SMALL:
            height, width, _ = _array(image, size).shape
        return Seen(height, width, 1 if mode in GREY else 3, transparent, frames)


def grey(file: Path) -> bool:
    """Whether a file has one channel; only its head is read. Raises ConfigError as `seen`."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            return image.mode in GREY
    except OSError:
        seen(file, content(file), 1)  # says what is wrong
        return False


def pixels(file: Path, size: int | None) -> np.ndarray:
    """uint8 (H, W, 1) if the file is grey, else (H, W, 3): its first frame, turned as its EXIF orientation says, on white.

    size: of the square that is cropped from the centre and resized. Raises ConfigError as `seen`.
    """
    with _opened(file, content(file)) as image:
        return _array(image, size)


def content(file: Path) -> bytes:
    """The bytes of a file. Raises ConfigError where there are none to read, as behind a link to nothing."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} is not a readable image ({error.strerror}); mend or remove it") from error


@contextmanager
def _opened(file: Path, content: bytes) -> Iterator["Image"]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(content)) as image:
            if _deep(image, content):
                raise ConfigError(f"{file} has more than 8 bits per channel (Pillow's mode {image.mode}); rescale and save it "
                                  "in 8 bits")
            yield image
    except ConfigError:
        raise
    except Exception as error:  # of damaged files Pillow's decoders let through whatever they meet
        why = "no image that Pillow knows" if isinstance(error, UnidentifiedImageError) else str(error).split("\n")[0]
        raise ConfigError(f"{file} is not a readable image ({why or type(error).__name__}); mend or remove it") from error


def _deep(image: "Image", content: bytes) -> bool:
    """Whether a channel has more than 8 bits: Pillow clips grey ones above 255, and halves colour without a word."""
    png = content[:8] == b"\x89PNG\r\n\x1a\n" and content[24] > 8
    tiff = max(getattr(image, "tag_v2", {}).get(258, (8,))) > 8  # BitsPerSample
    return png or tiff or image.mode[0] in "IF"


def _array(image: "Image", size: int | None) -> np.ndarray:
    from PIL import Image, ImageOps

    mode = "L" if image.mode in GREY else "RGB"
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image)
    image = image.convert(mode)
    if size is not None:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(image.height, image.width, -1)


def same_size(file: Path, shape: Sequence[int], first: Sequence[int]) -> None:
    """Raises ConfigError where an image is of another (height, width, ...) than the first one."""
    if shape[:2] != first[:2]:
        raise ConfigError(f"{file} is {shape[1]} x {shape[0]}, the images before it {first[1]} x {first[0]}; give data.size=N "
                          "to crop and resize all to N x N")


def enough(key: str, path: str | Path, count: int) -> None:
    """Raises ConfigError where there are fewer images than a data set must have."""
    if count < FEWEST:
        raise ConfigError(f"{key}={path} has {count} images; at least {FEWEST} are needed")
