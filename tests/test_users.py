"""Four people's ways through the package, as the pages tell them: each command in a shell, in an empty folder that is home.

A method's author, a student with photographs of her own, a group that writes a paper, and an engineer who installs the wheel.
"""

import csv
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image
from places import ROOT

SMALL = ("budget.images=1280 backbone.width=32 backbone.depth=1 'evaluation.steps=[1,4]' 'evaluation.seeds=[0]' "
         "evaluation.count=64 backend.workers=0")
ROTATED = 0x0112, 6  # EXIF's tag of an orientation, and a quarter turn


@dataclass(frozen=True)
class Home:
    """Somebody's folder, and the environment in which she has the package."""

    folder: Path
    commands: Path
    code: Path | None = None

    def __call__(self, command: str) -> str:
        """What a command prints: on stdout, then on stderr. AssertionError with both where it ends badly."""
        own = {"HOME": str(self.folder), "PATH": f"{self.commands}{os.pathsep}{os.environ['PATH']}",
               "MPLCONFIGDIR": matplotlib.get_cachedir()}  # its list of fonts takes a quarter of a minute
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(["bash", "-c", command], cwd=self.folder, capture_output=True, encoding="utf-8", check=False,
                              env=kept | own | ({"PYTHONPATH": str(self.code)} if self.code else {}))
        said = f"{done.stdout}{done.stderr}"
        assert done.returncode == 0 and "Traceback" not in said, f"{command}\n{said}"
        return said

    def __truediv__(self, path: str) -> Path:
        return self.folder / path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """One where this checkout is installed."""
    return Home(tmp_path, Path(sysconfig.get_path("scripts")), ROOT)


def labels(table: Path) -> list[str]:
    """Whose lines a table has."""
    with table.open(encoding="utf-8") as file:
        return list(dict.fromkeys(row["method"] for row in csv.DictReader(file) if row["sampler"] != "reference"))


def test_an_author_writes_a_method_compares_it_and_has_a_table_and_pictures_for_the_paper(home: Home) -> None:
    said = home("fewstep new-method twice").splitlines()
    test, check, run = said[-3:]  # what it says is to be done next
    assert "11 passed" in home(test) and "holds   restart" in home(f"{check} backbone.width=32 budget.batch=16")
    home(f"{run} sweep.name=beside seed=0 {SMALL}")
    assert labels(home / "outputs/sweeps/beside/leaderboard.csv") == ["twice", "flow_matching", "psd_m"]
    home(f"fewstep run sweep=none sweep.name=weight method=twice method.weight=0.5,1 seed=0,1 plugins=mine {SMALL}")
    assert labels(home / "outputs/sweeps/weight/leaderboard.csv") == ["twice weight=0.5", "twice weight=1"]
    home("fewstep report outputs/sweeps/weight --format pdf --style paper")
    paper = home / "outputs/sweeps/weight/paper"
    assert all((paper / f"{name}.pdf").read_bytes().startswith(b"%PDF") for name in ("metric_vs_steps", "pareto"))
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed (tests/install.sh)")
    (home / "paper.tex").write_text(r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
                                    rf"\input{{{paper}/leaderboard_compact}}\includegraphics{{{paper}/metric_vs_steps.pdf}}"
                                    r"\end{document}")
    home("pdflatex -interaction=nonstopmode -halt-on-error paper.tex")


