"""The same work on many pieces, by several processes, its results in order and never many at once."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from bench.config import ConfigError

A = TypeVar("A")
B = TypeVar("B")
AHEAD = 3  # pieces a process


def ordered(function: Callable[[A], B], pieces: Iterable[A], workers: int) -> Iterator[B]:
    """function(piece) for each; with one worker in this process. What a piece raises ends it.

    Raises ConfigError where a process was killed.
    """
    if workers == 1:
        yield from map(function, pieces)
        return
    left, coming = iter(pieces), deque[Future[B]]()
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        coming.extend(pool.submit(function, piece) for piece in islice(left, AHEAD * workers))
        while coming:
            yield coming.popleft().result()
            coming.extend(pool.submit(function, piece) for piece in islice(left, 1))
    except BrokenProcessPool as error:
        raise ConfigError("a worker process was killed, perhaps for its memory; give fewer --workers") from error
    finally:
        pool.shutdown(cancel_futures=True)
