"""Which checkpoint of a finished training is its model, where that is the best of several and not the last.

Each is scored by a proxy (bench/scoring/proxy.py) into proxy.jsonl of the run's folder, so that a run that is killed in between
goes on with the next one, and the choice is a pure function of the file. Nothing here knows a reported number.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from bench.accounts import due
from bench.config import ConfigError, Experiment
from bench.protocols import Best, lacking
from bench.scoring.model import complete, earlier
from bench.scoring.proxy import Proxy
from bench.training import CheckpointWarning, checkpoint
from results.records import PROXY_FILE, append_jsonl, read_jsonl


class Candidate(NamedTuple):
    """A checkpoint that can be scored: its file, its networks, and the images that its rows say."""

    path: Path | None
    models: dict[str, nn.Module]
    images: int


@dataclass(frozen=True)
class Choice:
    """Of one run, on the rank that writes. end: of its training."""

    experiment: Experiment
    rule: Best
    proxy: Proxy
    end: Candidate
    folder: Path

    def made(self, tell: Callable[[int], object]) -> dict[str, Any]:
        """The checkpoint that is kept, as records say it (`RunRecord.kept`). tell: called with how many are scored.

        Of equal ones the later is kept, and one whose samples are not finite only where that is all there is.
        Raises ConfigError where milestones are not there, ValueError where the one that is kept is damaged.
        """
        files, batch = self._candidates(), self.experiment.budget.batch
        scored: dict[int, float] = {}
        for step, path in files.items():
            if (value := self._known(path)) is None and (models := self._models(path)) is not None:
                value = self.proxy.score(models)
                row = {"images": step * batch, "value": value, "protocol": self.proxy.protocol.id, "checkpoint": path.name}
                append_jsonl(self.folder / PROXY_FILE, [row])
            if value is not None:
                scored[step] = value
                tell(len(scored))
        kept = min(scored, key=lambda step: (math.inf if math.isnan(scored[step]) else scored[step], -step))
        return {
            "checkpoint": files[kept].name, "images": kept * batch, "rule": str(self.rule), "of": len(scored),
            "steps": self.proxy.steps[0], "value": scored[kept],
        }  # fmt: skip

    def _candidates(self) -> dict[int, Path]:
        """The milestones that the training was to leave and its end, by their steps."""
        assert self.end.path is not None, "train.checkpoints=0 is refused"
        found, steps = dict(checkpoint.milestones(self.folder / "checkpoints")), self.end.images // self.experiment.budget.batch
        wanted = due(steps, self.rule.of)
        if lost := [step for step in wanted if step not in found]:
            raise ConfigError(lacking(str(self.folder), len(lost), len(wanted)))
        return {**{step: found[step] for step in wanted}, steps: self.end.path}

    def _known(self, path: Path) -> float | None:
        """The score of a file that has one."""
        rows = read_jsonl(file) if (file := self.folder / PROXY_FILE).exists() else []
        own = [row["value"] for row in rows if (row["protocol"], row["checkpoint"]) == (self.proxy.protocol.id, path.name)]
        return own[-1] if own else None

    def _models(self, path: Path) -> Mapping[str, nn.Module] | None:
        """Its networks; None of a damaged file, and of one from before all networks that are sampled from were made."""
        if path == self.end.path:
            return self.end.models
        try:
            state = checkpoint.load(path)
        except ValueError as error:
            warnings.warn(f"{error}; this milestone is not compared", CheckpointWarning, stacklevel=2)
            return None
        if not complete(self.experiment.method, self.end.models, self.experiment.budget.images, state["stage"]):
            return None
        return earlier(self.end.models, state, self.proxy.ema)
