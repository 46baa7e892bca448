"""Tables as pictures: curves, fronts, grids of samples. Nothing that computes a number."""

import contextlib
import os
import sys

if "matplotlib" not in sys.modules and (_named := os.environ.pop("MPLBACKEND", None)):
    # Importing matplotlib ends at a backend that is not installed here, such as that of the notebook whose shell this is.
    import matplotlib

    os.environ["MPLBACKEND"] = _named
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = _named

from results.pictures.style import COLOURS, Style

__all__ = ["COLOURS", "Style"]