def photographs(folder: Path) -> None:
    """48 of two classes in all the ways that cameras, scanners and screens leave them, and what else lies in such folders."""
    draws = np.random.default_rng(0)
    for number in range(48):
        size = (24 + 7 * (number % 5), 20 + 9 * (number % 7))
        image = Image.fromarray(draws.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        kind, ending, turned = [
            ("RGB", "JPG", False), ("P", "png", False), ("L", "png", False), ("CMYK", "jpg", False), ("RGB", "jpeg", True),
            ("RGBA", "webp", False), ("LA", "png", False), ("P", "gif", False),
        ][number % 8]  # fmt: skip
        exif = Image.Exif()
        if turned:
            exif[ROTATED[0]] = ROTATED[1]
        place = folder / ("cats", "dogs")[number % 3 == 0]
        place.mkdir(parents=True, exist_ok=True)
        image.convert(kind).save(place / f"IMG_{number:04d}.{ending}", exif=exif)
    shutil.copy(folder / "dogs/IMG_0000.JPG", folder / "cats/copy of IMG_0000.JPG")
    (folder / "cats/notes.txt").write_text("the cat's name is Lagrange")
    (folder / "cats/.DS_Store").write_bytes(b"\0")


def test_a_student_looks_at_a_folder_of_photographs_trains_on_it_and_has_samples_and_curves(home: Home) -> None:
    photographs(home / "pictures")
    said = home("fewstep data data=folder data.path=pictures data.size=16")
    assert "45 images of 3 x 16 x 16 to train on, 4 held out" in said and "1 hidden, 1 no images (.txt)" in said
    assert "labels: 2 classes to train on: cats " in said and "1 to train on are copies of others" in said
    assert np.asarray(Image.open(home / "outputs/previews/folder.png").convert("RGB")).std() > 10
    words = ("sweep=pictures_smoke data.path=pictures backbone.channels=8 budget.images=320 budget.batch=16 method=meanflow "
             "'evaluation.steps=[1,4]' evaluation.count=16")
    said = home(f"fewstep run sweep.name=pictures {words}")
    assert "\nmeanflow " in said and "says little of the method" in said, "twenty steps mean nothing, and that is told"
    left = home / "outputs/sweeps/pictures"
    for name in ("samples.png", "curves.png"):
        assert np.asarray(Image.open(left / name).convert("RGB")).std() > 10, name
    (run,) = (home / "outputs/runs").glob("meanflow-folder-s0-*")
    losses = [float(row["loss"]) for row in csv.DictReader((run / "curves.csv").open(encoding="utf-8"))]
    assert len(losses) > 1 and np.isfinite(losses).all()
    assert "meanflow" in home("fewstep status pictures")
    shape = 'from bench.model import load; from sys import argv; print(load(argv[1]).sample(n=2, steps=1).shape)'
    assert "[2, 3, 16, 16]" in home(f"python -c '{shape}' {run}")


def test_a_group_plans_runs_and_sets_its_own_published_numbers_beside_the_table(home: Home) -> None:
    said = home("fewstep plan sweep=digits_all_methods")
    assert all(f"\n{line}" in said for line in ("145 runs: 145 to do\n", "cost to do: ", "Its table: outputs/sweeps/digits_"))
    assert list(home.folder.glob("outputs/*")) == [], "a plan leaves nothing"
    home(f"fewstep run sweep.name=ours method=flow_matching,meanflow,psd_m seed=0,1,2 {SMALL}")
    assert labels(home / "outputs/sweeps/ours/leaderboard.csv") == ["flow_matching", "psd_m", "meanflow"]
    home("fewstep report outputs/sweeps/ours --card meanflow")
    card = (home / "outputs/sweeps/ours/card-meanflow.html").read_text(encoding="utf-8")
    assert "meanflow" in card and "1 step" in card and "data:image/png;base64" in card
    head = (ROOT / "results/published/cifar10.csv").read_text(encoding="utf-8").splitlines()[0]
    row = 'meanflow,"Ours, last year",digits,fd_digits8,1,17.25,,,,,,,"our paper, Table 2",'
    (home / "earlier.csv").write_text(f"{head}\n{row}\n")
    home("fewstep report outputs/sweeps/ours --published earlier.csv")
    beside = (home / "outputs/sweeps/ours/published.md").read_text(encoding="utf-8")
    assert "Ours, last year" in beside and "17.2" in beside and "our paper, Table 2" in beside
    assert "Ours, last year" in (home / "outputs/sweeps/ours/index.html").read_text(encoding="utf-8")


def test_an_engineer_installs_the_wheel_and_has_every_command_in_an_empty_folder(tmp_path: Path) -> None:
    """In an environment of its own; what the package depends on is lent by the one that runs this."""
    def do(*words: str) -> None:
        done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False,
                              env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"})
        assert done.returncode == 0, done.stdout + done.stderr

    # From the source distribution, which lacks what is not listed.
    do("build", "--no-isolation", "--outdir", "dist", str(ROOT))
    do("venv", "--without-pip", "venv")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    do("pip", "--python", "venv/bin/python", "install", "-q", "--no-deps", "--no-index", str(wheel))
    (site,) = tmp_path.glob("venv/lib/python3*/site-packages")
    (site / "lent.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    (tmp_path / "empty").mkdir()
    home = Home(tmp_path / "empty", tmp_path / "venv/bin")
    assert str(site) in home("python -c 'import bench; print(bench.__file__)'"), "not the checkout's"
    assert home("fewstep --version").startswith("fewstep ") and "\nlsd " in home("fewstep methods")
    assert "\ndigits_quickstart " in f"\n{home('fewstep sweeps')}"
    table = home(f"fewstep run seed=0 sweep.name=first {SMALL}")
    assert all(f"\n{name} " in f"\n{table}" for name in ("flow_matching", "progressive", "lmd", "psd_m", "meanflow", "ect"))
    assert "7 done" in home("fewstep status first")
    shutil.rmtree(home / "outputs/runs")
    home("fewstep report outputs/sweeps/first/records.jsonl.gz --out again")
    assert labels(home / "again/leaderboard.csv") == labels(home / "outputs/sweeps/first/leaderboard.csv")
    home("fewstep new-method twice && fewstep plan sweep=twice plugins=mine")
