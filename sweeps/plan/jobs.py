"""Jobs and the plan that orders them: deduplicated, parents first, checked before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from results.records import near


class PlanError(ValueError):
    """Jobs that cannot be put in an order."""


@dataclass(frozen=True)
class Job:
    """One run.

    `id` names its folder and is its identity: two jobs of one id are one run. `parents` are the ids of the jobs that
    must be done before it starts. `cost` is relative; only ratios matter unless the reader is told the seconds of one
    unit; `scoring` is the cost of what follows when the work that `cost` counts is done, in the same units: it moves the bar,
    and orders nothing. `listed` is False for a run that only serves others (a teacher outside the table). `seed` is for people.
    """

    id: str
    label: str
    config: dict[str, Any] = field(repr=False)
    parents: tuple[str, ...] = ()
    kind: str = "method"
    cost: float = 1.0
    listed: bool = True
    seed: int | None = None
    scoring: float = 0.0

    @property
    def whole(self) -> float:
        """All of it, scoring included."""
        return self.cost + self.scoring


class Plan:
    """Jobs without repetition, parents before children, otherwise in the order in which they came.

    Jobs of one id are merged: the first listed one speaks for them all (an unlisted teacher that is also a row of the
    table becomes a listed job). Raises PlanError for an unusable id or cost, an unknown parent, a cycle, or two jobs
    of one id with different parents.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        merged: dict[str, Job] = {}
        for job in jobs:
            merged[job.id] = _merge(merged[job.id], job) if job.id in merged else _checked(job)
        _check_parents(merged)
        self.jobs: tuple[Job, ...] = tuple(_parents_first(merged))
        self._by_id = merged

    def __len__(self) -> int:
        return len(self.jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs)

    def __contains__(self, id: object) -> bool:
        return id in self._by_id

    def __getitem__(self, id: str) -> Job:
        return self._by_id[id]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(job.id for job in self.jobs)

    @cached_property
    def tail(self) -> dict[str, float]:
        """For every job the cost of the most costly chain that starts with it."""
        behind = dict.fromkeys(self._by_id, 0.0)
        tail: dict[str, float] = {}
        for job in reversed(self.jobs):
            tail[job.id] = job.cost + behind[job.id]
            for parent in job.parents:
                behind[parent] = max(behind[parent], tail[job.id])
        return tail


def _checked(job: Job) -> Job:
    if not job.id or job.id in (".", "..") or "/" in job.id or "\0" in job.id:
        raise PlanError(f"job id {job.id!r} ({job.label}) cannot name a folder: use letters, digits, '-', '_' and '.'")
    if not 0 <= job.cost < float("inf"):
        raise PlanError(f"job {job.id} has cost {job.cost}: it must be a finite number, zero or more")
    return job


def _merge(first: Job, again: Job) -> Job:
    if set(first.parents) != set(again.parents):
        raise PlanError(f"two jobs share the id {first.id} but wait for different parents: "
                        f"{sorted(first.parents)} and {sorted(again.parents)}")
    return again if again.listed and not first.listed else replace(first, listed=first.listed or again.listed)


def _check_parents(jobs: Mapping[str, Job]) -> None:
    for job in jobs.values():
        for parent in job.parents:
            if parent not in jobs:
                close = near(parent, jobs)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise PlanError(f"job {job.id} ({job.label}) waits for {parent}, which is not in the plan{hint}")


def _parents_first(jobs: Mapping[str, Job]) -> Iterator[Job]:
    """Depth first without recursion: a chain may be longer than Python's stack."""
    placed: set[str] = set()
    path: dict[str, Iterator[str]] = {}  # the jobs being descended from, in order
    for root in jobs:
        if root in placed:
            continue
        path[root] = iter(jobs[root].parents)
        while path:
            id = next(reversed(path))
            parent = next((p for p in path[id] if p not in placed), None)
            if parent is None:
                del path[id]
                placed.add(id)
                yield jobs[id]
            elif parent in path:
                cycle = [*path][[*path].index(parent):]
                raise PlanError("jobs wait for each other in a circle: " + " waits for ".join([*cycle, parent]))
            else:
                path[parent] = iter(jobs[parent].parents)
