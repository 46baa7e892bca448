"""An evaluation protocol: everything that a number depends on besides the model, named, versioned and hashed.

Rows carry its id, and tables refuse to mix two.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from bench.config import ConfigError

# Fields that came after the first records: one that says nothing leaves the id of those records as it was.
_LATER = {"resize": "", "feature_chunk": 0, "neighbours": 0, "also": (), "grid": "", "reference_count": 0}

LAST = "last"


@dataclass(frozen=True)
class Protocol:
    """name and version: for people. metrics: what is computed, the leading one first.

    features: feature set and the sha256 of its weights, "NAME:HASH"; resize: how images reach it; feature_chunk: images per
    call of it. also: further feature sets, "NAME:HASH". reference: split and hash of the data that samples are compared
    with, after "file:HASH" where a statistics file stands in for them in the leading distance (other metrics still look at
    the data); reference_count: how many of them, a fixed random part (0: all). count: samples per evaluation seed; seeds:
    the evaluation seeds; chunk: rows per call of the model; neighbours: samples of either side that metrics of
    neighbourhoods look at. ema: which average is evaluated; checkpoint: the rule ("last", or a `Best` in words); grid: the
    rule of the times at which samples stop ("untuned" or "papers", see `Method.sampling_times`). rounding: how samples become
    data values (a rule of bench.protocols.rounding; "levels": the data's own grid; "none").
    """

    name: str
    metrics: tuple[str, ...]
    features: str
    reference: str
    count: int
    seeds: tuple[int, ...]
    chunk: int
    ema: float
    rounding: str
    checkpoint: str = LAST
    version: int = 1
    resize: str = ""
    feature_chunk: int = 0
    neighbours: int = 0
    also: tuple[str, ...] = ()
    reference_count: int = 0
    grid: str = ""

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ConfigError(f"evaluation.count={self.count} is too few samples to compare distributions")
        if not self.seeds:
            raise ConfigError("evaluation.seeds needs at least one evaluation seed, for example [0]")

    @classmethod
    def recorded(cls, said: Mapping[str, Any]) -> Self:
        """The protocol that a run's record states. Raises TypeError where it has fields of another version."""
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
        return cls(**values)

    @property
    def papers(self) -> bool:
        """Whether two steps stop where the papers tuned it."""
        return self.grid == "papers"

    @property
    def id(self) -> str:
        """name-version-hash; equal ids mean comparable numbers."""
        said = {k: v for k, v in dataclasses.asdict(self).items() if k not in _LATER or v != _LATER[k]}
        content = json.dumps(said, sort_keys=True)
        return f"{self.name}-v{self.version}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
