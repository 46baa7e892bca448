"""Data sources behind one type: `inspect` says what there is before anything starts, `dataset` loads it. No pixels are
judged."""

from bench.data.augment import Augment
from bench.data.dataset import SHARE, Dataset, Rows, content_hash, hold_back
from bench.data.files import DAMAGED, existing, file_hash
from bench.data.found import Found, fingerprint, inspect
from bench.data.images import given
from bench.data.sources import compared, dataset, load

__all__ = [
    "DAMAGED", "SHARE", "Augment", "Dataset", "Found", "Rows", "compared", "content_hash", "dataset", "existing",
    "file_hash", "fingerprint", "given", "hold_back", "inspect", "load",
]  # fmt: skip
