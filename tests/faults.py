"""Deliberate faults: proof that the tests of the objectives can fail.

    python tests/faults.py [--part ci] [--list] [--only WORD] [--jobs N]

Each fault is one textual replacement in a copy of the source tree; the tests named for it must then fail. Before that
all named tests must pass on an unchanged copy. The old text must occur exactly once: a fault that no longer fits the
code is an error, so that this list is kept in step with it. Exit status 1 if a fault survives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fault_tables import FAULTS
from fault_tables.base import Fault

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("methods", "bench", "results", "sweeps", "tests")
PASSED, FAILED = 0, 1  # pytest's exit codes; 2 to 5 mean that it could not run the tests


def copy_tree(to: Path) -> Path:
    """The packages and tests, without caches."""
    for name in COPIED:
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copy(ROOT / "pyproject.toml", to)
    return to


def run_tests(tree: Path, ids: Iterable[str], jobs: int = 0) -> tuple[int, str]:
    """pytest's exit code and output for some tests in `tree`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}
    quick = ["-x", "-q", "-n", str(jobs), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *quick, "--rootdir", str(tree), *ids]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def first_failure(output: str) -> str:
    """The test that failed, shortened."""
    lines = [line for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return lines[0].split(" - ")[0].split(" ", 1)[1].removeprefix("tests/") if lines else "?"


def survives(fault: Fault) -> tuple[str | None, float]:
    """What caught the fault (None: nothing did) and the seconds it took."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_tree(Path(folder))
        fault.inject(tree)
        code, output = run_tests(tree, fault.ids)
    if code not in (PASSED, FAILED):
        raise RuntimeError(f"{fault.subject}: {fault.name}: the tests could not run:\n{output[-3000:]}")
    return (first_failure(output) if code == FAILED else None), time.monotonic() - start


def check_unchanged(faults: Sequence[Fault], jobs: int) -> None:
    """Raise unless every old text fits and every named test passes as things are."""
    for fault in faults:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / fault.file).parent.mkdir(parents=True)
            shutil.copy(ROOT / fault.file, Path(folder) / fault.file)
            fault.inject(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        ids = sorted({test for fault in faults for test in fault.ids})
        code, output = run_tests(copy_tree(Path(folder)), ids, jobs if jobs > 1 else 0)
    if code != PASSED:
        raise RuntimeError(f"the named tests do not pass on the unchanged tree:\n{output[-3000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--part", choices=["all", "ci"], default="all")
    parser.add_argument("--list", action="store_true", help="print the faults and run nothing")
    parser.add_argument("--only", default="", help="those whose subject or name holds this word")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    faults = [f for f in FAULTS if (f.ci or given.part == "all") and given.only in f"{f.subject}: {f.name}"]
    if given.list:
        print("\n".join(f"{f.subject}: {f.name}" for f in faults))
        return 0
    start = time.monotonic()
    check_unchanged(faults, given.jobs)
    print(f"unchanged: all named tests pass ({time.monotonic() - start:.0f} s)", flush=True)
    alive = Counter[str]()
    with ThreadPoolExecutor(given.jobs) as pool:
        for fault, (caught, seconds) in zip(faults, pool.map(survives, faults), strict=True):
            alive[fault.subject] += caught is None
            print(f"{fault.subject + ': ' + fault.name:64s} {seconds:5.1f} s  {caught or 'SURVIVES'}", flush=True)
    print(f"{len(faults)} faults, {alive.total()} survive, {time.monotonic() - start:.0f} s")
    return int(alive.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
