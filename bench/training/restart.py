"""Exact restart: what a checkpoint holds, and how a run goes on from it.

Every random number is a function of the step, so that step, networks, optimizers and averages are all there is to keep.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.accounts import Bill, Log, Progress
from bench.processes import Ranks
from bench.training import checkpoint
from bench.training.state import TrainState


@dataclass
class Checkpoints:
    """Those of one run, in `folder` (None keeps nothing). Every rank calls the verbs, and rank 0 writes."""

    folder: Path | None
    ranks: Ranks
    progress: Progress
    state: TrainState
    bill: Bill
    log: Log
    newest: Path | None = None  # which the run has gone on from, or has saved since

    def save_what_is_due(self, steps: int, milestones: int) -> None:
        """Save one of the so many that a run leaves to go on from (one more at its end), and of those to sample from."""
        if self.progress.due(milestones):  # first: what goes on from a checkpoint of this step has its milestone
            self.save("milestone")
        if steps and (self.progress.due(steps) or self.progress.over):
            self.newest = self.save("step") or self.newest

    def save(self, kind: str) -> Path | None:
        """Where it is, on the rank that writes it."""
        with self.log.watch.off():
            bill = self.bill.total()
            if self.folder is None or not self.ranks.leads:
                return None
            path = checkpoint.save(self.folder, self.progress.step, contents(kind, self.progress, self.state, bill), kind=kind)
            self.log.note(checkpoint=path.name)
            return path

    def resume(self) -> bool:
        """Go on from the newest whole one, if there is one."""
        found = None if self.folder is None else self._found(self.folder)
        if found is None:
            return False
        self.newest, saved = found
        restore(saved, self.progress, self.state)
        self.bill.restore(saved.get("bill"))
        self.log.watch.seconds = self.log.seconds()
        return True

    def _found(self, folder: Path) -> tuple[Path, dict[str, Any]] | None:
        """The checkpoint that rank 0 goes on from, and its contents."""
        found = checkpoint.newest(folder) if self.ranks.leads else None
        path = self.ranks.word(found and found[0])
        return found if found or path is None else (path, checkpoint.load(path))


def contents(kind: str, progress: Progress, state: TrainState, bill: Mapping[str, int]) -> dict[str, Any]:
    """Of a checkpoint to go on from ("step"), or of one to sample from ("milestone")."""
    roles = list(state.models) if kind == "step" else [r for r in state.method.sampled(state.models) if r != "net"]
    return {
        "step": progress.step, "stage": progress.index, "ema": state.average.state(), "bill": bill,
        "models": {role: state.models[role].state_dict() for role in roles},
        **(_moving(state) if kind == "step" else {}),
    }  # fmt: skip


def restore(saved: Mapping[str, Any], progress: Progress, state: TrainState) -> None:
    """Make both what they were when these contents were saved."""
    progress.step, progress.index = saved["step"], saved["stage"]
    for role, module in state.models.items():
        module.load_state_dict(saved["models"][role])
    state.make_optimizers(progress.stage)
    for name, optimizer in state.optimizers.items():
        optimizer.load_state_dict(saved["optimizers"][name])
    updates = progress.step - progress.start
    state.average.load(saved["ema"], updates)
    if state.slow is not None:
        state.slow.load(saved["target"], updates)


def _moving(state: TrainState) -> dict[str, Any]:
    """What changes the networks further, beside the data."""
    found: dict[str, Any] = {"optimizers": {name: o.state_dict() for name, o in state.optimizers.items()}}
    return found if state.slow is None else {**found, "target": state.slow.state()}
