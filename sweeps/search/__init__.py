"""A search over settings as a source of jobs: studies, spaces, rungs. Nothing that knows what a setting means."""

from sweeps.search.grid import size
from sweeps.search.rungs import rungs
from sweeps.search.source import Contender, Search, Settings
from sweeps.search.space import Params, check_default, space
from sweeps.search.study import SAMPLERS, digest, open_storage

__all__ = [
    "SAMPLERS", "Contender", "Params", "Search", "Settings", "check_default", "digest", "open_storage", "rungs", "size",
    "space",
]  # fmt: skip
