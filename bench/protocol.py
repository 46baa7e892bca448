"""An evaluation protocol: everything that a number depends on besides the model, named, versioned and hashed.

Rows carry its id, and tables refuse to mix two.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from methods.registry import ConfigError


@dataclass(frozen=True)
class Protocol:
    """name and version: for people. metrics: what is computed. features: feature set and the hash of its weights.

    reference: split and hash of the data that samples are compared with. count: samples per evaluation seed; seeds: the
    evaluation seeds; chunk: rows per network call; ema: which average is evaluated; checkpoint: the rule (only "last").
    rounding: how samples become data values ("levels": clamped, rounded to the data's own grid; "none").
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
    checkpoint: str = "last"
    version: int = 1

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ConfigError(f"evaluation.count={self.count} is too few samples to compare distributions")
        if not self.seeds:
            raise ConfigError("evaluation.seeds needs at least one evaluation seed, for example [0]")

    @property
    def id(self) -> str:
        """name-version-hash; equal ids mean comparable numbers."""
        content = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return f"{self.name}-v{self.version}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
