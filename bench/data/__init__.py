"""Data sources behind one type: `load(data)` gives a Dataset, `fingerprint(data)` its content hash where cheap.

One file per kind of source. Every source has a content hash and a held-out part.
"""

from bench.data.dataset import Dataset, hold_back
from bench.data.sources import dataset, fingerprint, load

__all__ = ["Dataset", "dataset", "fingerprint", "hold_back", "load"]
