"""What Slurm says of jobs: its commands called with a time limit, and its states in our words.

The queue is asked first and its word goes before the accounting's: a job that is requeued after the loss of its node is
pending in the queue while the accounting still says NODE_FAIL. A cluster without accounting is a usual thing.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from sweeps.backends import slurm_environment
from sweeps.engine import Kind, Seen, Where

TIMEOUT = 60.0
"""Seconds for one command: a busy slurmctld is slow, a hanging one must not stop the loop."""
CHUNK = 500  # job numbers on one command line

QUEUED = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
RUNNING = frozenset({"RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED", "SUSPENDED", "RESIZING"})
GONE = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY",
                  "DEADLINE", "REVOKED"})
KINDS = {"TIMEOUT": Kind.PREEMPTED, "PREEMPTED": Kind.PREEMPTED, "OUT_OF_MEMORY": Kind.MEMORY}
NO_NODE = ("", "None assigned", "(null)", "n/a")


class Silent(OSError):
    """Slurm did not answer, or with an error."""


def look(handles: Sequence[str], accounting: Accounting) -> dict[str, Seen]:
    """What Slurm knows of jobs ("12" or "12_3"); those it does not know are left out.

    Nothing at all if the queue cannot be asked: the accounting alone cannot tell an end from a requeue.
    """
    try:
        found = queue()
    except Silent:
        return {}
    wanted = {handle: found[handle] for handle in handles if handle in found}
    missing = [handle for handle in handles if handle not in wanted]
    return wanted | accounting.look(missing)


def queue() -> dict[str, Seen]:
    """All jobs of this user that slurmctld remembers, one entry per array task. Raises Silent."""
    lines = run("squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%i|%T|%N|%r")
    return {fields[0]: seen(*fields[1:]) for line in lines if len(fields := line.split("|", 3)) == 4}


def named(names: Iterable[str], accounting: Accounting) -> dict[str, str]:
    """The job number by name, arrays under the number of the array, of those that Slurm knows in any state. Raises Silent."""
    wanted = set(names)
    lines = run("squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%F|%j")
    found = {name: number for number, name in _pairs(lines) if name in wanted}
    return accounting.named(wanted - set(found)) | found


def seen(state: str, node: str = "", reason: str = "") -> Seen:
    """One job's state as the loop understands it; a word of a newer Slurm counts as running, so that patience decides."""
    word = (state.split() or [""])[0].rstrip("+")
    node = "" if node.strip() in NO_NODE else node.strip()
    if word in QUEUED:
        return Seen(Where.QUEUED, node, reason)
    if word not in GONE:
        return Seen(Where.RUNNING, node, "" if word in RUNNING else f"in state {word}")
    more = f" ({reason})" if reason not in ("", "None", word) else ""
    return Seen(Where.GONE, node, f"{state.strip()}{more}", KINDS.get(word))


def is_stuck(seen: Seen) -> bool:
    """Whether Slurm holds a job because a node could not launch it: nobody will release it, another node would take it."""
    return seen.where == Where.QUEUED and "launch failed" in seen.reason.lower().replace("_", " ")


class Accounting:
    """The memory of slurmdbd, where there is one; a cluster that says it has none is not asked again."""

    def __init__(self) -> None:
        self.exists = True

    def look(self, handles: Sequence[str]) -> dict[str, Seen]:
        """The jobs among `handles` that it knows."""
        found: dict[str, Seen] = {}
        for chunk in (handles[i:i + CHUNK] for i in range(0, len(handles), CHUNK)):
            for line in self._ask("--format=JobID,State,NodeList,ExitCode", f"--jobs={','.join(chunk)}"):
                number, state, node, code = line.split("|", 3)
                found[number] = seen(state, node, "" if code in ("0:0", "") else f"exit code {code}")
        return {handle: found[handle] for handle in handles if handle in found}

    def named(self, names: Iterable[str]) -> dict[str, str]:
        """The job number by name, of those it knows."""
        chosen = sorted(names)
        lines = self._ask("--format=JobID,JobName", f"--name={','.join(chosen)}", "--starttime=1970-01-01") if chosen else []
        return {name: number.split("_")[0] for number, name in _pairs(lines)}

    def _ask(self, *arguments: str) -> list[str]:
        if not self.exists:
            return []
        try:
            return run("sacct", "--allocations", "--noheader", "--parsable2", *arguments)
        except Silent as error:
            self.exists = "accounting storage is disabled" not in str(error).lower()
            return []


def max_array_size() -> int:
    """The largest number of tasks in one array; 1 where arrays are switched off or Slurm does not say. Raises Silent."""
    settings: Mapping[str, str] = {
        key.strip(): value.strip() for line in run("scontrol", "show", "config") for key, _, value in [line.partition("=")]
    }
    text = settings.get("MaxArraySize", "1")
    return max(1, int(text)) if text.isdigit() else 1


def run(*command: str, timeout: float = TIMEOUT) -> list[str]:
    """The lines that a command prints. Raises Silent if it fails, is not there or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL, env=slurm_environment.query())
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Silent(f"{command[0]}: {error}") from error
    if done.returncode:
        raise Silent(f"{command[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout.splitlines()


def _pairs(lines: Iterable[str]) -> list[tuple[str, str]]:
    return [(fields[0], fields[1]) for line in lines if len(fields := line.split("|", 1)) == 2]
