"""The backend of a Slurm cluster: arrays through submitit, states from the queue, nothing remembered that is not in a file.

submitit writes the batch script and the arrays. Its pickled results, its signals and its requeueing are not relied upon:
a job says what becomes of it in its run folder (`sweeps.backends.attempt`), and continues from its newest whole checkpoint.

A batch is one call of sbatch. Its name, in `<folder>/batches/<name>.json` before the call and in the queue after it, is how a
controller that died between the two finds its jobs again.
"""

from __future__ import annotations

import io
import re
import secrets
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from results.records import StoreError, read_json, write_json
from sweeps.backends import slurm_environment
from sweeps.backends import slurm_queries as queries
from sweeps.backends.slurm_job import CANCELLED, task
from sweeps.engine import Attempt, Detached, Refused, Seen, SweepError, Where

SETTLE = 15.0
"""Seconds after a call of sbatch in which its job may still turn up: the call goes on when its controller is killed."""
SIGNAL = 10.0
"""Seconds for a signal. Slurm may deliver it and still answer that the job cannot be altered now; scancel then repeats it for
a minute and a half, in which the loop would stand still."""
BUSY = ("timed out", "unable to contact", "connection refused", "transport endpoint", "zero bytes", "backup controller",
        "slurmctld is not responding")
"""Words of an sbatch that may have worked all the same, or may work later."""
FULL = re.compile(r"submit\w*limit|temporarily|queue full|array specification|job submit limit", re.IGNORECASE)
"""Words of a queue that has refused, and takes fewer jobs or takes these later: limits of a user, of the site, of arrays."""
NEVER = re.compile(r"\b(?:assoc|qos|partition)(?!\w*submit)\w*limit\b", re.IGNORECASE)
"""The name of a limit that a job like ours exceeds by itself. The sentence after it speaks of submit limits all the same.
Anything else would fail again as well."""
KEYS = {"invalid partition": "partition", "invalid qos": "qos", "wallduration": "time", "timelimit": "time",
        "time limit": "time", "memory": "memory", "mem": "memory", "gres": "gpus", "gpu": "gpus", "cpu": "cpus",
        "node count": "nodes", "node configuration": "nodes, backend.gpus, backend.memory or backend.constraint",
        "node": "nodes", "partition": "partition", "account": "account", "feature": "constraint", "constraint": "constraint",
        "option": "sbatch", "qos": "qos"}


@dataclass(frozen=True)
class Site:
    """What each job asks for; None leaves it to the site. Keys are those of `backend` in the configuration.

    time: minutes. memory: per node, as sbatch writes it ("16G"). gpus, tasks: per node. cpus: per task. signal: seconds
    before the time limit at which a job is told to save itself. sbatch: further options ("--exclusive"). setup: shell lines
    before the job. array: tasks in one array at most, also bounded by the site's MaxArraySize. parallel: tasks of one array
    that run at a time. jobs: queued and running at most. requeue: a job that was told to save itself puts itself back into
    the queue, and Slurm repeats it after the loss of a node; False leaves both to the controller.
    """

    partition: str | None = None
    account: str | None = None
    constraint: str | None = None
    qos: str | None = None
    time: int = 240
    memory: str | None = None
    gpus: int | None = None
    nodes: int = 1
    tasks: int = 1
    cpus: int | None = None
    signal: int = 120
    sbatch: Sequence[str] = ()
    setup: Sequence[str] = ()
    array: int = 1000
    parallel: int | None = None
    jobs: int | None = None
    requeue: bool = True


