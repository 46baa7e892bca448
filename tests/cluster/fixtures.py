"""The real components as fixtures, started once per session. Without their programs a test skips and says why."""

import fcntl
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import postgresbox
import pytest
import slurmbox
from daemons import BoxError

NODES = 3
PLACE = Path(tempfile.gettempdir())
PREFIX = "fewstep-box-"


@pytest.fixture(scope="session")
def slurm():
    """The folder of a cluster of three nodes with accounting (see `slurmbox`)."""
    yield from _cluster(accounting=True)


@pytest.fixture(scope="session")
def slurm_without_accounting():
    """The folder of a cluster of three nodes that forgets a job five minutes after its end."""
    yield from _cluster(accounting=False)


@pytest.fixture(scope="session")
def postgres():
    """The URL of a database of a real PostgreSQL server. Name your studies by `uuid4`."""
    with _folder(postgresbox.stop) as folder:
        try:
            url = postgresbox.start(folder)
        except BoxError as error:
            pytest.skip(f"no real components here: {error}")
        yield url


def _cluster(accounting):
    with _folder(slurmbox.stop) as folder:
        try:
            slurmbox.start(folder, nodes=NODES, cpus=2, accounting=accounting)
        except BoxError as error:
            pytest.skip(f"no real components here: {error}")
        yield folder


@contextmanager
def _folder(stop):
    """A folder of this session. The lock on it ends with our process, whatever ends that, so the next session knows what is
    left over, stops it and removes it; a session beside this one is left alone."""
    for old in PLACE.glob(f"{PREFIX}*"):
        _sweep(old)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
    folder.chmod(0o755)  # PostgreSQL's user must enter
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "stop").write_text(stop.__module__)
        try:
            yield folder / "box"
        finally:
            stop(folder / "box")
    shutil.rmtree(folder, ignore_errors=True)


def _sweep(folder):
    try:
        with (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            {"slurmbox": slurmbox, "postgresbox": postgresbox}[(folder / "stop").read_text()].stop(folder / "box")
    except BlockingIOError:
        return  # its session is alive
    except (OSError, KeyError):
        return  # another session is making or removing it just now, or it is not ours
    shutil.rmtree(folder, ignore_errors=True)
