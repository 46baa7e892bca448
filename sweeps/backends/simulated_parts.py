"""What the simulated cluster (`sweeps.backends.simulated`) is made of: its luck, and what is known of a job."""

from __future__ import annotations

from dataclasses import dataclass

from sweeps.engine import Attempt, Kind, Where
from sweeps.plan import State


@dataclass(frozen=True)
class Luck:
    """How badly things go. Rates are probabilities per started execution unless they say otherwise.

    preempt, lose_node, vanish, oom, error: what may end an execution (error: of the infrastructure).
    requeue: share of preempted and lost ones that the site queues again under their handle.
    blind: share of polls without any answer. hide: share of answers that leave a job out.
    late: seconds until a new job or a file becomes visible, at most.
    refuse: share of submissions without an answer, half of which took place.
    zombie: share of vanished executions that go on all the same.
    hang: rate of executions that stop in their middle and hold their place until they are ended.
    most: jobs that the site lets a user have, queued and running; what would go beyond is refused as a whole.
    """

    preempt: float = 0.15
    lose_node: float = 0.02
    vanish: float = 0.02
    oom: float = 0.02
    error: float = 0.0
    requeue: float = 0.5
    blind: float = 0.03
    hide: float = 0.01
    late: float = 60.0
    refuse: float = 0.02
    zombie: float = 0.3
    hang: float = 0.0
    most: int | None = None


@dataclass(slots=True)
class Run:
    """A run folder. `holder`: the execution that has its lock."""

    saved: int = 0
    status: State | None = None
    holder: Execution | None = None
    executions: int = 0
    finished: float = float("inf")
    stop: tuple[str, str] = ("", "")


@dataclass(slots=True)
class Execution:
    """One start of one submission. until: when it began to hang."""

    job: Submission
    node: int
    since: float
    begin: int
    token: int
    dead: bool = False
    until: float = float("inf")


@dataclass(slots=True)
class Submission:
    """What the scheduler knows under one handle."""

    handle: str
    attempt: Attempt
    visible: float
    where: Where = Where.QUEUED
    node: str = ""
    reason: str = ""
    kind: Kind | None = None
    forgotten: bool = False
    execution: Execution | None = None