class Slurm(Detached):
    """Jobs of one sweep on the cluster that this machine's Slurm commands talk to."""

    def __init__(self, execute: str, folder: Path, site: Site, code: Path | None = None, threads: int = 1,
                 name: str = "fewstep", interval: float = Detached.interval) -> None:
        """execute: "package.module:function", see `backend.Execute`. folder: for batches and logs, seen by all nodes.

        code: a folder that comes first on PYTHONPATH (`sweeps.engine.snapshot`). threads: what OMP_NUM_THREADS is in a task.
        name: how the jobs are called in the queue, with the batch behind it. Raises SweepError where there is no Slurm.
        """
        self._execute, self._site, self._name = execute, site, name
        self._folder = Path(folder).resolve()
        # Options may stand in the script as long as no command has come.
        self._setup = [*(f"#SBATCH {option}" for option in site.sbatch), *_environment(code, threads), *site.setup]
        self._asked = [key for key in slurm_environment.ASKED if getattr(site, key) is not None]
        self._accounting = queries.Accounting()
        self._live: set[str] = set()
        self._batches: dict[str, dict[str, Any]] = {}
        self.interval = interval
        try:
            self._array = max(1, min(site.array, queries.max_array_size()))
            self._executor()  # wrong settings are an error now, not at the first submission
        except (queries.Silent, RuntimeError, ValueError) as error:
            raise SweepError(f"backend=slurm: {str(error).splitlines()[0]}; is this a machine of the cluster?") from error

    def room(self, wanted: int) -> int:
        return wanted if self._site.jobs is None else max(0, min(wanted, self._site.jobs - len(self._live)))

    def submit(self, attempts: Sequence[Attempt]) -> list[str | Refused | None]:
        handles: list[str | Refused | None] = []
        for some in self._batched(attempts):
            answer = self._submit(some)
            if isinstance(answer, Refused):  # it would refuse what comes after these as well
                handles += [answer] * (len(attempts) - len(handles))
                break
            handles += answer
        self._live |= {handle for handle in handles if isinstance(handle, str)}
        return handles

    def poll(self, handles: Sequence[str]) -> Mapping[str, Seen]:
        found = queries.look(handles, self._accounting)
        if stuck := [handle for handle, seen in found.items() if queries.is_stuck(seen)]:
            _tell(*stuck)
        self._live |= {handle for handle, seen in found.items() if seen.where != Where.GONE}
        self._live -= {handle for handle, seen in found.items() if seen.where == Where.GONE}
        return found

    def cancel(self, handles: Sequence[str], now: bool = False) -> None:
        marks = self._folder / CANCELLED
        marks.mkdir(parents=True, exist_ok=True)
        for handle in handles:
            (marks / handle).touch()  # it must not requeue itself
        for start in range(0, len(handles), queries.CHUNK):
            some = handles[start:start + queries.CHUNK]
            if now:
                _tell("--full", "--signal=KILL", *some, patience=SIGNAL)
                _tell(*some)
            else:
                _tell("--state=PENDING", *some)
                _tell("--state=RUNNING", "--signal=USR2", *some, patience=SIGNAL)

    def logs(self, handle: str) -> Path | None:
        file = self._folder / f"{handle}_0_log.out"
        return file if file.exists() else None

    def find(self, tags: Sequence[str]) -> Mapping[str, str]:
        batches = {tag: batch for batch in self._read_batches().values() for tag in batch.get("tags") or ()}
        mine = {tag: batches[tag] for tag in tags if tag in batches}
        unknown = {batch["name"] for batch in mine.values() if batch["number"] is None}
        numbers = queries.named(unknown, self._accounting) if unknown else {}
        found: dict[str, str] = {}
        for tag, batch in mine.items():
            number = batch["number"] or numbers.get(batch["name"])
            if number is not None:
                found[tag] = _handle(number, batch["tags"].index(tag), len(batch["tags"]))
            elif time.time() - batch["time"] < SETTLE:
                raise OSError(f"the answer to the submission of {tag} was lost a moment ago; it may still turn up")
        return found

    def _batched(self, attempts: Sequence[Attempt]) -> Iterator[Sequence[Attempt]]:
        """What one array can hold: at most so many, which avoid the same nodes."""
        for _, group in groupby(attempts, lambda attempt: attempt.exclude):
            alike = list(group)
            yield from (alike[start:start + self._array] for start in range(0, len(alike), self._array))

    def _submit(self, attempts: Sequence[Attempt]) -> Sequence[str | None] | Refused:
        """One call of sbatch, for attempts that avoid the same nodes."""
        batch = {"name": f"{self._name}.{secrets.token_hex(5)}", "time": time.time(), "number": None,
                 "tags": [attempt.tag for attempt in attempts]}
        file = self._folder / "batches" / f"{batch['name']}.json"
        write_json(file, batch)
        calls = [partial(task, self._execute, str(attempt.folder), attempt.number, str(self._folder), self._site.requeue)
                 for attempt in attempts]
        try:
            # What sbatch says stands in the exception; submitit prints it too, on the screen of the display.
            with slurm_environment.submission(self._asked), redirect_stderr(io.StringIO()):
                jobs = self._executor(str(batch["name"]), attempts[0].exclude).submit_array(calls)
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            said = str(error)
            if FULL.search(said) and not NEVER.search(said):
                file.unlink()
                return Refused(_line(said))
            if not any(word in said.lower() for word in BUSY):
                raise SweepError(_blame(said)) from error
            self._batches[str(batch["name"])] = batch
            return [None] * len(attempts)
        batch["number"] = jobs[0].job_id.split("_")[0]
        write_json(file, batch)
        self._batches[str(batch["name"])] = batch
        return [job.job_id for job in jobs]

    def _executor(self, name: str = "fewstep", excluded: Sequence[str] = ()) -> submitit.SlurmExecutor:
        """Slurm by name: left to choose, submitit takes a machine without srun for a cluster of its own."""
        site = self._site
        executor = submitit.SlurmExecutor(self._folder)
        options = {
            "job_name": name, "partition": site.partition, "account": site.account, "constraint": site.constraint,
            "qos": site.qos, "mem": site.memory, "gpus_per_node": site.gpus, "cpus_per_task": site.cpus,
            "exclude": ",".join(excluded) or None,
        }
        executor.update_parameters(
            time=site.time, nodes=site.nodes, ntasks_per_node=site.tasks, signal_delay_s=site.signal, setup=self._setup,
            array_parallelism=site.parallel or self._array, stderr_to_stdout=True,
            srun_args=["--kill-on-bad-exit=1"],  # else the other tasks of a run wait for a dead one
            additional_parameters={"requeue" if site.requeue else "no-requeue": True},
            **{key: value for key, value in options.items() if value is not None},
        )
        return executor

    def _read_batches(self) -> dict[str, dict[str, Any]]:
        for file in (self._folder / "batches").glob("*.json"):
            if file.stem not in self._batches:
                with suppress(StoreError):  # its jobs are found again by their names, or vanish
                    self._batches[file.stem] = read_json(file)
        return self._batches


def _environment(code: Path | None, threads: int) -> list[str]:
    # Python would put the folder in which the sweep was started before everything: the live checkout, as a rule.
    lines = [f"export OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads} OPENBLAS_NUM_THREADS={threads}"]
    if code is not None:
        lines += [f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}", "export PYTHONSAFEPATH=1"]
    return lines


def _handle(number: str, index: int, size: int) -> str:
    return number if size == 1 else f"{number}_{index}"


def _tell(*arguments: str, patience: float = queries.TIMEOUT) -> None:
    with suppress(queries.Silent):  # an ended job, or a busy Slurm: the loop looks again and asks again
        queries.run("scancel", "--quiet", *arguments, timeout=patience)


def _line(message: str) -> str:
    """The first line of sbatch's that tells what is wrong."""
    lines = message.splitlines() or [message]
    return next((line for line in lines if "error" in line.lower() and "retrying" not in line), lines[0]).strip()


def _blame(message: str) -> str:
    """sbatch's complaint with the key behind it."""
    line = _line(message)
    key = next((key for word, key in KEYS.items() if word in line.lower()), None)
    return f"sbatch refuses the jobs: {line}" + (f"; see backend.{key}" if key else "; see the keys of backend=slurm")
