"""The house can be walked: imports go downward only, no circle, rooms of a size, each with its sentence and its door."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from layout import FLOORS, ROOMS, House, violations
from places import ROOT, TESTS


def test_no_rule_is_broken() -> None:
    assert violations(ROOT) == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The floors as they are, to be spoiled."""
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, tmp_path / floor, ignore=shutil.ignore_patterns("__pycache__", "*.npz", "reference"))
    return tmp_path


def add(root: Path, file: str, line: str) -> None:
    path = root / file
    path.parent.mkdir(exist_ok=True)
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("methods/edm.py", "import bench.data", "methods.edm imports bench, which its floor may not"),
        ("results/report.py", "import torch", "results.report imports torch, which its floor may not"),
        ("methods/edm.py", "import annotated_types", "methods.edm imports annotated_types, which its floor may not"),
        ("bench/data/digits.py", "from bench import training", "bench.data imports bench.training, which lies above it"),
        ("bench/scoring/sample.py", "import bench.job", "bench.scoring imports bench, which lies above it"),
        ("sweeps/plan/jobs.py", "from sweeps.plan import frontier", "modules import each other in a circle: sweeps.plan"),
        ("bench/planning/jobs.py", "from bench.training.rng import generator", "bench.training hands out what others use"),
        ("results/diff.py", "Path('x').read_text()", "results.diff leaves an encoding to the locale, line"),
        ("results/diff.py", "open('x', 'a', errors='replace')", "results.diff leaves an encoding to the locale, line"),
        ("results/diff.py", "Path('x').open(mode='w')", "results.diff leaves an encoding to the locale, line"),
        ("sweeps/retry.py", "subprocess.run('x', text=True)", "sweeps.retry leaves an encoding to the locale, line"),
        ("bench/attic/one.py", "", "bench.attic holds 1 modules; a room holds 3 to 14"),
        ("bench/attic/one.py", "", "bench.attic does not say in its __init__ what it is for"),
    ],
)
def test_a_breach_is_told(copy: Path, file: str, line: str, said: str) -> None:
    add(copy, file, line)
    assert any(said in each for each in violations(copy)), violations(copy)


def test_a_crowd_is_told(copy: Path) -> None:
    for n in range(8):
        add(copy, f"results/more{n}.py", "")
        add(copy, f"results/webpage/more{n}.py", "")
        add(copy, f"results/webpage/again{n}.py", "")
    told = violations(copy)
    assert "13 modules stand on top of results; at most 8 do" in told
    assert any(each.startswith("results.webpage holds 21 modules") for each in told)


def test_a_room_without_its_sentence_is_told(copy: Path) -> None:
    (copy / "bench" / "data" / "__init__.py").write_text('"""Data."""\n')
    assert any(each.startswith("bench.data does not say in its __init__") for each in violations(copy))


def test_tests_mirror_the_rooms() -> None:
    for floor, rooms in ROOMS.items():
        inside = {path.name for path in (TESTS / floor).iterdir() if path.is_dir() and path.name != "__pycache__"}
        assert inside <= set(rooms), floor


@pytest.mark.parametrize("floor", ["results", "sweeps"])
def test_torch_is_not_loaded_by(floor: str) -> None:
    modules = [name for name in House(ROOT).modules if name.split(".")[0] == floor]
    code = f"import sys\nfor m in {modules!r}: __import__(m)\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_near_names_are_found_in_one_place() -> None:
    house = House(ROOT)
    assert [name for name, found in house.imports.items() if ("difflib", "") in found] == ["results.records.names"]
