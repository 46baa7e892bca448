"""What surrounds a command: a locale that is not UTF-8, a notebook's settings, a home that cannot be written."""

import os
import pwd
import subprocess
import sys
import tempfile
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

from bench import run
from bench.config import request
from bench.planning import backends
from results import report, terminal
from results.tables import marks

ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SMALL = ["budget.images=2560", "backbone.width=32", "backbone.depth=1", "evaluation.seeds=[0]", "evaluation.steps=[1,4]",
         "evaluation.count=64"]
QUICKSTART = ROOT / "results" / "reference" / "digits_quickstart" / "records.jsonl.gz"
YAML = """# after Poincaré: ≈ and †
name: mine
target: mine:Mine
"""
PYTHON = '''"""Après Poincaré."""

from dataclasses import dataclass

from methods.flow_matching import FlowMatching


@dataclass(frozen=True)
class Mine(FlowMatching):
    def losses(self, *given):
        print("Poincaré ≈ †")
        return super().losses(*given)
'''


def given(module: str, *arguments: str, at: Path, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """A command as another user's shell starts it."""
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=at, capture_output=True, timeout=1200,
                          env={**os.environ, "PYTHONPATH": str(ROOT), **environment})


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an umlaut, where a method of the user's with accents has trained; all of it in ASCII."""
    place = tmp_path_factory.mktemp("pläne")
    (place / "mine" / "method").mkdir(parents=True)
    (place / "mine" / "method" / "mine.yaml").write_text(YAML, encoding="utf-8")
    (place / "mine" / "mine.py").write_text(PYTHON, encoding="utf-8")
    np.save(place / "samples.npy", np.random.default_rng(0).integers(0, 17, (64, 8, 8), dtype=np.uint8))
    done = given("bench.run", "sweep=none", "sweep.name=few", "plugins=mine", "method=mine", "seed=0,1", "backend.workers=1",
                 "out='größe'", *SMALL, at=place, **ASCII)
    assert done.returncode == 0, done.stderr
    assert b"mean +-95 %" in done.stdout and "größe/sweeps/few/leaderboard.md".encode() in done.stdout
    (log, *_) = (place / "größe" / "runs").glob("mine-*/log.txt")
    assert log.read_bytes().startswith(b"Poincare ~ +\n")
    return place


def test_a_commands_files_are_utf_8_where_the_locale_is_not(swept: Path) -> None:
    page = (swept / "größe" / "sweeps" / "few" / "leaderboard.md").read_text(encoding="utf-8")
    assert "§" in page and "Fréchet" in page


@pytest.mark.parametrize("command", [
    "bench.run --help plugins=mine method=mine", "bench.run method=é", "bench.evaluate samples.npy data=digits",
    "bench.job RUN", "results.report größe/sweeps/few", "results.diff RUN RUN", "sweeps.status few --out größe",
    "sweeps.status few --tries", "sweeps.cancel few --out größe", "sweeps.retry few --out größe",
    "sweeps.clean few --out größe",
])  # fmt: skip
def test_every_command_prints_where_the_locale_is_not_utf_8(swept: Path, command: str) -> None:
    run = next((swept / "größe" / "runs").glob("mine-*"))
    module, *arguments = command.replace("RUN", str(run)).split()
    done = given(module, *arguments, at=swept, **ASCII)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert done.returncode == (2 if "é" in command or "--tries" in command else 0), done.stderr.decode()


def test_a_run_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = given("bench.job", "nowhere", at=tmp_path)
    assert done.returncode == 2 and done.stderr.decode().startswith("error: nowhere/run.json: ")


def test_a_report_writes_the_same_bytes_in_every_locale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = given("results.report", str(QUICKSTART), "--out", "there", at=tmp_path, **ASCII)
    assert report.main([str(QUICKSTART), "--out", str(tmp_path / "here" / "there")]) == 0
    for file in ("leaderboard.md", "leaderboard.csv", "leaderboard.tex", "index.html"):
        assert (tmp_path / "there" / file).read_bytes() == (tmp_path / "here" / "there" / file).read_bytes(), file
    shown = capsys.readouterr().out.split("Fréchet")[0]
    assert "≈" in shown and "§" in shown
    assert done.stdout.decode("ascii").split("Frechet")[0] == "".join(terminal.MARKS.get(letter, letter) for letter in shown)


@pytest.mark.parametrize("words", [
    ["bench"], ["bench", "methods"], ["bench", "data", "data=digits"], ["bench", "plan", "sweep=digits_all_methods"],
    ["bench", "run", "--help"], ["bench.run", "--help"], ["results.report", "--help"], ["sweeps.status", "nothing"],
], ids=" ".join)  # fmt: skip
def test_a_command_whose_reader_is_gone_ends_without_a_word(words: list[str], tmp_path: Path) -> None:
    """As behind `| head -0`, with the errors too where they go the same way; told at once, or at the end from a buffer."""
    for both, at_once in ((False, ""), (False, "1"), (True, "")):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, timeout=1200, stdout=pipe,
                                  stderr=pipe if both else subprocess.PIPE,
                                  env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": at_once})
        said = (done.stderr or b"").decode()
        assert done.returncode in (0, 1, 2) and "Traceback" not in said and "Exception ignored" not in said


def test_a_broken_pipe_to_another_process_is_told() -> None:
    code = "from results import terminal; terminal.ready(); raise BrokenPipeError('to a worker')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "BrokenPipeError: to a worker" in done.stderr


