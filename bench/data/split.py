"""Which samples are held out: a function of their number and a seed alone."""

import numpy as np


def held_out_split(n: int, held: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Fixed disjoint index sets (train, held-out) of sizes n - held and held, a function of n and the seed."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(n)
    return np.sort(order[held:]), np.sort(order[:held])


def tenth(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The split of n images that come without held-out ones: a tenth of them, at least 2."""
    return held_out_split(n, max(2, n // 10))
