"""Runs that are there already: how far they have come, and what finished ones have not that is asked for now."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.accounts import due
from bench.config import records
from bench.protocols import SHIPPED, Protocol, lacking
from results.records import RecordError, RunRecord, StoreError, read_run, whole_rows, write_rows, write_run
from sweeps.plan import FINAL, Job, count

LOST = "rows of its evaluation were lost"


def reopen(out: Path, plan: Iterable[Job]) -> dict[str, str]:
    """Mark finished runs that are `incomplete` as interrupted, so that what they lack is made again: {run: why}.

    Training is not repeated where its last checkpoint is there.
    """
    again = incomplete(out, plan)
    for run, why in again.items():
        folder = out / "runs" / run
        record = read_run(folder)
        if why == LOST and not (found := whole_rows(folder))[1]:  # it is not known which: all are scored again
            write_rows(folder, [row for row in found[0] if row.protocol != _protocol(record)])
        write_run(folder, dataclasses.replace(record, status="interrupted", reason=why))
    return again


def incomplete(out: Path, plan: Iterable[Job]) -> dict[str, str]:
    """Finished runs that have not all that is asked for: {run: why}. Nothing is written.

    What may be missing: rows under the present protocol, rows that were lost, the checkpoint that a student starts from.
    """
    jobs, again, unfinished = list(plan), dict[str, str](), set[str]()
    for job in reversed(jobs):  # parents come first in a plan, and are wanted by what comes after
        folder = out / "runs" / job.id
        try:
            record = read_run(folder)
            why = _lacking(folder, record, job, needed=job.id in unfinished) if record.status == "done" else ""
        except (StoreError, RecordError):  # told, and done again, where the states are read
            record, why = None, ""
        if why:
            again[job.id] = why
        if record is None or why or record.status not in ("done", "diverged"):
            unfinished.update(job.parents)
    return again


def saved(out: Path, plan: Iterable[Job], states: Mapping[str, str]) -> dict[str, float]:
    """The share in [0, 1] of its training at which each begun and unfinished run goes on: that of its newest checkpoint."""
    begun = [job for job in plan if job.id in states and states[job.id] not in FINAL]
    if not begun:
        return {}
    from bench.training import reached  # here: who only plans needs nothing of it

    return {job.id: records.share(job.config, reached(out / "runs" / job.id / "checkpoints")) for job in begun}


def unchoosable(out: Path, plan: Iterable[Job]) -> list[str]:
    """Why runs that were begun cannot keep their best checkpoint: milestones of steps that are behind them are not there."""
    found, files = list[str](), out / "runs"
    for job in plan:
        folder, of = files / job.id, records.compared(job.config).checkpoints
        if job.kind != "method" or not of or not (folder / "checkpoints").exists() or _chosen(folder, job):
            continue
        from bench.training import checkpoint  # here: as above

        wanted = [n for n in due(records.steps(job.config), of) if n <= checkpoint.reached(folder / "checkpoints")]
        if lost := len(set(wanted) - {n for n, _ in checkpoint.milestones(folder / "checkpoints")}):
            found.append(lacking(job.id, lost, len(wanted)))
    return [found[0], *([f"so it is with {count(len(found) - 1, 'run')} more"] if found[1:] else [])] if found else []


def _chosen(folder: Path, job: Job) -> bool:
    """Whether nothing is chosen any more: the run diverged, or is done and scored as asked."""
    try:
        record = read_run(folder)
    except (StoreError, RecordError):  # told where the states are read
        return False
    return record.status == "diverged" or (record.status == "done" and _scored_alike(record.config, job.config))


def _lacking(folder: Path, record: RunRecord, job: Job, needed: bool) -> str:
    """What a finished run has not; empty where it has all."""
    alike = _scored_alike(record.config, job.config)
    if job.kind == "method" and (needed or not alike):
        from bench.training import final_checkpoint  # here: as above

        if not final_checkpoint(folder / "checkpoints", record.final, record.optimizer_steps):
            return "the checkpoint that it ended with is gone: it is trained again"
    if not alike:
        return "its evaluation is asked for otherwise now"
    if records.is_trial(job.config):
        return ""
    found, damaged = whole_rows(folder)
    own = len([row for row in found if row.protocol == _protocol(record)])
    return "" if not damaged and (own == record.rows or (record.rows is None and found)) else LOST


def _protocol(record: RunRecord) -> str:
    """The id under which a finished run was scored."""
    return Protocol.recorded(records.full_protocol(record.config)).id if record.rows is not None else ""


def _scored_alike(ran: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """A rule of a protocol may have changed since, under the same settings: its version and that of the times tell."""
    try:
        asked = records.scoring(wanted)
        rule = SHIPPED.get(asked.get("protocol", ""))
        return records.scoring(ran) == asked and records.protocol(ran) == (rule.version if rule else 1, asked["grid"])
    except ValueError:  # by a version whose evaluations are not understood
        return False


def told(again: Mapping[str, str]) -> list[str]:
    """A line for each reason of `incomplete`."""
    return [f"{count(number, 'finished run')} taken up again: {why}" for why, number in Counter(again.values()).items()]
