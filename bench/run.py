"""The entry point: `python -m bench.run [key=value ...]` plans, trains, evaluates and prints the table.

    python -m bench.run                                          the quickstart on the embedded digits
    python -m bench.run sweep=cifar_all_methods plan=true        what would run, and what it would cost
    python -m bench.run sweep=none method=lsd data=checkerboard  one experiment
    python -m bench.run --help                                   every key; --help method=lsd one method's

Running the same command again continues where it stopped; finished runs are not repeated.
"""

import math
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.config import ConfigError, request, whole
from results import terminal
from results.records import ProtocolError, RecordError, StoreError, read_json, write_json

if TYPE_CHECKING:
    from bench.config import Request
    from bench.planning import Campaign
    from sweeps.engine import Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0 done, 1 some runs failed or were cancelled, or no method has a number, 2 a wrong command, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    terminal.ready()
    if any(a in ("--help", "-h") for a in arguments):
        return _told(lambda: _help([a for a in arguments if a not in ("--help", "-h")]))
    return _told(lambda: _main(arguments))


def plan(arguments: Sequence[str] | None = None) -> int:
    """What the same command line would run and cost; starts nothing. Returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    return main(arguments if any(a in ("--help", "-h") for a in arguments) else [*arguments, "plan=true"])


def _told(do: Callable[[], int]) -> int:
    """What cannot be done, in a line for each fault."""
    from sweeps.engine import SweepError
    from sweeps.plan import PlanError, SpecError

    try:
        return do()
    except (ConfigError, PlanError, SpecError, StoreError, RecordError, ProtocolError, SweepError) as error:
        print("\n".join(f"error: {line}" for line in str(error).split("\n")), file=sys.stderr)
        return 2


def _help(about: Sequence[str]) -> int:
    from bench.verbs import help as pages

    print(pages.page(about))
    return 0


def _main(arguments: Sequence[str]) -> int:
    wanted = request(arguments)
    from bench.planning import Campaign, backends

    if wanted.command.plan:
        print(Campaign.of(wanted, preview=True).text(backends.workers(wanted.backend)))
        return 0
    if wanted.command.plugins and wanted.backend.name == "slurm":
        _check_writable(wanted.out)
        wanted = wanted.with_experiments(backends.keep_plugins(wanted.experiments, wanted.command.plugins, wanted.out))
    campaign = Campaign.of(wanted)
    if wanted.backend.max_gpu_hours is not None:
        _agree(campaign.gpu_hours(), wanted.backend.max_gpu_hours)
    _check_writable(wanted.out)
    return _run(campaign, arguments)


def _run(campaign: "Campaign", arguments: Sequence[str]) -> int:
    """Execute the plan and draw its table; returns the exit status."""
    from bench.planning import backends, listing, reopen, saved, told
    from sweeps.display import Display
    from sweeps.plan import Plan, read_reason, read_states

    wanted, plan, out, search = campaign.request, campaign.plan, campaign.request.out, campaign.search
    folder = out / "sweeps" / campaign.name
    # One experiment has a table of its own; several that narrow a sweep, or one that names it, share that sweep's.
    shared = whole(arguments) if (len(wanted.experiments) > 1 or "sweep.name" in wanted.changed) and not search else []
    shown = listing(plan, shared, out)
    if not search and (gone := _gone(folder, shown["labels"], out)):
        print(gone, file=sys.stderr)
    shown = _noted(folder, wanted, shown)
    workers = backends.workers(wanted.backend)
    warning = campaign.warning(workers) if wanted.backend.name != "slurm" else ""
    print("\n".join([*campaign.data, *([warning] if warning else [])]), file=sys.stderr)
    if again := reopen(out, plan):
        print("\n".join(told(again)))
    states = read_states(out, plan.ids)
    at_once = None if backends.unbound(wanted.backend) else workers
    with Display(plan, states, at_once, saved=saved(out, plan, states)) as display:
        outcome = backends.execute(plan, wanted.backend, out, campaign.name, display, wanted.command.detach,
                                   search.search if search else None)
    if outcome.detached:
        print(f"{len(outcome.left)} runs are not finished and go on without this command. Give it again to continue; "
              f"look at them with: python -m sweeps.status {folder}")
        return 0
    for run in outcome.diverged:
        print(f"diverged: {run}: {read_reason(out / 'runs' / run) or 'no reason on record'}", file=sys.stderr)
    if search:
        from results.tables import tuned

        ended = listing(Plan([*plan, *search.winners()]), [], out) | {"tuned": search.about()}
        shown = _noted(folder, wanted, ended)
        tuned.write(folder, search.trials(), search.about())
    from bench.scoring import leaderboard

    text, nothing = leaderboard.draw(out, campaign.name, shown, wanted.sweep.published)
    print(text)
    return _tell(outcome, arguments, nothing, out)


def _gone(folder: Path, labels: Mapping[str, str], out: Path) -> str:
    """One line where the table that this command is about to replace has runs that it will not have; else empty."""
    earlier: Any = {}
    with suppress(StoreError):  # no table yet, or one that is about to be written anew
        earlier = read_json(folder / "runs.json").get("labels")
    begun = {run: label for run, label in earlier.items() if (out / "runs" / run).exists()} if isinstance(earlier, dict) else {}
    left = [label for run, label in begun.items() if run not in labels]
    told = ", ".join(list(dict.fromkeys(left))[:3]) + ", ..." * (len(set(left)) > 3)
    return (f"the earlier table of {folder.name} has {len(left)} run{'s' * (len(left) > 1)} that this command's will not "
            f"have ({told}): sweep.name=NAME keeps both" if left else "")  # fmt: skip


def _noted(folder: Path, wanted: "Request", shown: dict[str, Any]) -> dict[str, Any]:
    """What the table shows, left beside it for `results.report`."""
    from bench.planning import folder as names

    sweep = wanted.sweep
    if sweep.remarks and names.as_shipped(wanted.changed):
        shown = {**shown, "remarks": sweep.remarks}
    shown = {**shown, "note": sweep.note}
    write_json(folder / "runs.json", {**shown, "published": sweep.published})
    return shown


def _agree(hours: float, limit: float) -> None:
    """Ask before a sweep that costs more than backend.max_gpu_hours; raise ConfigError on a no, or if nobody can answer."""
    if hours <= limit:
        return
    from sweeps.plan import gpu_time

    text = f"this would take about {gpu_time(hours)}, more than backend.max_gpu_hours={limit:g}"
    if sys.stdin is not None and sys.stdin.isatty():
        if input(f"{text}. Go on? [y/N] ").strip().lower() in ("y", "yes"):
            return
        raise ConfigError(f"{text}; nothing was started")
    raise ConfigError(f"{text}; see plan=true, then go on with "
                      f"backend.max_gpu_hours={math.ceil(hours)}")


def _tell(outcome: "Outcome", arguments: Sequence[str], nothing: str, out: Path) -> int:
    """What did not end well, in a line each; `nothing`: the line for a table without a number. Returns the exit status."""
    for kind, reasons in (("failed", outcome.failed), ("skipped", outcome.skipped), ("cancelled", outcome.cancelled)):
        for run, reason in reasons.items():
            traceback = out / "runs" / run / "error.txt"
            print(f"{kind}: {run}: {reason}" + (f" (more in {traceback})" if traceback.exists() else ""), file=sys.stderr)
    if outcome.interrupted:
        command = shlex.join(["python", "-m", "bench.run", *arguments])
        print(f"interrupted; nothing is lost. Continue with: {command}", file=sys.stderr)
        return 130
    if nothing:
        print(nothing, file=sys.stderr)
    return 1 if nothing or outcome.failed or outcome.skipped or outcome.cancelled else 0


def _check_writable(out: Path) -> None:
    try:
        (out / "runs").mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"out={out} cannot be written ({error.strerror}); choose another folder with out=") from error


if __name__ == "__main__":
    sys.exit(main())
