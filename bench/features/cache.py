"""The folder for files that are fetched or computed once for all experiments: weights, reference statistics."""

import os
import tempfile
from pathlib import Path


def folder() -> Path:
    """$FEWSTEP_CACHE, or ~/.cache/fewstep; without a home, as in some containers, a temporary folder of this user's. It need
    not exist; whoever writes makes it."""
    if named := os.environ.get("FEWSTEP_CACHE"):
        return Path(named).expanduser()
    try:
        return Path.home() / ".cache" / "fewstep"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"fewstep-{os.getuid()}"
