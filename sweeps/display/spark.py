"""How a run's loss goes, in a dozen letters: a line of blocks and the last value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 8


def spark(values: Sequence[float], width: int = WIDTH) -> str:
    """The values in so many parts, the mean of each as a block between the least and the largest, and the last value.

    Empty without a value; what is no number has no height, and as the last value is named.
    """
    if not values:
        return ""
    count = min(width, len(values))
    ends = [len(values) * part // count for part in range(count + 1)]
    parts = [[value for value in values[a:b] if math.isfinite(value)] for a, b in pairwise(ends)]
    means = [sum(part) / len(part) if part else math.nan for part in parts]
    finite = [mean for mean in means if math.isfinite(mean)]
    low, span = min(finite, default=0.0), (max(finite) - min(finite) or 1.0) if finite else 1.0
    heights = [round((mean - low) / span * (len(BLOCKS) - 1)) if math.isfinite(mean) else None for mean in means]
    return f"{''.join(' ' if height is None else BLOCKS[height] for height in heights)} {values[-1]:.3g}"
