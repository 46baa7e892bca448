"""What a run spent, in one currency, and tables drawn at equal images or at equal compute.

Compute is counted in forward evaluations of the network, one row each:

    forward rows + 2 x backward rows + JVP rows

A reverse pass costs about two forward ones. A forward-mode call computes value and tangent together: its value counts among
the forward rows, its tangent as one more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from results.records.record import RunRecord

BACKWARD, TANGENT = 2, 1  # in forward evaluations of a row


class BudgetError(ValueError):
    """A budget that cannot be read."""


def own_compute(record: RunRecord) -> float:
    """Forward-equivalents of the run's own training; NaN in a record written before they were counted."""
    if record.forward_rows == 0 and record.images_seen > 0:
        return math.nan
    return record.forward_rows + BACKWARD * record.backward_rows + TANGENT * record.jvp_rows


def teacher_compute(record: RunRecord) -> float:
    """Forward-equivalents of the teacher and its trajectories, in full; NaN where they exist and were not counted,
    or were trained elsewhere."""
    if record.teacher_images is None:
        return math.nan
    if record.teacher_forward_rows == 0 and (record.teacher_images > 0 or record.trajectory_evaluations > 0):
        return math.nan
    return record.teacher_forward_rows + BACKWARD * record.teacher_backward_rows


def sharers(records: Iterable[RunRecord]) -> Counter[str]:
    """Teacher -> how many of these runs learn from it."""
    return Counter(key for record in records if (key := teacher_key(record)))


def teacher_key(record: RunRecord) -> str:
    """What names the run's teachers; empty without one."""
    return record.teacher or " ".join(sorted(record.parents.values()))


@dataclass(frozen=True)
class At:
    """A budget at which all runs are compared: "images" (each method's own) or "compute" (its own and its full teacher)."""

    kind: str
    amount: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """`images=200000` or `compute=1e9`. Raises BudgetError."""
        kind, _, amount = text.partition("=")
        try:
            made = cls(kind, float(amount))
        except ValueError:
            made = cls("", math.nan)
        if made.kind not in ("images", "compute") or not 0 < made.amount < math.inf:
            raise BudgetError(f"--at {text}: give images=NUMBER or compute=NUMBER (forward evaluations), above 0")
        return made

    def images(self, record: RunRecord) -> float:
        """How many images of its training a run may have seen. NaN where its compute is not known, negative for nothing."""
        if self.kind == "images" or record.kind == "reference":
            return self.amount if record.kind != "reference" else math.inf
        own, left = own_compute(record), self.amount - teacher_compute(record)
        # Half an image of tolerance, so that the run whose bill set the budget is inside it.
        return left / own * record.images_seen + 0.5 if own else math.nan

    @property
    def words(self) -> str:
        unit = "images" if self.kind == "images" else "forward evaluations, the teacher's included"
        return f"equal {self.kind}: {self.amount:.6g} {unit}"
