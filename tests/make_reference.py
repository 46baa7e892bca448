"""`python tests/make_reference.py NAME [arguments]`: make results/reference/NAME afresh, a sweep or what a command prints.

Of a sweep tables, pictures and records are copied, the row of results/reference/README.md is written (date, revision, machine,
time), the pages' tables are filled, and for the quickstart the picture of its page is taken. Arguments are added to the
command, and stand in the row. `--go-on` as the first of them keeps the runs that the last call left, such as when the sweep
gained methods: what it adds stands behind a + in the row. The tree must hold no change that is not committed but to what this
writes, or the revision would name other code. What the run leaves stays in outputs/reference/NAME.

The other names: `benchmarks` and `steps_cpu`, printed by their commands; `slurm_status`, the picture that a test draws (it
needs tests/install.sh); `precision`, by tests/make_precision.py.

`python tests/make_reference.py --redraw`: nothing is run; every table and picture of results/reference and of the READMEs that
comes from a sweep is made again by the present code from what the sweeps left there.
"""

import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "results" / "reference"
PAGE = REFERENCE / "README.md"
QUICKSTART = "digits_quickstart"
SWEEPS = {
    QUICKSTART: "",
    "digits_all_methods": "sweep=digits_all_methods",
    "mixture_all_methods": "sweep=mixture_all_methods",
    "checkerboard_self_distillation_cpu": "sweep=paper/checkerboard_self_distillation_cpu",
    "digits_conditional": "sweep=digits_conditional",
    "cifar_smoke": "sweep=cifar_smoke",
}
MEASURED = "sweep=none method=flow_matching,ect,meanflow,lsd,psd_m,lmd,cd data=cifar10 backbone=unet_small budget.batch=16"
PRINTED = {
    "benchmarks": ["-m pytest tests/benchmarks -o addopts= --benchmark-only"],
    "steps_cpu": [f"-m bench.perf {MEASURED} --against {what} --minutes 20" for what in ("channels_last", "compiled")],
}
DRAWN = "slurm_status"
RECORDS = "records.jsonl.gz"
NOT_KEPT = {"attempts.jsonl", "index.html", "plan.json", "runs.json"}  # the page holds everything once more


def main(name: str, *more: str) -> None:
    if name == "--redraw":
        for each in SWEEPS:
            python("-m", "results.report", str(REFERENCE / each / RECORDS))
        return finish()
    if name not in (names := [*SWEEPS, *PRINTED, DRAWN, "precision"]):
        sys.exit(f"no reference named {name}: one of {', '.join(names)}")
    if git("status", "--porcelain", "--", ".", ":!results/reference", ":!*.md"):
        sys.exit("there are changes that no revision holds: commit them first")
    if name in PRINTED:
        return write_printed(name)
    if name == DRAWN:
        return draw_status()
    if name == "precision":
        return python("tests/make_precision.py")
    if not row_of(name).search(PAGE.read_text(encoding="utf-8")):
        sys.exit(f"{PAGE} has no row for {name}: add one that begins with it")
    revision, out = git("rev-parse", "--short", "HEAD"), ROOT / "outputs" / "reference" / name
    if on := more[:1] == ("--go-on",):
        more = more[1:]
    else:
        shutil.rmtree(out, ignore_errors=True)
    words = [*SWEEPS[name].split(), *more]
    started = time.monotonic()
    python("-m", "bench.run", *words, f"out={out}", f"sweep.name={name}")
    wall, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    left, kept = out / "sweeps" / name, REFERENCE / name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(left, kept)
    spent = f"{minutes(wall)} of wall clock, {minutes(used.ru_utime + used.ru_stime)} of core time"
    command = " ".join(["python -m bench.run", *words])
    write_row([name, f"`{command}`", date.today().isoformat(), revision, machine(), spent], on)
    finish()


def write_printed(name: str) -> None:
    """What the commands print, below the date, the revision and the machine; of pytest the list at its end."""
    pages = [f"# {date.today().isoformat()}, revision {git('rev-parse', '--short', 'HEAD')}, {machine()}"]
    for words in PRINTED[name]:
        told = subprocess.run([sys.executable, *words.split()], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
        listed = re.search(r"^=+ measured =+\n(.*?)^[=-]", told, re.MULTILINE | re.DOTALL)
        pages.append(f"$ python {words}\n{(listed[1] if listed else told).strip()}")
    (REFERENCE / f"{name}.txt").write_text("\n\n".join(pages) + "\n", encoding="utf-8")


def draw_status() -> None:
    """Of the sweep that tests/sweeps/backends/test_slurm_sweep.py disturbs."""
    place = ROOT / "outputs" / "reference" / DRAWN
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    test = "tests/sweeps/backends/test_slurm_sweep.py::test_with_everything_going_wrong_the_numbers_are_the_same"
    python("-m", "pytest", test, "-n0", f"--basetemp={place}")
    (picture,) = place.glob("test_with_everything*0/status.svg")
    shutil.copy(picture, REFERENCE / f"{DRAWN}.svg")


def finish() -> None:
    """The picture of the quickstart's page, the tables in the READMEs; what is not kept goes."""
    if (page := REFERENCE / QUICKSTART / "index.html").exists():
        photograph(page, REFERENCE / "page.png")
    for each in SWEEPS:
        for file in NOT_KEPT:
            (REFERENCE / each / file).unlink(missing_ok=True)
    python("tests/support/readme_tables.py")
    python("tests/support/methods_table.py")


def python(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True, cwd=ROOT)


def git(*words: str) -> str:
    return subprocess.run(["git", *words], check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def minutes(seconds: float) -> str:
    return f"{round(seconds) // 60} min {round(seconds) % 60} s"


def machine() -> str:
    """In words, of what the table's times depend on."""
    models = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) if sys.platform == "linux" else []
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} virtual CPU cores"
    return f"{device} ({models[0] if models else platform.processor()}), PyTorch {torch.__version__.split('+')[0]}"


def write_row(cells: list[str], on: bool) -> None:
    """In the page's table, in place of the row of that name; `on`: behind what it says of revision and time."""
    page = PAGE.read_text(encoding="utf-8")
    if on:
        old = [cell.strip() for cell in row_of(cells[0]).search(page).group().split("|")[1:-1]]  # type: ignore[union-attr]
        cells = [f"{then} + {now}" if at in (3, 5) else now for at, (then, now) in enumerate(zip(old, cells, strict=True))]
    row = "| " + " | ".join(cells) + " |"
    PAGE.write_text(row_of(cells[0]).sub(lambda _: row, page), encoding="utf-8")


def row_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"^\| {name} \|.*$", re.MULTILINE)


def photograph(page: Path, picture: Path) -> None:
    """The page as a reader sees it, one number opened."""
    chromium = os.environ.get("FEWSTEP_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(page.as_uri())
        tab.locator("#board-table [data-open]").first.click()
        tab.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
