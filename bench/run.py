"""The entry point: `python -m bench.run [key=value ...]` plans, trains, evaluates and prints the table.

    python -m bench.run                                          the quickstart on the embedded digits
    python -m bench.run sweep=cifar_all_methods plan=true        what would run, and what it would cost
    python -m bench.run sweep=none method=lsd data=checkerboard  one experiment
    python -m bench.run --help                                   every option

Running the same command again continues where it stopped; finished runs are not repeated.
"""

import dataclasses
import math
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from bench.config import compose as composition
from bench.config.errors import ConfigError
from bench.planning import backends
from results import report
from results.records import RUN_FILE, RecordError, StoreError, archive, load_runs, read_rows, relabelled, write_json
from results.statistics import ProtocolError
from results.tables import beside, plain
from results.tables import tuned as trials
from sweeps.display import Display
from sweeps.engine import Outcome, SweepError
from sweeps.plan import Plan, PlanError, describe, read_states, todo

FILES = (*report.FILES, "published.md", "tuned.md", "trials.csv", "samples.png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0 done, 1 some runs failed or were cancelled, 2 a wrong command, 130 interrupted.
    """
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
    from bench.planning.jobs import jobs, reopen
    from bench.planning.price import SUSTAINED, Prices, device
    from bench.planning.tune import tuned

    request = composition.request(arguments)
    settings = request.settings
    out = Path(settings["out"])
    if settings["plugins"] and settings["backend"]["name"] == "slurm" and not settings["plan"]:
        _check_writable(out)
        backends.keep_plugins(request.experiments, settings["plugins"], out)
    search = tuned(request, out, preview=settings["plan"]) if settings["sweep"].get("search") else None
    plan = Plan(search.references if search else jobs(request.experiments))
    # A single experiment is named by its run, so that two of them can go on side by side.
    name = settings["sweep"]["name"] if search or len(request.experiments) > 1 else plan.jobs[-1].id
    workers = backends.workers(settings["backend"])
    if settings["plan"]:
        prices = Prices(out, device(request.experiments[0]))
        if search:
            plan = Plan(search.preview())
            print(search.outlook(prices))
        states = read_states(out, plan.ids)
        timed = Plan(dataclasses.replace(job, cost=prices.seconds(job)) for job in plan)
        print(describe(timed, states, 1.0, workers))
        left = todo(plan, states)
        hours = sum(map(prices.gpu_hours, left))
        on = f"On GPUs that sustain {SUSTAINED['cuda'] / 1000:.0f} TFLOP/s: about" if prices.device == "cpu" else "About"
        print(f"Cost: {prices.source(left)}. {on} {hours:,.1f} GPU-hours.")
        return 0
    if settings["backend"]["max_gpu_hours"] is not None:
        prices = Prices(out, device(request.experiments[0]))
        first = Plan(search.preview()) if search else plan
        hours = sum(map(prices.gpu_hours, todo(first, read_states(out, first.ids))))
        _agree(hours + (search.further(prices) if search else 0.0), settings["backend"]["max_gpu_hours"])
    _check_writable(out)
    folder = out / "sweeps" / name
    # One experiment has a table of its own; several that narrow a sweep share that sweep's.
    listing = _listing(plan, composition.whole(arguments) if len(request.experiments) > 1 and not search else [], out)
    references = [job.id for job in plan if job.kind == "reference"]
    if len(references) > 1:
        raise ConfigError(
            f"this sweep would need {len(references)} tables: its runs differ in data or evaluation, and numbers of two "
            "protocols cannot stand in one; run one sweep for each"
        )
    if published := settings["sweep"].get("published"):
        beside.load(published)  # a wrong name is an error before anything is trained
    write_json(folder / "runs.json", {**listing, "note": settings["sweep"]["note"], "published": published})
    if again := reopen(out, plan):
        print(f"{again} finished runs are scored again under the new evaluation; nothing is trained twice.")
    with Display(plan, read_states(out, plan.ids), workers) as display:
        outcome = backends.execute(plan, settings["backend"], out, name, display, bool(settings["detach"]),
                                   search.search if search else None)
    if outcome.detached:
        print(f"{len(outcome.left)} runs are not finished and go on without this command. Give it again to continue; "
              f"look at them with: python -m sweeps.status {folder}")
        return 0
    if search:
        listing = _listing(Plan([*plan, *search.winners()]), [], out)
        listing |= {"tuned": search.about()}
        write_json(folder / "runs.json", {**listing, "note": settings["sweep"]["note"], "published": published})
        trials.write(folder, search.search.trials(), search.about())
    table(out, name, listing, published)
    return _tell(outcome, arguments)


def _agree(hours: float, limit: float) -> None:
    """Ask before a sweep that costs more than backend.max_gpu_hours; raise ConfigError on a no, or if nobody can answer."""
    if hours <= float(limit):
        return
    text = f"this would take about {hours:,.1f} GPU-hours, more than backend.max_gpu_hours={limit}"
    if sys.stdin is not None and sys.stdin.isatty():
        if input(f"{text}. Go on? [y/N] ").strip().lower() in ("y", "yes"):
            return
        raise ConfigError(f"{text}; nothing was started")
    raise ConfigError(f"{text}; see plan=true, then go on with "
                      f"backend.max_gpu_hours={math.ceil(hours)}")


def _listing(plan: Plan, whole: Sequence[dict[str, Any]], out: Path) -> dict[str, Any]:
    """What the table shows: `runs` (ids), `order` (labels) and `labels` (id -> label).

    A command that narrows its sweep (`method=lsd,esd`) shows what else of the `whole` sweep has been run as well, so that it
    never takes lines from the sweep's table; what was not run is not missing from it.
    """
    from bench.planning.jobs import jobs

    mine = {job.id: job.label for job in plan if job.listed}
    every = {job.id: job.label for job in jobs(whole) if job.listed} if whole else {}
    labels = {id: label for id, label in every.items() if id in mine or (out / "runs" / id / RUN_FILE).exists()}
    labels |= {id: label for id, label in mine.items() if id not in labels}
    references = [job.id for job in plan if job.kind == "reference"]
    return {"runs": [*references, *labels], "order": list(dict.fromkeys(labels.values())), "labels": labels}


def table(out: Path, name: str, listing: Mapping[str, Any], published: str | None = None) -> None:
    """Write and print the leaderboard and the pictures of one sweep; `listing` as in its runs.json."""
    from bench.scoring.pictures import samples

    folder = out / "sweeps" / name
    order, labels = listing["order"], listing["labels"]
    folders = [path for run in listing["runs"] if (path := out / "runs" / run).exists()]
    records = relabelled(load_runs(folders), labels)
    protocols = _protocols(folders)
    about = {"sweep": name, "order": order, "labels": labels, "published": published, "protocols": sorted(protocols or ())}
    about |= {"tuned": listing["tuned"]} if "tuned" in listing else {}
    archive.write(folder / archive.FILE, records, about)
    frame = report.write(records, folder, order, samples(folders, labels), protocols=protocols, published=published,
                         tuned=listing.get("tuned", ""))
    print(plain(frame))
    for file in FILES:
        if (folder / file).exists():
            print(folder / file)


def _protocols(folders: Sequence[Path]) -> set[str] | None:
    """The protocols of the reference rows: those of the present evaluation, where a run may hold older ones too."""
    found = {row.protocol for f in folders if f.name.startswith("reference-") and f.exists() for row in read_rows(f)}
    return found or None


def _tell(outcome: Outcome, arguments: Sequence[str]) -> int:
    for kind, reasons in (("failed", outcome.failed), ("skipped", outcome.skipped), ("cancelled", outcome.cancelled)):
        for run, reason in reasons.items():
            print(f"{kind}: {run}: {reason}", file=sys.stderr)
    if outcome.interrupted:
        command = " ".join(["python -m bench.run", *arguments])
        print(f"interrupted; nothing is lost. Continue with: {command}", file=sys.stderr)
        return 130
    return 1 if outcome.failed or outcome.skipped or outcome.cancelled else 0


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