def test_two_marks_of_a_table_never_become_one() -> None:
    shown = [terminal.MARKS[mark] for mark in (marks.TIED, marks.SAMPLING, marks.TEACHER, marks.DOUBT, "–", "±")]
    assert len({*shown, "*", "?"}) == len(shown) + 2 and all(text.isascii() for text in shown)


@pytest.mark.parametrize("surroundings", [
    {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},  # what a notebook sets, where its package is not installed
    {"MPLBACKEND": "nonsense"}, {"MPLBACKEND": ""}, {"HOME": os.devnull, "XDG_CACHE_HOME": "", "MPLCONFIGDIR": ""},
    {"MPLCONFIGDIR": f"{os.devnull}/matplotlib"},
])  # fmt: skip
def test_pictures_are_drawn_whatever_matplotlib_finds(swept: Path, tmp_path: Path, surroundings: dict[str, str]) -> None:
    done = given("results.report", str(swept / "größe" / "sweeps" / "few"), "--out", "there", at=tmp_path, **surroundings)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "there" / "pareto.png").stat().st_size > 0


def test_the_backend_that_somebody_chose_is_left_to_him() -> None:
    code = "import os, results.pictures, matplotlib; print(matplotlib.rcParams['backend'], os.environ['MPLBACKEND'])"
    for lines, backend in ((code, "svg"), (f"import matplotlib; matplotlib.use('pdf'); {code}", "pdf")):
        shown = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, encoding="utf-8", check=True,
                               env={**os.environ, "MPLBACKEND": "svg"})
        assert shown.stdout.split() == [backend, "svg"]


@pytest.mark.parametrize("home", ["cannot be written", "is not known"])
def test_a_run_needs_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.delenv("FEWSTEP_CACHE", raising=False)
    monkeypatch.setenv("HOME", os.devnull)
    if home == "is not known":  # a container's user without an entry
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", lambda number: {}[number])
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    command = ["sweep=none", "method=psd_m", *SMALL, f"out={tmp_path / 'out'}", "backend.workers=0"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run.main(command) == 0


@pytest.mark.parametrize(("module", "name"), [
    ("bench.run", "methods.py"), ("bench.run", "methods/__init__.py"), ("bench.run", "results.py"),
    ("bench.run", "results/__init__.py"), ("bench.run", "sweeps.py"), ("bench.evaluate", "methods.py"),
    ("bench.evaluate", "results.py"), ("bench.job", "sweeps.py"), ("sweeps.status", "results.py"),
    ("sweeps.clean", "results/__init__.py"),
])  # fmt: skip
def test_a_module_of_the_users_that_hides_ours_is_told(tmp_path: Path, module: str, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    done = given(module, "--help", at=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    (told,) = done.stderr.decode().splitlines()
    assert told.startswith(f"error: {tmp_path / name} hides ") and "write fewstep run for python -m bench.run" in told


def test_the_command_of_an_installation_looks_past_the_users_modules(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "fewstep"
    script.parent.mkdir()
    module, _, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["fewstep"].partition(":")
    script.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n", encoding="utf-8")
    for name in ("bench.py", "methods.py", "results.py", "sweeps.py"):
        (tmp_path / name).touch()
    for words in (["--help", "data"], ["run", "--help", "data"], ["data"]):
        done = subprocess.run([sys.executable, str(script), *words], cwd=tmp_path, capture_output=True, check=False,
                              env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert done.returncode == 0 and b"digits" in done.stdout


def test_a_folder_of_data_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    assert given("bench.run", "--help", "data", at=tmp_path).returncode == 0


def test_who_imports_the_package_hears_it_as_an_error(tmp_path: Path) -> None:
    (tmp_path / "methods.py").touch()
    done = subprocess.run([sys.executable, "-c", "import bench.model"], cwd=tmp_path, capture_output=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stderr.decode().splitlines()[-1].startswith(f"ImportError: {tmp_path / 'methods.py'} hides the package methods")


PLOTS, MODELS = {"pandas", "matplotlib", "scipy", "sklearn", "PIL", "optuna", "submitit", "torchvision"}, {"torch"}


@pytest.mark.parametrize(("command", "spared"), [
    *((f"{module} --help", PLOTS | MODELS) for module in (
        "bench.run", "bench.evaluate", "results.report", "results.diff", "sweeps.status", "sweeps.cancel", "sweeps.retry",
        "sweeps.clean")),
    ("bench.run plan=true", PLOTS), ("bench.run sweep=cifar_all_methods method=lsd plan=true", PLOTS),
    ("bench.run method=lds", PLOTS | MODELS), ("results.report nowhere", PLOTS | MODELS), ("sweeps.status few", PLOTS | MODELS),
])  # fmt: skip
def test_a_command_loads_no_large_package_before_it_needs_it(command: str, spared: set[str]) -> None:
    code = f"""if True:
        import contextlib, runpy, sys
        module, *sys.argv[1:] = {command.split()}
        with contextlib.suppress(SystemExit):
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        assert not (found := {spared} & set(sys.modules)), found
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr.decode()


def test_a_worker_for_each_core_that_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    backend = request(["sweep=none", "backend=local", "backend.device=cpu"]).backend
    assert backends.workers(backend) == 3
    monkeypatch.delattr(os, "sched_getaffinity")  # a system that does not tell
    assert backends.workers(backend) == 64
