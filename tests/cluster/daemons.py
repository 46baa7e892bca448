"""Daemons that live in a folder: started, waited for, found again by their PID files, ended without asking twice."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path


class BoxError(RuntimeError):
    """A daemon that cannot be started; the message says what to install or which log to read."""


def require(programs):
    """Raises BoxError naming the Debian packages of the programs that are not here. `programs`: {program: package}."""
    packages = sorted({package for program, package in programs.items() if find(program) is None})
    if packages:
        raise BoxError(f"not installed: {' '.join(packages)}; on Debian or Ubuntu: apt-get install {' '.join(packages)}")


def find(program):
    """The path of a program; daemons lie in sbin, which is not on every user's PATH."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def call(command, log, timeout=300, **more):
    """Runs a command that returns soon; its output goes to the end of a log. Raises BoxError with the log's last lines."""
    with log.open("ab") as file:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=timeout, **more)
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = f"timeout after {timeout} s"
    if code:
        tail = " | ".join(log.read_text(errors="replace").splitlines()[-3:])
        raise BoxError(f"{Path(command[0]).name} failed ({code}): {tail}; see {log}")


def succeeds(command, timeout=60, **more):
    """Whether a command exits with 0 in time."""
    try:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.run(command, timeout=timeout, **{**quiet, **more}).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def wait_until(true, seconds, what, log=None):
    """Polls until `true()`. Raises BoxError after `seconds` of wall time, however long one poll takes."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise BoxError(f"{what} was not there after {seconds} s" + (f"; see {log}" if log else ""))
        time.sleep(0.1)


def alive(file, name):
    """The PID in a file if the process that has it now is a `name`; a PID may have been given to another one since."""
    try:
        pid = int(file.read_text().split()[0])
        running = Path(f"/proc/{pid}/comm").read_text().strip() == name[:15]
        return pid if running and _state(pid) != "Z" else None
    except (OSError, ValueError, IndexError):
        return None


def end(pids, patience=8.0, first=signal.SIGTERM):
    """Asks all to go, and kills those still there after `patience` seconds."""
    for number in (first, signal.SIGKILL):
        pids = [pid for pid in pids if exists(pid)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(exists(pid) for pid in pids):
            time.sleep(0.05)


def exists(pid):
    """Whether a process is there and not merely waiting to be buried."""
    return _state(pid) not in (None, "Z")


def environment(pid):
    """The environment a process was started with, as far as it may be read."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(entry.decode(errors="replace").split("=", 1) for entry in entries if b"=" in entry)


def has_open(pid, end):
    """Whether a process has a file open whose path ends so."""
    try:
        return any(os.readlink(file).endswith(end) for file in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def processes():
    """The PIDs of all processes."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def free_ports(count, first=20000, last=30000):
    """The first of `count` neighbouring loopback ports that nobody listens on, below those that connections take."""
    for base in range(first + os.getpid() % 97 * 100, last, count):
        if not any(_taken(port) for port in range(base, base + count)):
            return base
    raise BoxError(f"no {count} neighbouring free ports between {first} and {last}")


def accepts(port):
    """Whether somebody listens on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _taken(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return None
