"""The controller of one sweep, pass by pass. It decides nothing by itself: see `rules`, `frontier` and `book`.

Everything that it must remember goes to the journal before it is done, so a controller that is killed between any two
lines of this file is replaced by another one that reads the journal and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sweeps.engine.failures import last_words
from sweeps.engine.rules import Facts, Verdict, excluded, judge
from sweeps.engine.seam import Attempt, Grown, Growth, Held, Refused, Reported, Seen, Started, SweepError, Where
from sweeps.engine.tracker import STICKY, Live, Tracker
from sweeps.plan import DEAD_ENDS, FINAL, Frontier, Job, Plan, State, duration

ABSENT = Seen(Where.ABSENT)
AHEAD = 64
"""A search is asked for at most so many jobs beyond those that are ready."""
SLOW = 10.0
"""Seconds that a pass may take over a queue that refuses: sbatch itself tries for two minutes where a site is full."""


class Controller(Tracker):
    """One pass after the other: `step`. Everything outside is handed in, time included."""

    def begin(self) -> None:
        """Starts a round: failures of one that has ended are tried again, what runs is picked up."""
        self.files.plan(self.plan)
        self._write([{"event": "begin", "time": self.clock(), "fresh": self._fresh}])
        for id in self.plan.ids:
            if (entry := self.book.jobs.get(id)) and entry.open:
                self._adopt(id, entry.open)
        self.states = self._known()
        self.frontier = Frontier(self.plan, self.states)
        self._obey()

    def step(self) -> None:
        """One pass: requests, looks, verdicts; and unless the user is stopping the sweep, new jobs and submissions."""
        now = self.clock()
        self._obey()
        self._look(now)
        if not self._stopping():
            self._grow()
            self._start(now)

    def finished(self) -> bool:
        """Nothing runs, and nothing can (or, while stopping, may) start."""
        return not self.live and (self._stopping() or (not self.frontier and self._source is None))

    def end(self) -> None:
        """Writes that the round is over."""
        self._write([{"event": "end", "time": self.clock()}])

    def handles(self) -> list[str]:
        return [live.open.handle for live in self.live.values() if live.open.handle]

    def give_up(self, reason: str) -> None:
        """Writes off the attempts that are about to be ended by force; their last checkpoint is where they continue."""
        for id in list(self.live):
            self._settle(id, Verdict(State.INTERRUPTED, None, reason))

    def reason(self, id: str) -> str:
        return (entry.reason if (entry := self.book.jobs.get(id)) else "") or "no reason given"

    # Looking

    def _look(self, now: float) -> None:
        if not self.live:
            return
        seen = self.backend.poll(self.handles())
        adrift = []
        for id, live in list(self.live.items()):
            if live.open.handle is None:
                adrift.append(id)
            else:
                self._view(id, live, seen.get(live.open.handle, ABSENT), now)
        if adrift:
            self._search(adrift, now)

    def _view(self, id: str, live: Live, look: Seen, now: float) -> None:
        where = look.where
        if where is Where.QUEUED:
            live.sign = live.moved = now
            self.states[id] = State.QUEUED
            return
        self._hear(id, live, now)
        record = live.record
        over = record is not None and record.outcome != ""
        if where is Where.RUNNING:
            live.sign = now
            self.states[id] = State.RUNNING
            if not over:
                self._mind(id, live, now)
            if not over or self.backend.attached:  # a worker of ours says itself when it is free again
                return
        status = None if over else self.files.status(id)
        facts = Facts(look, record, status, now - live.sign, live.open.stopping, self.backend.attached)
        if verdict := judge(facts, self.rules):
            if verdict.outcome == State.LOST and not live.open.stopping and (words := self._last_words(live)):
                verdict = replace(verdict, reason=f"{verdict.reason}: {words}")  # nobody else tells what it died of
            self._settle(id, verdict, look.node or (record.node if record else ""))

    def _last_words(self, live: Live) -> str:
        file = self.backend.logs(live.open.handle) if live.open.handle else None
        return last_words(file) if file else ""

    def _hear(self, id: str, live: Live, now: float) -> None:
        record = self.files.record(id, live.open.number, live.record)
        if record is live.record or record is None or record.tag != live.open.tag:
            return
        if live.record is None or (live.record.images, live.record.stage) != (record.images, record.stage):
            live.moved = now
        live.record, live.sign = record, now
        if not self.backend.attached:
            scored = {"scored": record.scored} if record.scored else {}
            self._progress(Reported(id, {"images": record.images, "budget": record.budget, "stage": record.stage, **scored}))

    def _mind(self, id: str, live: Live, now: float) -> None:
        """Ends a running job that hangs; again, if it is still there after as long a time."""
        hang = self.rules.hang
        if hang is None or now - live.moved < hang or live.open.stopping not in (None, State.LOST):
            return
        live.moved = now
        if live.open.stopping is None:
            stage = (live.record.stage if live.record else "") or "its beginning"
            reason = f"it hung: no progress for {duration(hang)} in {stage}"
            self._write([{"event": "stopping", "job": id, "state": str(State.LOST), "reason": reason}])
        if live.open.handle:
            self.backend.cancel([live.open.handle], now=True)

    def _search(self, ids: Sequence[str], now: float) -> None:
        """Attempts whose submission was not answered: they run, wait somewhere, or never came to be."""
        for id in ids:
            self._hear(id, live := self.live[id], now)
            if live.record is not None and live.record.handle:
                self._attach(id, live.record.handle)
        ids = [id for id in ids if self.live[id].open.handle is None]
        if not ids or now < self._asked + self.rules.unseen / 8:
            return
        self._asked = now
        try:
            found = self.backend.find([self.live[id].open.tag for id in ids])
        except OSError:
            return
        for id in ids:
            open = self.live[id].open
            if open.tag in found:
                self._attach(id, found[open.tag])
            elif now - self.live[id].sign > self.rules.unseen:  # by this controller's clock: another's wrote open.since
                self._write([{"event": "void", "job": id, "attempt": open.number}])
                self._drop(id)
                self.states[id] = open.stopping or State.TODO
                self.frontier.settle(id)

    # Requests and searches

    def _obey(self) -> None:
        for request in self.files.requests(self.book.marks):
            chosen = [id for id in (request.get("runs") or self.plan.ids) if id in self.plan]
            if request.get("verb") == "cancel":
                self._stop(chosen, State.CANCELLED, request.get("reason") or "cancelled on request")
            elif request.get("verb") == "retry":
                self._retry(chosen)
            self._write([{"event": "mark", "file": request["file"]}])

    def _stop(self, ids: Iterable[str], state: State, reason: str) -> None:
        handles = []
        for id in ids:
            live = self.live.get(id)
            if live is None:
                if self.states[id] not in (State.DONE, *DEAD_ENDS):
                    self._write([{"event": "state", "job": id, "state": str(state), "reason": reason}])
                    self.states[id] = state
                    self.frontier.settle(id)
            elif live.open.stopping is None:
                self._write([{"event": "stopping", "job": id, "state": str(state), "reason": reason}])
                self.files.stop(id, live.open.tag, reason)
                if live.open.handle:
                    handles.append(live.open.handle)
        if handles and not self.backend.attached:  # a worker of ours outlives its run; a cluster's job need not
            self.backend.cancel(handles)

    def _retry(self, ids: Iterable[str]) -> None:
        again = [id for id in ids if self.states[id] in STICKY]
        self._write([{"event": "state", "job": id, "state": "todo", "reason": "retried on request"} for id in again])
        self.states.update(dict.fromkeys(again, State.TODO))
        self.frontier.rebuild(self.plan)

    def _grow(self) -> None:
        if self._source is None:
            return
        waiting = len(self.frontier)
        room = self.offer.most(self.backend.room(waiting + AHEAD), self.clock())
        growth: Growth = self._source.advance(self.states, max(0, room - waiting))
        for id, reason in growth.prune.items():
            self._stop([id], State.PRUNED, reason)
        if new := [job for job in growth.jobs if job.id not in self.plan]:
            self._extend(new)
        if growth.closed:
            self._source = None

    def _extend(self, jobs: Sequence[Job]) -> None:
        self.plan = Plan([*self.plan, *jobs])
        self.files.plan(self.plan)
        fresh = [id for id in self.plan.ids if id not in self.states]
        written = self.files.states(fresh)
        for id in fresh:
            self.states[id] = self._state(id, written.get(id))
            if (entry := self.book.jobs.get(id)) and entry.open:
                self._adopt(id, entry.open)
                self.states[id] = self._state(id, written.get(id))
        self.frontier.rebuild(self.plan)
        self._progress(Grown(tuple(jobs), {job.id: self.states[job.id] for job in jobs}))

    # Starting

    def _start(self, now: float) -> None:
        """Offers what can start; to a queue that refuses, fewer and fewer, until it has taken what it takes."""
        while self.frontier and (most := self.offer.most(self.backend.room(len(self.frontier)), now)):
            ids = [id for id in self.frontier.take(most) if not self._done_elsewhere(id)]
            if ids:
                self._submit(ids, now)
            if not self.offer.limited or self.clock() - now > SLOW:
                break
        if self.frontier and self.offer.limited:
            self._progress(Held(len(self.frontier), self.offer.said))

    def _submit(self, ids: Sequence[str], now: float) -> None:
        avoid = excluded(self.book.nodes, self.rules)
        attempts = [self._attempt(id, avoid) for id in ids]
        for attempt in attempts:
            self.files.prepare(attempt)
        self._write([{"event": "intent", "job": each.job.id, "attempt": each.number, "tag": each.tag, "time": now,
                      "shrink": self._shrink(each.job.id)} for each in attempts])
        try:
            answers = self.backend.submit(attempts)
        except SweepError:
            self._write([{"event": "void", "job": each.job.id, "attempt": each.number} for each in attempts])
            raise
        answered = list(zip(attempts, answers, strict=True))
        self._write([{"event": "submitted", "job": each.job.id, "attempt": each.number, "handle": answer}
                     for each, answer in answered if isinstance(answer, str)])
        refused = [(each, answer.said) for each, answer in answered if isinstance(answer, Refused)]
        if refused:
            self._take_back(refused, now)
        else:
            self.offer.taken(len(attempts))
        for each in (each for each, answer in answered if not isinstance(answer, Refused)):
            open = self.book.entry(each.job.id).open
            assert open is not None
            self.live[each.job.id] = Live(open, self._slot(), now, now, moved=now)
            self.states[each.job.id] = State.QUEUED
            self._progress(Started(each.job.id, self.live[each.job.id].slot))

    def _take_back(self, refused: Sequence[tuple[Attempt, str]], now: float) -> None:
        """These were not submitted, for the reasons beside them: they can start as before."""
        self._write([{"event": "void", "job": each.job.id, "attempt": each.number, "reason": said} for each, said in refused])
        self.frontier.put_back(each.job.id for each, _ in refused)
        self.offer.refused(len(refused), refused[0][1], now)

    def _done_elsewhere(self, id: str) -> bool:
        """Another sweep that shares this run, or an attempt that was given up, may have finished it meanwhile."""
        status = self.files.status(id)
        if status not in FINAL:
            return False
        self._write([{"event": "state", "job": id, "state": str(status), "reason": "finished elsewhere"}])
        self.states[id] = State(str(status))
        self.frontier.settle(id)
        return True

    def _attempt(self, id: str, avoid: tuple[str, ...]) -> Attempt:
        job, number, shrink = self.plan[id], self.book.entry(id).number + 1, self._shrink(id)
        config = job.config
        if shrink and self._smaller is not None:
            config = self._smaller(config, shrink) or config
        return Attempt(job, number, self._runs / id, f"{self._prefix}-{id}.{number}", config, avoid)
