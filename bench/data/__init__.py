"""Data sources behind one type: `dataset` loads, `fingerprint` says what is cheap to know of the content. No pixels are
judged."""

from bench.data.dataset import Dataset, content_hash, hold_back
from bench.data.files import existing, file_hash
from bench.data.images import given
from bench.data.sources import dataset, fingerprint, load

__all__ = ["Dataset", "content_hash", "dataset", "existing", "file_hash", "fingerprint", "given", "hold_back", "load"]
