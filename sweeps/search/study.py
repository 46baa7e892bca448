"""The trials of one search in Optuna's storage. Every change is one atomic write, so that a killed controller leaves
no half of anything, and several controllers can share one study.

A trial is written together with its parameters, its run and its owner: the sampler is asked first, in a copy of the study
in memory. A trial's number is given out by the storage, and the lowest numbers count: a controller whose trial
comes after the asked number withdraws it, so that two that ask at the same moment do not go over it together.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeps.engine import SweepError
from sweeps.plan import SpecError
from sweeps.search.grid import place, untried, written
from sweeps.search.space import Params, Space

optuna.logging.set_verbosity(optuna.logging.ERROR)

SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {
    "tpe": lambda seed, startup: TPESampler(seed=seed, n_startup_trials=startup, multivariate=True, constant_liar=True),
    "random": lambda seed, startup: RandomSampler(seed=seed),
}
WORST = math.inf
ASKS = 8  # of the sampler, for a setting that was not tried
OPEN = "running"


@dataclass(frozen=True)
class Trial:
    """One trial as plain data.

    state: "running", "done", "diverged", "pruned" or "failed". value: its proxy score; infinity if it diverged, None
    while it runs and where it failed. scores: the proxy by images seen. images: where it was pruned.
    """

    number: int
    state: str
    params: dict[str, Any]
    run: str
    owner: str
    default: bool
    value: float | None = None
    scores: dict[int, float] = field(default_factory=dict)
    images: int | None = None
    reason: str = ""


def open_storage(url: str | None, file: Path | None) -> BaseStorage:
    """The database behind a URL, or the journal file where there is no URL; in memory without either.

    Raises SweepError if it cannot be had.
    """
    try:
        if url is not None:
            return get_storage(url)
        if file is None:
            return InMemoryStorage()
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalFileSymlinkLock(str(file))
        _mend(file, lock)
        return JournalStorage(JournalFileBackend(str(file), lock))
    except ModuleNotFoundError as error:
        raise SweepError(f"sweep.search.storage={url} needs the Python package {error.name}: install it "
                         "(pip install 'psycopg[binary]' for postgresql+psycopg://) or leave storage null") from error
    except Exception as error:  # every database has exceptions of its own
        what = f"sweep.search.storage={url}" if url is not None else str(file)
        raise SweepError(f"{what} cannot be opened ({(str(error).strip() or type(error).__name__).splitlines()[0]}); "
                         "mend it, or leave storage null for a file beside the sweep") from error


def _mend(file: Path, lock: JournalFileSymlinkLock) -> None:
    """Cuts off the torn last line of a writer that died: the next line would be glued to it and lost with it."""
    if not file.exists() or file.stat().st_size == 0 or file.read_bytes().endswith(b"\n"):
        return
    lock.acquire()
    try:
        content = file.read_bytes()
        with file.open("r+b") as opened:
            opened.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()


class Study:
    """The trials of one contender. `name` is what controllers share; lower values are better."""

    def __init__(self, storage: BaseStorage, name: str, space: Space, *, sampler: str, seed: int, startup: int) -> None:
        if sampler not in SAMPLERS:
            raise SpecError(f"sweep.search.sampler={sampler} is not valid. Valid: {', '.join(SAMPLERS)}")
        self._storage, self._space = storage, space
        self._make: Callable[[int], BaseSampler] = lambda n: SAMPLERS[sampler](_seed(seed, name, n), startup)
        self._share: Callable[[int], float] = lambda n: _seed(seed, name, n, "grid") / 2**32
        optuna.create_study(storage=storage, study_name=name, load_if_exists=True, direction=StudyDirection.MINIMIZE)
        self._id = storage.get_study_id_from_name(name)
        self._known: list[Trial] | None = None

    def refresh(self) -> None:
        """Looks again at what other controllers have written; their trials are otherwise seen when this one writes."""
        self._known = None

    def all(self) -> list[Trial]:
        """Every trial that was ever asked and not withdrawn, failed ones included, by number."""
        if self._known is None:
            found = self._storage.get_all_trials(self._id, deepcopy=False)
            self._known = [_plain(t) for t in found if not t.user_attrs.get("withdrawn")]
        return self._known

    def trials(self) -> list[Trial]:
        """Those that count towards the asked number: all but the failed."""
        return [t for t in self.all() if t.state != "failed"]

    def suggest(self) -> dict[str, Any]:
        """What to try next: a function of the seed, the number of trials so far and what they are known to have scored.

        A setting that counts already is not tried again while there is another: the sampler is asked a few times, then the
        next one of the space is taken.
        """
        found = self._storage.get_all_trials(self._id, deepcopy=False)
        mirror = optuna.create_study(sampler=self._make(len(found)), direction=StudyDirection.MINIMIZE)
        mirror.add_trials(t for t in found if t.state != TrialState.FAIL)
        tried = {place(self._space, t.params) for t in self.trials()}
        for _ in range(ASKS):
            params: dict[str, Any] = mirror.ask(dict(self._space)).params
            if place(self._space, params) not in tried:
                return params
        try:
            return untried(self._space, tried, self._share(len(found)))
        except (ValueError, OverflowError):  # there is no other, or no end of them
            return params

    def add(self, params: Params, run: str, owner: str, limit: int, default: bool = False) -> Trial | None:
        """Writes one trial down. None if others were quicker: it is withdrawn and takes no place among the `limit`."""
        blank = create_trial(state=TrialState.RUNNING, params=dict(params), distributions=written(self._space, params),
                             user_attrs={"run": run, "owner": owner, "default": default})
        id = self._storage.create_new_trial(self._id, template_trial=blank)
        self.refresh()
        made = _plain(self._storage.get_trial(id))
        before = [t for t in self.trials() if t.number < made.number]
        again = any(t.default if default else place(self._space, t.params) == place(self._space, params) for t in before)
        if len(before) >= limit or again:
            self._storage.set_trial_user_attr(id, "withdrawn", True)
            self._end(made, TrialState.FAIL)
            return None
        return made

    def report(self, trial: Trial, images: int, value: float) -> None:
        """A proxy score on the way."""
        with self._writing():
            self._storage.set_trial_intermediate_value(self._trial_id(trial), images, worst(value))

    def finish(self, trial: Trial, value: float) -> None:
        """The trial ran to its end; a value that is not a number makes it diverged, which is a result: the worst one."""
        self._end(trial, TrialState.COMPLETE, worst(value))

    def prune(self, trial: Trial, images: int, value: float) -> None:
        """The trial ends at a rung."""
        self._mark(trial, "images", images)
        self._end(trial, TrialState.PRUNED, worst(value))

    def fail(self, trial: Trial, reason: str) -> None:
        """The trial gives no result, and another one takes its place."""
        self._mark(trial, "reason", reason)
        self._end(trial, TrialState.FAIL)

    def sign(self, owner: str, now: float) -> None:
        """A sign of life, for controllers that share the study."""
        self._storage.set_study_user_attr(self._id, f"seen:{owner}", now)

    def seen(self, owner: str) -> float:
        """When a controller last gave a sign of life, in seconds since 1970; 0 if never."""
        return float(self._storage.get_study_user_attrs(self._id).get(f"seen:{owner}", 0.0))

    def _trial_id(self, trial: Trial) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, trial.number)

    def _mark(self, trial: Trial, key: str, value: Any) -> None:
        with self._writing():
            self._storage.set_trial_user_attr(self._trial_id(trial), key, value)

    def _end(self, trial: Trial, state: TrialState, value: float | None = None) -> None:
        with self._writing():
            self._storage.set_trial_state_values(self._trial_id(trial), state, None if value is None else [value])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A trial that another controller took for abandoned is ended already, and stays as it is."""
        self.refresh()
        with suppress(optuna.exceptions.UpdateFinishedTrialError):
            yield


def digest(content: object) -> str:
    """Eight letters that differ where plain data do: a changed space or proxy begins a study of its own."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:8]


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def _seed(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:4], "little")


def worst(value: float) -> float:
    """The score, infinity where it is not a number."""
    return WORST if math.isnan(value) else value


def _plain(t: FrozenTrial) -> Trial:
    if t.state == TrialState.COMPLETE:
        state = "done" if t.value is not None and math.isfinite(t.value) else "diverged"
    else:
        state = {TrialState.RUNNING: OPEN, TrialState.PRUNED: "pruned"}.get(t.state, "failed")
    known = t.user_attrs
    return Trial(t.number, state, dict(t.params), known.get("run", ""), known.get("owner", ""), bool(known.get("default")),
                 t.value if state in ("done", "diverged", "pruned") else None, dict(t.intermediate_values),
                 known.get("images"), known.get("reason", ""))
