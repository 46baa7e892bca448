"""What TensorBoard and Weights & Biases hold of a training that was killed, read back with their own packages, offline."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from places import ROOT

from bench.accounts import Curves, offline
from results.records import read_curves

events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard")
wandb = pytest.importorskip("wandb", reason="needs wandb")
pytestmark = pytest.mark.filterwarnings("error::bench.accounts.curves.CurveWarning")  # says why, where a sink gave up
CHILD = """
import os, sys
from pathlib import Path
from bench.accounts import Curves
made = Curves(Path(sys.argv[1]), ["csv", *sys.argv[3:]], {"label": "lsd", "seed": 0})
made.begin(int(sys.argv[2]))
for step in range(int(sys.argv[2]) + 1, 9):
    made.look(step, 10 * step, {"seconds": step / 5, "loss": 1 / step})
os.kill(os.getpid(), 9)
"""


def killed(folder: Path, after: int, *names: str) -> None:
    """A process of its own that takes the curves up after that step, tells of those up to the eighth, and is killed.

    Returns when its pipes are closed: what it has started has then ended too.
    """
    folder.mkdir(exist_ok=True)
    done = subprocess.run([sys.executable, "-c", CHILD, folder, str(after), *names], cwd=ROOT, capture_output=True, timeout=240,
                          env={**os.environ, "WANDB_MODE": "offline", "PYTHONPATH": str(ROOT)})
    assert done.returncode == -signal.SIGKILL


def finished(folder: Path, after: int, *names: str, end: int = 12) -> None:
    """This process takes them up and ends well."""
    made = Curves(folder, names, {"label": "lsd", "seed": 0})
    made.begin(after)
    for step in range(after + 1, end + 1):
        made.look(step, 10 * step, {"seconds": step / 5, "loss": 1 / step})
    made.close()
    assert [look["step"] for look in read_curves(folder)] == list(range(1, end + 1))


def in_tensorboard(folder: Path) -> list[tuple[int, float]]:
    found = events.EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    assert {"loss", "images_per_second"} <= set(found.Tags()["scalars"])
    return [(each.step, each.value) for each in found.Scalars("loss")]


def in_wandb(folder: Path) -> list[tuple[int, float]]:
    wandb.teardown()  # its service writes what it was told on, after a run is finished, until it has ended itself
    found = []
    for file in sorted(folder.glob(f"wandb/offline-run-*/run-{folder.name}.wandb")):
        for record in offline.history(file):
            values = {"".join(item.nested_key) or item.key: float(item.value_json) for item in record.history.item}
            assert values["images"] == 10 * record.history.step.num == 10 * values["_step"]
            found.append((record.history.step.num, values["loss"]))
    return found


READERS: dict[str, Callable[[Path], list[tuple[int, float]]]] = {"tensorboard": in_tensorboard, "wandb": in_wandb}


@pytest.mark.parametrize("name", READERS)
def test_its_own_reader_finds_every_look_of_a_killed_run_once(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_X_SERVICE_WAIT", "240")  # of a machine that is busy
    folder = tmp_path / "lsd-digits-s0-0123456789"
    killed(folder, 0, name)
    finished(folder, 5, name)
    assert READERS[name](folder) == [(step, pytest.approx(1 / step)) for step in range(1, 13)]


def test_two_starts_in_one_second_are_read_in_their_order(tmp_path: Path) -> None:
    """The names of their files end with numbers of the process, of which the later start may have the smaller."""
    finished(tmp_path, 0, "tensorboard")
    (first,) = (tmp_path / "tensorboard").iterdir()
    stamp = first.name.split(".")[3]
    first.rename(first.with_name(first.name.replace(stamp, f"{int(time.time()) + 1}.~")))
    finished(tmp_path, 9, "tensorboard", end=15)
    assert [step for step, _ in in_tensorboard(tmp_path)] == list(range(1, 16))


def test_what_was_not_asked_for_from_the_start_is_told_of_all_of_it(tmp_path: Path) -> None:
    killed(tmp_path / "run", 0)
    finished(tmp_path / "run", 8, "tensorboard")
    assert [step for step, _ in in_tensorboard(tmp_path / "run")] == list(range(1, 13))


def test_an_offline_file_is_read_across_its_blocks_and_to_its_torn_end(tmp_path: Path) -> None:
    """Frames are as the package writes them: 4 bytes of checksum, the length, the kind; 32 kB a block."""
    def frame(kind: int, body: bytes) -> bytes:
        return bytes(4) + len(body).to_bytes(2, "little") + bytes([kind]) + body

    first = 32768 - 7 - 7 - 3  # three bytes are left of the block, too few for a frame
    content = b":W&B\xe1\xbe\x00" + frame(1, b"a" * first) + bytes(3) + frame(2, b"b" * 32761) + frame(4, b"c") + frame(1, b"d")
    messages = list(offline._messages(content + frame(1, b"torn")[:-1]))
    assert messages == [b"a" * first, b"b" * 32761 + b"c", b"d"]
