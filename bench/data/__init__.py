"""Data sources behind one type: `load(config)` gives a Dataset, `fingerprint(config)` its content hash where cheap.

One file per kind of source. Every source has a content hash and a held-out part.
"""

from bench.data.dataset import Dataset, hold_back
from bench.data.sources import NAMES, fingerprint, load

__all__ = ["NAMES", "Dataset", "fingerprint", "hold_back", "load"]
