"""The entry point: `python -m bench.run [key=value ...]` plans, trains, evaluates and prints the table.

    python -m bench.run                                          the quickstart on the embedded digits
    python -m bench.run sweep=cifar_all_methods plan=true        what would run, and what it would cost
    python -m bench.run sweep=none method=lsd data=checkerboard  one experiment
    python -m bench.run --help                                   every option

Running the same command again continues where it stopped; finished runs are not repeated.
"""

import math
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import hydra
from omegaconf import DictConfig

from bench import backends
from bench import config as composition
from methods.registry import ConfigError
from results import archive, beside, report
from results.record import RecordError
from results.render import plain
from results.scores import ProtocolError
from results.store import StoreError, load_runs, read_rows, write_json
from sweeps.backend import SweepError
from sweeps.engine import Outcome
from sweeps.plan import Plan, PlanError
from sweeps.progress import Display
from sweeps.states import read_states


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0 done, 1 some runs failed, 2 a wrong command, 130 interrupted)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if any(a.split("=")[0] in ("--help", "-h", "--cfg", "-c", "--info", "-i", "--hydra-help") for a in arguments):
        _hydra_help()
        return 0
    warnings.formatwarning = lambda message, *rest, **more: f"warning: {message}\n"
    try:
        return _main(arguments)
    except (ConfigError, PlanError, StoreError, RecordError, ProtocolError, SweepError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _main(arguments: Sequence[str]) -> int:
    from bench.jobs import SUSTAINED, jobs, reopen, seconds_per_gflop

    request = composition.request(arguments)
    settings = request.settings
    out = Path(settings["out"])
    plan = Plan(jobs(request.experiments))
    # A single experiment is named by its run, so that two of them can go on side by side.
    name = settings["sweep"]["name"] if len(request.experiments) > 1 else plan.jobs[-1].id
    workers = backends.workers(settings["backend"])
    if settings["plan"]:
        rate, source = seconds_per_gflop(out, plan.jobs, request.experiments[0])
        print(plan.describe(read_states(out, plan.ids), rate, workers))
        hours = price(plan, out)
        print(f"Cost: {source}. On GPUs that sustain {SUSTAINED['cuda'] / 1000:.0f} TFLOP/s: about {hours:,.1f} GPU-hours.")
        return 0
    _agree(price(plan, out), settings["backend"]["max_gpu_hours"])
    _check_writable(out)
    folder = out / "sweeps" / name
    order = list(dict.fromkeys(job.label for job in plan if job.listed))
    listed = [job.id for job in plan if job.listed or job.kind == "reference"]
    references = [job.id for job in plan if job.kind == "reference"]
    if len(references) > 1:
        raise ConfigError(
            f"this sweep would need {len(references)} tables: its runs differ in data or evaluation, and numbers of two "
            "protocols cannot stand in one; run one sweep for each"
        )
    if published := settings["sweep"].get("published"):
        beside.load(published)  # a wrong name is an error before anything is trained
    write_json(folder / "runs.json", {"runs": listed, "order": order, "note": settings["sweep"]["note"],
                                      "published": published})
    if again := reopen(out, plan):
        print(f"{again} finished runs are scored again under the new evaluation; nothing is trained twice.")
    with Display(plan, read_states(out, plan.ids), workers) as display:
        outcome = backends.execute(plan, settings["backend"], out, name, display, bool(settings["detach"]))
    if outcome.detached:
        print(f"{len(outcome.left)} runs are not finished and go on without this command. Give it again to continue; "
              f"look at them with: python -m sweeps.status {folder}")
        return 0
    table(out, name, listed, order, published)
    return _tell(outcome, arguments)


def price(plan: Plan, out: Path) -> float:
    """GPU-hours of what is still to do, on GPUs that sustain `SUSTAINED`."""
    from bench.jobs import SUSTAINED

    return sum(job.cost for job in plan.todo(read_states(out, plan.ids))) / SUSTAINED["cuda"] / 3600


def _agree(hours: float, limit: float | None) -> None:
    """Ask before a sweep that costs more than backend.max_gpu_hours; raise ConfigError on a no, or if nobody can answer."""
    if limit is None or hours <= float(limit):
        return
    text = f"this would take about {hours:,.1f} GPU-hours, more than backend.max_gpu_hours={limit}"
    if sys.stdin is not None and sys.stdin.isatty():
        if input(f"{text}. Go on? [y/N] ").strip().lower() in ("y", "yes"):
            return
        raise ConfigError(f"{text}; nothing was started")
    raise ConfigError(f"{text}; see plan=true, then go on with "
                      f"backend.max_gpu_hours={math.ceil(hours)}")


def table(out: Path, name: str, runs: Sequence[str], order: list[str], published: str | None = None) -> None:
    """Write and print the leaderboard and the pictures of one sweep."""
    from bench.pictures import samples

    folder = out / "sweeps" / name
    folders = [path for run in runs if (path := out / "runs" / run).exists()]
    records = load_runs(folders)
    protocols = _protocols(folders)
    about = {"sweep": name, "order": order, "published": published, "protocols": sorted(protocols or ())}
    archive.write(folder / archive.FILE, records, about)
    frame = report.write(records, folder, order, samples(folders), protocols=protocols, published=published)
    print(plain(frame))
    for file in ("leaderboard.csv", "leaderboard.md", "published.md", "metric_vs_steps.png", "samples.png"):
        if (folder / file).exists():
            print(folder / file)


def _protocols(folders: Sequence[Path]) -> set[str] | None:
    """The protocols of the reference rows: those of the present evaluation, where a run may hold older ones too."""
    found = {row.protocol for f in folders if f.name.startswith("reference-") and f.exists() for row in read_rows(f)}
    return found or None


def _tell(outcome: Outcome, arguments: Sequence[str]) -> int:
    for kind, reasons in (("failed", outcome.failed), ("skipped", outcome.skipped)):
        for run, reason in reasons.items():
            print(f"{kind}: {run}: {reason}", file=sys.stderr)
    if outcome.interrupted:
        command = " ".join(["python -m bench.run", *arguments])
        print(f"interrupted; nothing is lost. Continue with: {command}", file=sys.stderr)
        return 130
    return 1 if outcome.failed or outcome.skipped else 0


def _check_writable(out: Path) -> None:
    try:
        (out / "runs").mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"out={out} cannot be written ({error.strerror}); choose another folder with out=") from error


@hydra.main(config_path="conf", config_name="config", version_base=None)
def _hydra_help(config: DictConfig) -> None:
    """Hydra's own --help, --cfg and --info."""


if __name__ == "__main__":
    sys.exit(main())
