"""The user's own images in the same form: a folder of any number of files, or an array file larger than memory."""

from functools import partial
from pathlib import Path

import numpy as np

from bench.config import FEWEST
from bench.data import arrays, files, pictures, split
from bench.preparing.plan import PIECE, Blocks, Part, Plan
from bench.preparing.pool import ordered
from bench.preparing.recipes import EXACT, PILLOW, own

ROWS = 1024


def folder(source: Path, size: int | None, workers: int) -> Plan:
    """The images that data=folder would load, and the same tenth of them held out. Raises ConfigError as it does."""
    found = files.tree("--source", source).files
    pictures.enough("--source", source, len(found))
    seen = pictures.seen(found[0], pictures.content(found[0]), size)
    grey = all(pictures.grey(file) for file in found)
    shape = (1 if grey else 3, seen.height, seen.width)

    def part(rows: np.ndarray) -> Part:
        pieces = ([found[i] for i in rows[start : start + PIECE]] for start in range(0, len(rows), PIECE))
        made = ordered(partial(own, shape[0], size, shape[1:]), pieces, workers)
        return Part(len(rows), ((pixels, None) for pixels in made), str(source))

    train, heldout = split.tenth(len(found))
    how = "centre square, bicubic" if size else "as it is"
    version, rounding = (f"size{size}", PILLOW) if size else ("as-is", EXACT)
    return Plan("folder", version, "tenth", False, how, rounding, shape, part(train), part(heldout), (source.name,))


def array(source: Path, heldout: Path | None) -> Plan:
    """The images that data=arrays would load, with the same ones held out. Raises ConfigError as it does."""
    images = arrays.opened("--source", source, FEWEST).pixels
    held = images if heldout is None else arrays.opened("--heldout", heldout, 2).pixels
    if heldout is not None:
        arrays.same_size(str(heldout), images, held)
    train, kept = split.tenth(len(images)) if heldout is None else (np.arange(len(images)), np.arange(len(held)))

    def part(pixels: np.ndarray, rows: np.ndarray) -> Part:
        def blocks() -> Blocks:
            for start in range(0, len(rows), ROWS):
                yield pixels[rows[start : start + ROWS]], None

        return Part(len(rows), blocks(), str(source))

    names = tuple(path.name for path in (source, heldout) if path is not None)
    c, h, w = images.shape[1:]
    how = "tenth" if heldout is None else "own"
    return Plan("arrays", "as-is", how, False, "as it is", EXACT, (c, h, w), part(images, train), part(held, kept), names)
