"""What a training costs in network evaluations. It goes into the checkpoints, so that a repeated step is billed once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.nets import Count
from bench.processes import Ranks

NAMES = ("forward_calls", "forward_rows", "backward_rows", "jvp_calls", "jvp_rows")  # as in `RunRecord`


@dataclass
class Bill:
    """What this rank has counted so far. known False: the run was begun before evaluations were counted."""

    ranks: Ranks
    count: Count = field(default_factory=Count)
    known: bool = True

    def total(self) -> dict[str, int]:
        """Of all ranks, which all call it; all zero where it is not known."""
        numbers = map(int, self.ranks.totals(self.count.numbers))
        return dict(zip(NAMES, numbers, strict=True)) if self.known else dict.fromkeys(NAMES, 0)

    def restore(self, saved: Mapping[str, int] | None) -> None:
        """Go on from an earlier total, None where there was none."""
        self.known = saved is not None
        if self.ranks.leads and saved is not None:  # the others' counts are added to its own
            self.count.restore(saved[name] for name in NAMES)
