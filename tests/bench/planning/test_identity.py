"""Runs are the same runs: ids, protocols and folders of the version before the rooms (commit 324a7bd) are this version's.

tests/golden/ids.json: what that version planned for these commands, with the digests of its searches (long lists as count
and hash). tests/golden/earlier.tar.gz: its outputs folder after a small sweep, one run of which was killed half-way.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from places import TESTS

from bench import run
from bench.config import request
from bench.planning import jobs
from bench.planning.tune import tuned
from methods.imm import IMM

IDS: dict[str, Any] = json.loads((TESTS / "golden" / "ids.json").read_text())
THEN = "budget.images=160000"  # of the digits' sweeps; 120,000 since
SHORTENED = ("sweep=digits_quickstart", "sweep=digits_all_methods", "sweep=digits_tuned",
             "method=lmd seed=7 backend=slurm backend.partition=gpu")
NAMED = " method=flow_matching,edm,"  # the methods that there were then follow the names of sweeps that have more since
SWEEP = [
    "sweep=digits_quickstart", "method=flow_matching,lmd,ect,psd_m", "seed=0", "budget.images=1280", "budget.batch=64",
    "backbone.width=8", "backbone.depth=1", "backbone.embedding=8", "train.checkpoints=4", "train.logs=4",
    "evaluation.steps=[1,2]", "evaluation.seeds=[0]", "evaluation.count=64", "evaluation.chunk=64", "backend=debug",
]  # fmt: skip


def planned(command: str) -> list[str]:
    wanted = request(command.split())
    if wanted.sweep.search is None:
        return [job.id for job in jobs(wanted.experiments)]
    search = tuned(wanted, preview=True)
    digests = [f"contender {each.contender.name} {each.contender.digest}" for each in search.methods]
    return [*(job.id for job in search.preview()), *digests]


@pytest.mark.parametrize("command", IDS)
def test_run_ids_are_those_of_before(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IMM, "version", 1)  # its loss was mended since
    found: list[Any] = planned(f"{command} {THEN}" if command.partition(NAMED)[0] in SHORTENED else command)
    if isinstance(IDS[command][0], int):
        found = [len(found), hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]]
    assert found == IDS[command]


def test_an_outputs_folder_of_before_is_continued_and_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.unpack_archive(TESTS / "golden" / "earlier.tar.gz", tmp_path)
    out = tmp_path / "earlier"
    before = {path: path.read_bytes() for path in (out / "runs").rglob("*") if path.is_file()}
    (killed,) = (path for path in (out / "runs").glob("psd_m-*"))
    assert json.loads((killed / "run.json").read_text())["status"] == "running"
    assert run.main([*SWEEP, f"out={out}"]) == 0
    # Its protocol has another version since: finished runs are scored again beside their former rows, and nothing is trained.
    for path, content in before.items():
        if killed in path.parents or path.name in (".lock", "run.json") or "attempts" in path.parts:
            continue
        if path.name == "evals.jsonl" and not path.parent.name.startswith("reference-"):
            assert path.read_bytes().startswith(content) and path.stat().st_size > len(content)
        elif path.name != "evals.jsonl":
            assert path.read_bytes() == content, f"{path.relative_to(out)} was touched"
    for path in (path for path in before if path.name == "run.json" and path.parent != killed):
        then, now = json.loads(before[path]), json.loads(path.read_text())
        assert now["status"] == "done" and now["config"]["protocol"]["version"] > then["config"]["protocol"]["version"]
        assert all(now[key] == then[key] for key in ("images_seen", "train_seconds", "forward_rows", "backward_rows"))
    assert "4 finished runs taken up again: its evaluation is asked for otherwise now" in capsys.readouterr().out
    assert run.main([*SWEEP, f"out={out}"]) == 0
    assert "taken up again" not in capsys.readouterr().out
    record = json.loads((killed / "run.json").read_text())
    assert (record["status"], record["attempts"], record["images_seen"]) == ("done", 2, 1280)
    steps = [json.loads(line) for line in (killed / "progress.jsonl").read_text().splitlines()]
    assert [line["step"] for line in steps if "loss" in line] == [5, 10, 15, 20], "it went on at step 10"
    assert len(list((out / "runs").iterdir())) == 5
    (file,) = (out / "sweeps").glob("digits_quickstart-*/leaderboard.csv")
    table = file.read_text()
    assert all(f"\n{name}," in table for name in ("flow_matching", "lmd", "ect", "psd_m"))


def test_a_precision_is_part_of_an_identity_and_float32_is_what_it_was_before() -> None:
    asked = {precision: f"sweep=none method=lsd train.precision={precision}" for precision in ("float32", "tf32", "bf16")}
    ids = {precision: planned(command) for precision, command in asked.items()}
    assert ids["float32"] == planned("sweep=none method=lsd")
    assert len({names[-1] for names in ids.values()}) == 3
    unet = "sweep=none method=lsd backbone=unet_small"
    assert planned(unet) == planned(f"{unet} backbone.checkpoint=blocks")
