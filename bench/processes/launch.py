"""One run in several processes of this machine, for the local backend and for tests. torchrun does the same for many.

The caller's process hosts the store at which the others meet, so that no port can be taken meanwhile; it hears rank 0's
reports and answers them. If one process fails, the others are ended and its error is raised here.
"""

import importlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented there, not listed as re-exported

from results import terminal

Report = Callable[[dict[str, Any]], bool]
HOST = "127.0.0.1"


def execute(function: str, config: dict[str, Any], folder: str, report: Report, processes: int) -> str:
    """`function` ("package.module:name", see `bench.job.execute`) in so many processes; returns what rank 0 returns.

    Raises the first error of any of them, as it is where it can be pickled, else as a RuntimeError of the same text.
    """
    store = TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    context = multiprocessing.get_context("spawn")
    children, pipes = [], []
    try:
        for rank in range(processes):
            ours, theirs = context.Pipe()
            place = _surroundings(rank, processes, store.port)
            child = context.Process(target=_child, args=(theirs, place, function, config, folder), name=f"fewstep-rank-{rank}")
            child.start()
            theirs.close()
            children.append(child)
            pipes.append(ours)
        return _served(pipes, report)
    finally:
        for child in children:
            child.join(0.0 if sys.exc_info()[0] else None)
            if child.is_alive():
                child.kill()
                child.join()


def _served(pipes: list[Connection], report: Report) -> str:
    """Answer rank 0's reports until every process has told its result."""
    results: dict[int, str] = {}
    while len(results) < len(pipes):
        open_pipes = {pipe: rank for rank, pipe in enumerate(pipes) if rank not in results}
        for pipe in wait(list(open_pipes)):
            assert isinstance(pipe, Connection)
            try:
                what, value = pipe.recv()
            except (EOFError, OSError) as error:
                raise RuntimeError(f"process {open_pipes[pipe]} of {len(pipes)} died; the others were ended") from error
            if what == "report":
                pipe.send(report(value))
            elif what == "error":
                raise value
            else:
                results[open_pipes[pipe]] = value
    return results[0]


def _child(pipe: Connection, place: dict[str, str], function: str, config: dict[str, Any], folder: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process: what to do about it the caller decides
    threading.Thread(target=_end_with_caller, name="caller", daemon=True).start()
    os.environ.update(place)
    terminal.ready()

    def report(message: dict[str, Any]) -> bool:
        pipe.send(("report", message))
        return bool(pipe.recv())

    try:
        module, _, name = function.partition(":")
        result = getattr(importlib.import_module(module), name)(config, folder, report)
    except Exception as error:
        _tell(pipe, error)
        raise SystemExit(1) from error
    pipe.send(("result", result))


def _end_with_caller() -> None:
    """A caller that is killed holds the run's lock no more: whoever has it next must be the only one to write."""
    caller = multiprocessing.parent_process()
    assert caller is not None, "this is a process of the caller's"
    caller.join()
    os._exit(1)


def _tell(pipe: Connection, error: Exception) -> None:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    pipe.send(("error", error))


def _surroundings(rank: int, processes: int, port: int) -> dict[str, str]:
    """What torchrun sets, its own store included: the meeting point is the caller's and not rank 0's."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "MASTER_ADDR": HOST,
             "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": True}
    return {name: str(value) for name, value in place.items()}
