"""When to give up a trial early: successive halving without a barrier.

At fixed amounts of training, the rungs, a trial is scored on the proxy. It goes on if its score is among the best
1/reduction of all that any trial has reached at that rung so far, and while fewer than `reduction` have. Nothing
waits for anything: the first trials pass because nobody is there to compare with, the price of having no barrier.
(The stopping variant of Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning".)
"""

from __future__ import annotations

from collections.abc import Sequence


def should_stop(value: float, others: Sequence[float], reduction: int) -> bool:
    """Whether a trial that scored `value` at a rung ends there. Lower is better; infinity is worst.

    others: the scores of the other trials at the same rung. A tie with the last one that passes also passes.
    """
    ranked = sorted([value, *others])
    if len(ranked) < reduction:
        return False
    return value > ranked[len(ranked) // reduction - 1]


def rungs(shares: Sequence[float], images: int, batch: int, prunable_from: float = 0.0) -> tuple[int, ...]:
    """Images seen at each rung, increasing; the last one is the whole budget, in whole batches.

    Rungs before `prunable_from` (a share of the budget) are left out: a method of several stages is not judged by the
    model that an early stage leaves.
    """
    steps = images // batch
    at = {round(share * steps) for share in shares if prunable_from <= share < 1}
    return tuple(step * batch for step in sorted({*at, steps} - {0}))
