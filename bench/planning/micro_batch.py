"""What a run that was out of memory is given instead: fewer rows per pass at the same global batch."""

from collections.abc import Mapping
from typing import Any


def smaller(config: Mapping[str, Any], times: int) -> dict[str, Any] | None:
    """The job's config with its micro-batch halved `times` times; None if less than one row would be left.

    Results do not change (gradients are summed over micro-batches), and neither does the run's identity.
    """
    budget = config.get("budget")
    if budget is None:  # reference rows train nothing
        return None
    rows = int(budget["micro_batch"] or budget["batch"]) >> times
    return {**config, "budget": {**budget, "micro_batch": rows}} if rows else None
