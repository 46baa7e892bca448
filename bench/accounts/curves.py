"""The curves of a training: one narrow door, `look`, behind which curves.csv and what else was asked for are written.

The file is the ledger: a restart cuts it to its checkpoint, and a sink is told from it what it lacks, and nothing twice.
Whatever fails behind the door is told once and ends no training.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.accounts.sinks import SINKS, Sink
from results.records import CURVES_FILE, SCORE, CurvesFile, EvalRow


class CurveWarning(UserWarning):
    """A curve is not written."""


class Curves:
    """Those of the run in `folder`, in its file and in the sinks of these names. about: what the run is, in plain data.

    Call `begin` before the first step, and `close` at the end, however that comes.
    """

    def __init__(self, folder: Path, names: Sequence[str] = (), about: Mapping[str, Any] | None = None) -> None:
        self.folder, self.names, self.about = folder, names, about or {}
        self._sinks: dict[str, Sink] = {}
        self._warned: set[str] = set()

    def begin(self, step: int) -> None:
        """The training goes on after `step`; what was told of later steps will be told again."""
        self._file = CurvesFile(self.folder)
        self._guard(CURVES_FILE, lambda: self._file.cut(step))
        for name in self.names:
            if name in SINKS:
                self._guard(name, partial(self._open, name, step))

    def look(self, step: int, images: int, values: Mapping[str, float]) -> None:
        """What was seen after `step`. values: by name, `seconds` of training among them."""
        last = self._file.looks[-1] if self._file.looks else {}
        took = values["seconds"] - last.get("seconds", 0.0)
        rate = {"images_per_second": (images - last.get("images", 0)) / took} if took > 0 else {}
        self._tell(step, images, {**values, **rate}, [name for name, sink in self._sinks.items() if step > sink.told])

    def score(self, rows: Iterable[EvalRow], batch: int) -> None:
        """What of the scores of a run has not been told yet: a metric is a curve where milestones are scored.

        Each is the mean over evaluation seeds, of the sampler that was scored first. batch: images of a step.
        """
        first: dict[tuple[str, int], str] = {}
        found: dict[int, dict[str, list[float]]] = {}
        for row in rows:
            if first.setdefault((row.metric, row.steps), row.sampler) == row.sampler:
                name = f"{SCORE}{row.protocol}/{row.metric}@{row.steps}"
                found.setdefault(row.images_seen, {}).setdefault(name, []).append(row.value)
        have = {(look["images"], name) for look in self._file.looks for name in look}
        for images, values in sorted(found.items()):
            fresh = {name: sum(of) / len(of) for name, of in values.items() if (images, name) not in have}
            if fresh:
                self._tell(images // batch, images, fresh, list(self._sinks))

    def close(self) -> None:
        """Nothing more will be told."""
        for name, sink in list(self._sinks.items()):
            self._guard(name, sink.close)
        self._sinks = {}

    def _open(self, name: str, step: int) -> None:
        sink = self._sinks[name] = SINKS[name](self.folder, step, self.about)
        for look in self._file.looks:
            values = {key: value for key, value in look.items() if key not in ("step", "images") and not key.startswith(SCORE)}
            if look["step"] > sink.told and values:
                sink(int(look["step"]), int(look["images"]), values)

    def _tell(self, step: int, images: int, values: Mapping[str, float], sinks: Sequence[str]) -> None:
        for name in sinks:
            self._guard(name, partial(self._sinks[name], step, images, values))
        self._guard(CURVES_FILE, partial(self._file.add, {"step": step, "images": images, **values}))

    def _guard(self, name: str, act: Callable[[], object]) -> None:
        """Do it. What fails is told once; the file is tried again at the next look, a sink when the run is next continued."""
        try:
            act()
        except Exception as error:  # a disk's, or whatever a package of others may raise
            if name not in self._warned:
                said = f"{type(error).__name__}: {error}".split("\n")[0]
                text = f"{name} of {self.folder.name}: {said}; the training goes on without it"
                warnings.warn(text, CurveWarning, stacklevel=2)
            self._warned.add(name)
            self._sinks.pop(name, None)
