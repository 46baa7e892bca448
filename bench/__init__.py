"""One experiment from end to end, and the entry point `python -m bench.run`."""

from pathlib import Path
from runpy import run_path

run_path(str(Path(__file__).parents[1] / "results" / "floors.py"))["check"]("methods", "results", "sweeps")
