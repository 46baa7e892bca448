"""What becomes of an attempt and of its job: pure functions of what files and scheduler say. No clock, no file, no luck.

    judge(facts, rules)          is this attempt over, and how?
    consequence(past, rules)     given how all attempts so far ended: again, or what is the job's end?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweeps.engine.seam import Kind, Seen, Where
from sweeps.plan import FINAL, State


@dataclass(frozen=True)
class Rules:
    """The patience of a sweep. Times are seconds.

    attempts: bad ends (lost, infrastructure) after which a job is DEAD; preemption and time limits are free.
    patience: attempts in a row, free ones included, that may pass without the run getting any further.
    gone: how long a scheduler must have called a job ended, without a word of the job itself, before it counts as lost:
        NODE_FAIL is not final where jobs are requeued, and a shared file system shows an end late.
    absent: how long a job must be absent from the scheduler's answers, without a sign of life, before it counts as lost.
    unseen: how long after a submission whose answer was lost the job may still turn up.
    hang: how long a running job may show no new image and no new stage before it is ended and counts as lost; None for ever.
    node_failures: bad ends in a row on one node, after which it is excluded; `excluded` nodes at most.
    """

    attempts: int = 4
    patience: int = 4
    gone: float = 60.0
    absent: float = 300.0
    unseen: float = 120.0
    hang: float | None = None
    node_failures: int = 2
    excluded: int = 8


@dataclass(frozen=True, slots=True)
class Record:
    """What a job has written about an attempt of its own (`attempts/NNNN.json`), see `sweeps.backends.attempt`.

    began: images at its first report, that is where it resumed; -1 before. since: when that was. images: at its last report.
    scored: the share of its scoring that is done.
    beat: grows with every sign of life. outcome: empty while it runs, else "done", "diverged", "interrupted" or "failed".
    """

    tag: str = ""
    handle: str = ""
    node: str = ""
    started: float = 0.0
    began: int = -1
    images: int = 0
    budget: int = 0
    stage: str = ""
    beat: int = 0
    ended: float = 0.0
    outcome: str = ""
    kind: str = ""
    reason: str = ""
    since: float = 0.0
    scored: float = 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known of one open attempt.

    status: what `run.json` says. quiet: seconds since the last sign of life, from the scheduler or from the job.
    stopping: PRUNED, CANCELLED or (if it hung) LOST if it was told to end. attached: the backend's word on an end is final.
    """

    seen: Seen
    record: Record | None
    status: State | None = None
    quiet: float = 0.0
    stopping: State | None = None
    attached: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One attempt is over."""

    outcome: State
    kind: Kind | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """How one attempt of a job ended. reached: images that are known to be saved; shrink: halvings of its micro-batch."""

    outcome: State
    kind: Kind | None = None
    reason: str = ""
    node: str = ""
    reached: int = 0
    shrink: int = 0


def judge(facts: Facts, rules: Rules) -> Verdict | None:
    """How the attempt ended, or None while it may still go on. The job's own word goes before the scheduler's."""
    if facts.status in FINAL:  # it may have died after its last word: a finished run is finished
        assert facts.status is not None
        return Verdict(facts.status)
    record, seen = facts.record, facts.seen
    if record is not None and record.outcome:
        return _told(record, facts)
    if seen.where == Where.GONE and (facts.attached or facts.stopping or facts.quiet >= rules.gone):
        kind = seen.kind or Kind.INFRASTRUCTURE
        if facts.stopping:
            return _asked_for(facts.stopping, seen.reason)
        return Verdict(State.YIELDED if kind == Kind.PREEMPTED else State.LOST, kind, seen.reason or "it ended without a word")
    if seen.where == Where.ABSENT and facts.quiet >= rules.absent:
        reason = f"it vanished from the queue and gave no sign of life for {facts.quiet:.0f} s"
        return Verdict(facts.stopping or State.LOST, Kind.VANISHED, reason)
    return None


def _told(record: Record, facts: Facts) -> Verdict | None:
    """The end that the job itself wrote down; None for one that yielded and that the scheduler will continue."""
    if record.outcome == State.FAILED:
        return Verdict(State.FAILED, Kind(record.kind or Kind.ERROR), record.reason)
    if record.outcome != State.INTERRUPTED:
        return Verdict(State(record.outcome), None, record.reason)
    if facts.stopping:
        return _asked_for(facts.stopping, record.reason)
    if facts.seen.where in (Where.QUEUED, Where.RUNNING):
        return None  # still leaving, or requeued by the site
    return Verdict(State.YIELDED, Kind.PREEMPTED, record.reason or "stopped at a step boundary")


def _asked_for(state: State, reason: str) -> Verdict:
    """The end of an attempt that was told to end: pruned, cancelled, or lost because it hung."""
    return Verdict(state, Kind.INFRASTRUCTURE if state == State.LOST else None, reason)


def reached(record: Record | None, outcome: State) -> int:
    """Images that this attempt is known to have saved: a graceful end saves all, otherwise what it resumed from."""
    if record is None:
        return 0
    return max(record.images if outcome in (State.YIELDED, State.INTERRUPTED) else record.began, 0)


def consequence(past: Sequence[Past], rules: Rules, smaller: bool = True) -> tuple[State, str]:
    """The job's state after its last attempt, TODO for once more, and why.

    past: the ends of this round, oldest first. smaller: whether its micro-batch can still be halved.
    """
    last = past[-1]
    if last.outcome in (State.DONE, State.DIVERGED, State.PRUNED, State.CANCELLED):
        return last.outcome, last.reason
    if last.kind in (Kind.ERROR, Kind.CONFIG):
        return State.FAILED, last.reason
    if last.kind == Kind.MEMORY:
        return (State.TODO, last.reason) if smaller else (State.FAILED, f"{last.reason} (with the smallest micro-batch)")
    bad = sum(each.outcome not in (State.YIELDED, State.INTERRUPTED) and each.kind != Kind.MEMORY for each in past)
    if bad >= rules.attempts:
        return State.DEAD, last.reason
    if (wasted := _without_progress(past)) >= rules.patience:
        return State.DEAD, f"no progress in {wasted} attempts; the last one: {last.reason}"
    return State.TODO, last.reason


def _without_progress(past: Sequence[Past]) -> int:
    best, wasted = 0, 0
    for each in past:
        if each.kind == Kind.MEMORY:  # bounded by the number of halvings
            continue
        wasted = 0 if each.reached > best else wasted + 1
        best = max(best, each.reached)
    return wasted


def excluded(failures: Mapping[str, int], rules: Rules) -> tuple[str, ...]:
    """Nodes to avoid, the worst first. `failures`: bad ends in a row by node."""
    bad = sorted((-count, node) for node, count in failures.items() if count >= rules.node_failures)
    return tuple(node for _, node in bad[:rules.excluded])
