"""Score a model at all step counts.

Samples never touch the disk, and are kept as the 8-bit images that are compared. Network evaluations are counted on the
backbone while sampling, in calls and in rows.
`python -m bench.evaluate SAMPLES` scores what others made.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch
from torch import nn

from bench.config import Experiment
from bench.data import Dataset
from bench.nets import counting
from bench.processes import Ranks
from bench.protocols import Protocol
from bench.scoring.labels import Guidance, Labels
from bench.scoring.sample import ALONE, Sampler
from bench.scoring.score import Score, map_errors
from bench.scoring.score_images import Scores
from methods.base import Method
from methods.tools import Solver
from results.records import EvalRow

Key = tuple[str, int, int, str, int]  # protocol, steps, evaluation seed, sampler, images seen


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of one checkpoint under one protocol. score: as `scorer` made it; images: training images seen by it.

    ranks: those that `score` knows, which share the samples; rank 0 has the rows. labels: the classes of a conditional run.
    kept: what every row says of a checkpoint that was chosen.
    """

    method: Method
    models: dict[str, nn.Module]
    data: Dataset
    protocol: Protocol
    score: Score
    experiment: Experiment
    run_id: str
    checkpoint: str
    images: int
    device: torch.device
    ranks: Ranks = ALONE
    labels: Labels | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, skip: set[Key]) -> Iterator[list[EvalRow]]:
        """One list of rows per (steps, evaluation seed) that is not in `skip`; NaN scores where samples are not finite."""
        for module in self.models.values():
            module.eval()
        for method, guidance, (_, steps, seed, sampler, _) in (each for each in self.asked if each[2] not in skip):
            scores, calls, rows = self._scored(method, guidance, steps, seed)
            if not self.ranks.leads:
                continue
            if steps == 1 and self.data.truth is not None:
                scores |= map_errors(method, self.models, self.data, seed, self.device)
            at = {**({} if guidance is None else {"guidance": guidance.scale}), **self.kept}
            yield [self._row(sampler, steps, seed, calls, rows, m, v, extra | at) for m, (v, extra) in scores.items()]

    @property
    def asked(self) -> list[tuple[Method, Guidance | None, Key]]:
        """All evaluations of this checkpoint, those of steps that the method has."""
        return [(method, guidance, (self.protocol.id, steps, seed, f"{sampling_rule(method)}{guidance or ''}", self.images))
                for (method, guidance), steps, seed
                in product(self.variants, self.experiment.evaluation.steps, self.protocol.seeds) if method.supports(steps)]

    @property
    def variants(self) -> list[tuple[Method, Guidance | None]]:
        """The method, and where it integrates a velocity the same with evaluation.solvers, its own first; of a conditional run
        each with every scale of evaluation.guidance, as of a method whose network is told one."""
        evaluation, methods = self.experiment.evaluation, [self.method]
        if sampling_rule(self.method) != self.method.needs.rule:
            own = sampling_rule(self.method).split(":")[1]
            others = [s for s in evaluation.solvers if s != own]
            methods += [dataclasses.replace(self.method, solver=Solver(s)) for s in others]  # type: ignore[call-arg]
        elif self.method.needs.scale is None:
            return [(self.method, None)]
        scales = [Guidance(w, evaluation.guidance_interval) for w in evaluation.guidance] if self.labels else [None]
        return list(product(methods, scales))

    def _scored(self, method: Method, guidance: Guidance | None, steps: int, seed: int) -> tuple[Scores, int, int]:
        """Scores, and the calls and rows of the backbone for a sample."""
        protocol = self.protocol
        sampler = Sampler(method, self.models, self.data.shape, seed, protocol.chunk, self.device, self.labels,
                          papers=protocol.papers, guidance=guidance)
        batches = sampler.batches(protocol.count, steps, self.experiment.evaluation.batch, self.ranks)
        with ExitStack() as stack:
            counts = [stack.enter_context(counting(module)) for module in self.models.values()]
            scores = self.score(batches, seed, sampler.classes(protocol.count))
        chunks = max(1, len(self.ranks.piece(-(-protocol.count // protocol.chunk))))
        calls, rows = sum(c.calls for c in counts), sum(c.rows for c in counts)
        return scores, calls // chunks, rows // (chunks * protocol.chunk)

    def _row(
        self, sampler: str, steps: int, seed: int, calls: int, rows: int, metric: str, value: float, extra: dict[str, Any]
    ) -> EvalRow:
        return EvalRow(
            run_id=self.run_id, label=self.experiment.label, seed=self.experiment.seed, checkpoint=self.checkpoint,
            images_seen=self.images, ema=repr(self.protocol.ema), sampler=sampler, steps=steps, nfe=calls,
            nfe_rows=rows, evaluation_seed=seed, count=self.protocol.count, metric=metric, value=value,
            protocol=self.protocol.id, extra=extra,
        )


def sampling_rule(method: Method) -> str:
    """"hop" or "renoise", with the solver where a jump integrates a velocity: "hop:euler"."""
    solver, rule = getattr(method, "solver", None), method.needs.rule
    return f"{rule}:{solver.value}" if solver is not None and rule == "hop" else rule
