"""Which checkpoint of a finished training is its model, where that is the best of several and not the last.

Each is scored by a proxy (bench/scoring/proxy.py) into proxy.jsonl of the run's folder, so that a run that is killed in between
goes on with the next one, and the choice is a pure function of the file. Nothing here knows a reported number.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from bench.accounts import due
from bench.config import ConfigError, Experiment
from bench.protocols import Best
from bench.scoring.model import complete, earlier
from bench.scoring.proxy import Proxy
from bench.training import CheckpointWarning, checkpoint
from results.records import PROXY_FILE, append_jsonl, read_jsonl


class Choice:
    """Of one run of so many `steps`, on the rank that writes. `last`: the networks at its end, from the file `end`."""

    def __init__(self, experiment: Experiment, rule: Best, proxy: Proxy, steps: int, end: Path,
                 last: Mapping[str, nn.Module], folder: Path) -> None:
        self.experiment, self.rule, self.proxy, self.steps = experiment, rule, proxy, steps
        self.end, self.last, self.folder, self.batch = end, last, folder, experiment.budget.batch

    def made(self, tell: Callable[[int], object]) -> dict[str, Any]:
        """The checkpoint that is kept, as records say it (`RunRecord.kept`). tell: called with how many are scored.

        Of equal ones the later is kept, and one whose samples are not finite only where that is all there is.
        Raises ConfigError where milestones are not there, ValueError where the one that is kept is damaged.
        """
        files = self._candidates()
        scored: dict[int, float] = {}
        for step, path in files.items():
            if (value := self._known(path)) is None and (models := self._models(step, path)) is not None:
                value = self.proxy.score(models)
                row = {"images": step * self.batch, "value": value, "protocol": self.proxy.protocol.id, "checkpoint": path.name}
                append_jsonl(self.folder / PROXY_FILE, [row])
            if value is not None:
                scored[step] = value
                tell(len(scored))
        kept = min(scored, key=lambda step: (math.inf if math.isnan(scored[step]) else scored[step], -step))
        return {
            "checkpoint": files[kept].name, "images": kept * self.batch, "rule": str(self.rule), "of": len(scored),
            "steps": self.proxy.steps[0], "value": scored[kept],
        }  # fmt: skip

    def _candidates(self) -> dict[int, Path]:
        """The milestones that the training was to leave and its end, by their steps."""
        found = dict(checkpoint.milestones(self.folder / "checkpoints"))
        wanted = due(self.steps, self.rule.of)
        if lost := [step for step in wanted if step not in found]:
            raise ConfigError(lacking(self.folder, len(wanted) - len(lost), len(wanted)))
        return {**{step: found[step] for step in wanted}, self.steps: self.end}

    def _known(self, path: Path) -> float | None:
        """The score of a file that has one."""
        rows = read_jsonl(file) if (file := self.folder / PROXY_FILE).exists() else []
        own = [row["value"] for row in rows if (row["protocol"], row["checkpoint"]) == (self.proxy.protocol.id, path.name)]
        return own[-1] if own else None

    def _models(self, step: int, path: Path) -> Mapping[str, nn.Module] | None:
        """Its networks; None of a damaged file, and of one from before all networks that are sampled from were made."""
        if step == self.steps:
            return self.last
        try:
            state = checkpoint.load(path)
        except ValueError as error:
            warnings.warn(f"{error}; this milestone is not compared", CheckpointWarning, stacklevel=2)
            return None
        if not complete(self.experiment.method, self.last, self.experiment.budget.images, state["stage"]):
            return None
        return earlier(self.last, state, self.proxy.ema)


def lacking(folder: Path, there: int, wanted: int) -> str:
    """What is told where milestones are not there."""
    return (f"evaluation.checkpoint=best: {folder} has {there} of its {wanted} milestones, and would have to be trained again: it "
            "was begun without them; give out=FOLDER to train it elsewhere, or leave evaluation.checkpoint=last")
