"""States of jobs, read from run folders, and the pure rule that says what may start next."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from results.records import RUN_FILE, StoreError, read_json
from sweeps.plan.jobs import Job, Plan


class State(StrEnum):
    """Where a job stands. Running, done, diverged, failed and interrupted are also the words of `run.json`."""

    TODO = "todo"
    QUEUED = "queued"  # handed to a scheduler
    RUNNING = "running"
    DONE = "done"
    DIVERGED = "diverged"  # a result, not an accident: the loss became NaN or exploded
    FAILED = "failed"  # the run raised: repeating it at once would raise again
    DEAD = "dead"  # its attempts are used up, or they lead nowhere
    LOST = "lost"  # it died under us: counts one attempt
    INTERRUPTED = "interrupted"  # it stopped at a step boundary and can be continued
    YIELDED = "yielded"  # it was preempted or ran into its time limit: free of charge
    PRUNED = "pruned"  # a search stopped it early
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # something that it waits for will never be done


FINAL = frozenset({State.DONE, State.DIVERGED})
ACTIVE = frozenset({State.QUEUED, State.RUNNING})
DEAD_ENDS = {State.DIVERGED: "diverged", State.FAILED: "failed", State.DEAD: "failed", State.PRUNED: "was pruned",
             State.CANCELLED: "was cancelled", State.SKIPPED: "was skipped"}
"""What is said of a parent that will never be done."""


@dataclass(frozen=True)
class Decision:
    """What `decide` found. A job is in one field at most; those that are queued, running or at their end are in none.

    `ready` is sorted: the job with the most costly chain behind it comes first. `skipped` holds the reason for each job
    that can never start.
    """

    ready: tuple[str, ...]
    blocked: tuple[str, ...]
    skipped: dict[str, str]


def decide(plan: Plan, states: Mapping[str, str]) -> Decision:
    """What may start, what waits and what never will, as a pure function of the states.

    A job that is absent from `states` is to do. A job starts when all its parents are done; one whose parent is a dead
    end is skipped. A lost, interrupted or yielded job is ready again: how often is not decided here (`sweeps.engine.rules`).
    """
    ready: list[str] = []
    blocked: list[str] = []
    skipped: dict[str, str] = {}
    dead_ends: dict[str, str] = {}
    for job in plan.jobs:  # parents come first, so one pass carries a dead end through the whole graph
        state = State(states.get(job.id, State.TODO))
        if state in DEAD_ENDS and state != State.SKIPPED:
            dead_ends[job.id] = DEAD_ENDS[state]
        elif state == State.DONE or state in ACTIVE:
            continue
        elif cause := next((parent for parent in job.parents if parent in dead_ends), None):
            dead_ends[job.id] = DEAD_ENDS[State.SKIPPED]
            skipped[job.id] = f"its parent {cause} {dead_ends[cause]}"
        elif all(states.get(parent) == State.DONE for parent in job.parents):
            ready.append(job.id)
        else:
            blocked.append(job.id)
    ready.sort(key=lambda id: -plan.tail[id])
    return Decision(tuple(ready), tuple(blocked), skipped)


def todo(plan: Plan, states: Mapping[str, str]) -> list[Job]:
    """The jobs that an invocation would start, given the states of the run folders: neither final nor behind a diverged
    parent."""
    decision = decide(plan, at_start(states))
    left = {*decision.ready, *decision.blocked}
    return [job for job in plan.jobs if job.id in left]


def read_status(folder: Path) -> State | None:
    """The status that a run folder's `run.json` states; None where there is none, or none to trust (a warning)."""
    if not (folder / RUN_FILE).exists():
        return None
    try:
        return State(read_json(folder / RUN_FILE)["status"])
    except (StoreError, ValueError, KeyError, TypeError) as error:
        warnings.warn(f"{folder / RUN_FILE} is not a readable run record ({type(error).__name__}: {error}); the run counts as "
                      "to do", stacklevel=2)
        return None


def read_reason(folder: Path) -> str:
    """Why a run ended as it did, as its `run.json` says; empty where nothing is said."""
    try:
        return str(read_json(folder / RUN_FILE)["reason"])
    except (StoreError, KeyError):
        return ""


def read_states(out: Path, ids: Iterable[str]) -> dict[str, State]:
    """What the run folders under `<out>/runs` say; a job without a readable record is absent.

    "running" here means that nobody wrote an end: the process may be gone. See `at_start`.
    """
    found = ((id, read_status(Path(out) / "runs" / id)) for id in ids)
    return {id: status for id, status in found if status is not None}


def at_start(states: Mapping[str, str]) -> dict[str, State]:
    """The states an invocation begins with: done and diverged are final, anything else is to do again."""
    return {id: State(state) for id, state in states.items() if state in FINAL}
