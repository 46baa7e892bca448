"""What may start next, kept up to date job by job: `states.decide` without looking at the whole plan every time."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

from sweeps.plan.jobs import Plan
from sweeps.plan.states import ACTIVE, DEAD_ENDS, State, decide


class Frontier:
    """The ready jobs of a plan, the one with the most costly chain behind it first.

    `states` is the caller's own mapping of every job's state; the frontier marks in it what becomes SKIPPED and leaves
    everything else to the caller, who tells it with `settle`. It always equals what `decide` finds.
    """

    def __init__(self, plan: Plan, states: dict[str, State]) -> None:
        self.states = states
        self.skipped: dict[str, str] = {}
        self.rebuild(plan)

    def rebuild(self, plan: Plan) -> None:
        """Starts from scratch: the plan has grown, or a settled job is to be done again. Costs a look at every job."""
        self._plan = plan
        for id in self.skipped:
            self.states[id] = State.TODO
        found = decide(plan, self.states)
        self.skipped = dict(found.skipped)
        self.states.update(dict.fromkeys(found.skipped, State.SKIPPED))
        self._children: dict[str, list[str]] = {}
        self._waits: dict[str, int] = {}
        for job in plan:
            for parent in set(job.parents):
                self._children.setdefault(parent, []).append(job.id)
            self._waits[job.id] = sum(self.states.get(p) != State.DONE for p in set(job.parents))
        self._heap = [(-plan.tail[id], i, id) for i, id in enumerate(found.ready)]
        self._listed = set(found.ready)
        self._count = len(self._heap)
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._listed)

    def take(self, most: int) -> list[str]:
        """Removes and returns at most `most` ready jobs, most urgent first."""
        taken: list[str] = []
        while self._heap and len(taken) < most:
            id = heapq.heappop(self._heap)[2]
            if id in self._listed:
                self._listed.discard(id)
                taken.append(id)
        return taken

    def put_back(self, ids: Iterable[str]) -> None:
        """Jobs that are to be tried again."""
        for id in ids:
            if id not in self._listed:
                self._listed.add(id)
                self._count += 1
                heapq.heappush(self._heap, (-self._plan.tail[id], self._count, id))

    def settle(self, id: str) -> None:
        """The caller has changed the state of one job: to an end, or back to one that is tried again."""
        state = self.states[id]
        if state == State.DONE:
            self._listed.discard(id)
            for child in self._children.get(id, ()):
                self._waits[child] -= 1
                if not self._waits[child] and self.states.get(child, State.TODO) not in (*ACTIVE, *DEAD_ENDS, State.DONE):
                    self.put_back([child])
        elif state in DEAD_ENDS:
            self._listed.discard(id)
            self._skip_behind(id)
        elif state not in ACTIVE:
            self.put_back([id])

    def _skip_behind(self, id: str) -> None:
        queue = deque([id])
        while queue:
            parent = queue.popleft()
            for child in self._children.get(parent, ()):
                state = self.states.get(child, State.TODO)
                if state == State.DONE or state in ACTIVE or state in DEAD_ENDS:
                    continue
                self._listed.discard(child)
                self.states[child] = State.SKIPPED
                self.skipped[child] = f"its parent {parent} {DEAD_ENDS[State(self.states[parent])]}"
                queue.append(child)
