"""States of jobs, read from run folders, and the pure rule that says what may start next."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeps.plan import Plan


class State(StrEnum):
    """Where a job stands. All but TODO and LOST are also the words of `run.json`."""

    TODO = "todo"
    RUNNING = "running"
    DONE = "done"
    DIVERGED = "diverged"  # a result, not an accident: the loss became NaN or exploded
    FAILED = "failed"  # the run raised: repeating it at once would raise again
    LOST = "lost"  # its worker died under it: worth another attempt
    INTERRUPTED = "interrupted"  # it stopped at a step boundary and can be continued


FINAL = frozenset({State.DONE, State.DIVERGED})
RETRIED = frozenset({State.LOST, State.INTERRUPTED})


@dataclass(frozen=True)
class Decision:
    """What `decide` found. A job is in one field at most; running, done and diverged jobs are in none.

    `ready` is sorted: the job with the most costly chain behind it comes first. `failed` holds the jobs that have
    failed or used up their attempts, `skipped` the reason for each job that can never start.
    """

    ready: tuple[str, ...]
    blocked: tuple[str, ...]
    failed: tuple[str, ...]
    skipped: dict[str, str]


def decide(plan: Plan, states: Mapping[str, str], attempts: Mapping[str, int], max_attempts: int) -> Decision:
    """What may start, what waits and what never will, as a pure function of the states within one invocation.

    A job that is absent from `states` is to do. A job starts when all its parents are done; one whose parent failed,
    diverged or was skipped is skipped. A lost or interrupted job is ready again until `max_attempts` are used up.
    """
    ready: list[str] = []
    blocked: list[str] = []
    failed: list[str] = []
    skipped: dict[str, str] = {}
    dead_ends: dict[str, str] = {}
    for job in plan.jobs:  # parents come first, so one pass carries a dead end through the whole graph
        state = states.get(job.id, State.TODO)
        if state in (State.RUNNING, State.DONE):
            continue
        if state == State.DIVERGED:
            dead_ends[job.id] = "diverged"
        elif state == State.FAILED or (state in RETRIED and attempts.get(job.id, 0) >= max_attempts):
            dead_ends[job.id] = "failed"
            failed.append(job.id)
        elif cause := next((parent for parent in job.parents if parent in dead_ends), None):
            dead_ends[job.id] = "was skipped"
            skipped[job.id] = f"its parent {cause} {dead_ends[cause]}"
        elif all(states.get(parent) == State.DONE for parent in job.parents):
            ready.append(job.id)
        else:
            blocked.append(job.id)
    ready.sort(key=lambda id: -plan.tail[id])
    return Decision(tuple(ready), tuple(blocked), tuple(failed), skipped)


def read_status(folder: Path) -> State | None:
    """The status that a run folder's `run.json` states; None where there is none, or none to trust (a warning)."""
    file = folder / "run.json"
    try:
        return State(json.loads(file.read_text(encoding="utf-8"))["status"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        warnings.warn(f"{file} is not a readable run record ({type(error).__name__}: {error}); the run counts as to do",
                      stacklevel=2)
        return None


def read_states(out: Path, ids: Iterable[str]) -> dict[str, State]:
    """What the run folders under `<out>/runs` say; a job without a readable record is absent.

    "running" here means that nobody wrote an end: the process may be gone. See `at_start`.
    """
    found = ((id, read_status(Path(out) / "runs" / id)) for id in ids)
    return {id: status for id, status in found if status is not None}


def at_start(states: Mapping[str, str]) -> dict[str, State]:
    """The states an invocation begins with: done and diverged are final, anything else is to do again."""
    return {id: State(state) for id, state in states.items() if state in FINAL}
