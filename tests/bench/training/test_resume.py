"""A run that is killed and continued equals an undisturbed one, bit for bit."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from places import ROOT
from small_runs import bits, planned, run

from bench.job import execute
from bench.training import checkpoint
from results.records import read_curves, read_run, write_run

CHILD = """
import json, os, re, signal, sys, threading, time
from pathlib import Path
from bench.job import execute

def watch(log, step):
    while not (log.exists() and any(int(n) >= step for n in re.findall(r'"step": (\\d+),', log.read_text()))):
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
threading.Thread(target=watch, args=(folder / "progress.jsonl", int(sys.argv[2])), daemon=True).start()
execute(json.loads((folder / "plain.json").read_text()), str(folder), lambda m: False)
"""


@pytest.mark.parametrize(("method", "steps"), [("lsd", (30, 110)), ("progressive", (290,))])
def test_a_run_killed_at_random_moments_ends_bitwise_like_an_undisturbed_one(
    tmp_path: Path, method: str, steps: tuple[int, ...]
) -> None:
    made = planned(method)
    run(tmp_path / "calm", made)
    run(tmp_path / "rough", made[:-1])
    job, folder = made[-1], tmp_path / "rough" / made[-1].id
    folder.mkdir(parents=True)
    (folder / "plain.json").write_text(json.dumps(job.config))
    for step in steps:  # progressive's third round of three begins at step 240 of 400
        _kill_at(folder, step)
    assert execute(job.config, str(folder), lambda m: False) == "done"
    assert bits(folder) == bits(tmp_path / "calm" / job.id)
    rough, calm = _untimed(folder), _untimed(tmp_path / "calm" / job.id)
    assert [look["step"] for look in rough] == [look["step"] for look in calm], "its curves too: every look once"
    apart = sum(one != other for one, other in zip(rough, calm, strict=True))
    assert apart <= len(steps), "but for the mean since the last look, of which a checkpoint keeps nothing"


def _untimed(folder: Path) -> list[dict[str, float]]:
    """The curves without what a clock says."""
    return [{k: v for k, v in look.items() if "second" not in k} for look in read_curves(folder)]


def _kill_at(folder: Path, step: int) -> None:
    """The run as a process of its own, whose thread SIGKILLs it once its log has reached `step`: nobody else would be in time
    on a busy machine."""
    done = subprocess.run([sys.executable, "-c", CHILD, folder, str(step)], cwd=ROOT,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == -signal.SIGKILL, "the run ended before it could be killed"


def test_a_polite_stop_saves_and_continues_bitwise(tmp_path: Path) -> None:
    made = planned("meanflow")
    run(tmp_path / "calm", made)
    assert run(tmp_path / "rough", made, stop_after=0) == "interrupted"
    assert run(tmp_path / "rough", made) == "done"
    assert bits(tmp_path / "rough" / made[-1].id) == bits(tmp_path / "calm" / made[-1].id)


def test_a_flipped_byte_is_found_and_an_older_checkpoint_used(tmp_path: Path) -> None:
    made = planned("psd_m")
    run(tmp_path, made)
    folder = tmp_path / made[-1].id
    before = bits(folder)
    newest = folder / "checkpoints" / before[0]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with pytest.warns(checkpoint.CheckpointWarning, match=newest.name):
        execute(made[-1].config, str(folder), lambda m: False)
    assert bits(folder) == before


def test_a_run_on_other_data_than_it_was_begun_with_is_refused(tmp_path: Path) -> None:
    made = planned("psd_m")
    run(tmp_path, made, stop_after=0)
    folder = tmp_path / made[-1].id
    write_run(folder, replace(read_run(folder), data_hash="0" * 64))
    with pytest.raises(ValueError, match="other data"):
        run(tmp_path, made)


@pytest.mark.parametrize("method", ["lsd", "imm", "ect", "meanflow"])
def test_micro_batches_give_the_same_result_to_rounding(tmp_path: Path, method: str) -> None:
    finals = []
    for size in ("null", "32"):
        made = planned(method, "budget.images=2560", f"budget.micro_batch={size}")
        run(tmp_path / size, made)
        found = checkpoint.newest(tmp_path / size / made[-1].id / "checkpoints")
        assert found is not None
        finals.append(found[1]["ema"]["0.999"])
    for name, value in finals[0].items():
        torch.testing.assert_close(value, finals[1][name], rtol=2e-2, atol=2e-4)


def test_micro_batches_do_not_change_a_runs_identity() -> None:
    assert planned("lsd")[-1].id == planned("lsd", "budget.micro_batch=32")[-1].id
    assert planned("lsd")[-1].id != planned("lsd", "budget.batch=64")[-1].id


def test_samples_do_not_depend_on_the_evaluation_batch(tmp_path: Path) -> None:
    made = planned("psd_m", "budget.images=2560")
    rows = []
    for size in (7, 128, 4096):
        made[-1].config["evaluation"]["batch"] = size
        run(tmp_path / str(size), made)
        rows.append((tmp_path / str(size) / made[-1].id / "evals.jsonl").read_text())
    assert rows[0] == rows[1] == rows[2]
