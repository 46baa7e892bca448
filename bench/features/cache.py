"""The folder for files that are fetched or computed once for all experiments: weights, reference statistics."""

import os
from pathlib import Path


def folder() -> Path:
    """$FEWSTEP_CACHE, or ~/.cache/fewstep. It need not exist; whoever writes makes it."""
    named = os.environ.get("FEWSTEP_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "fewstep"
