"""The four floors: imports go downward only, methods import torch alone, results and sweeps never import torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "methods": {"methods", "torch"},
    "results": {"results", "numpy", "pandas", "scipy", "matplotlib", "jinja2"},
    "sweeps": {"sweeps", "results", "tqdm", "optuna", "submitit"},
    "bench": {"bench", "sweeps", "results", "methods", "torch", "torchvision", "numpy", "scipy", "sklearn", "PIL", "hydra",
              "omegaconf", "tqdm", "pandas", "cleanfid", "filelock"},
}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
    return found - set(sys.stdlib_module_names)


@pytest.mark.parametrize("floor", ALLOWED)
def test_a_floor_imports_only_what_lies_below_it(floor: str) -> None:
    files = list((ROOT / floor).rglob("*.py"))
    assert files
    for path in files:
        assert imported(path) <= ALLOWED[floor], path


@pytest.mark.parametrize("floor", ["results", "sweeps"])
def test_torch_is_not_loaded_by(floor: str) -> None:
    modules = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in (ROOT / floor).rglob("*.py")]
    code = f"import sys\nfor m in {modules!r}: __import__(m)\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
