"""Experiments that train nothing but fail in every way, to test the scheduler. No torch: workers start fast."""

import json
import os
import signal
import time
from pathlib import Path


def execute(config, folder, report):
    """Acts as `config["act"]` says, and keeps the books that the tests read."""
    folder = Path(folder)
    with (folder / "executions.jsonl").open("a") as file:
        threads = os.environ.get("OMP_NUM_THREADS")
        line = {"pid": os.getpid(), "worker": os.environ.get("FEWSTEP_WORKER"), "threads": threads, "at": time.time()}
        file.write(json.dumps(line) + "\n")
    write_status(folder, "running")
    outcome = ACTS[config.get("act", "done")](config, folder, report)
    write_status(folder, outcome)
    return outcome


def write_status(folder, status):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "new.json").write_text(json.dumps({"status": status}))
    os.replace(folder / "new.json", folder / "run.json")


def executions(out, id):
    file = Path(out) / "runs" / id / "executions.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def done(config, folder, report):
    report({"stage": "train", "images": 1, "budget": 1})
    print("printed by a run")
    return "done"


def diverge(config, folder, report):
    return "diverged"


def fail(config, folder, report):
    raise ValueError("no such thing\nsecond line")


def leave(config, folder, report):
    raise SystemExit(0)


def nonsense(config, folder, report):
    return "running"


def die(config, folder, report):
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(config, folder, report):
    if len((folder / "executions.jsonl").read_text().splitlines()) == 1:
        die(config, folder, report)
    return "done"


def die_after_the_end(config, folder, report):
    write_status(folder, "done")
    die(config, folder, report)


def wait_for_file(config, folder, report):
    """Makes steps until the gate opens; resumes at its last step; stops when it is told to."""
    saved = folder / "step.txt"
    step = int(saved.read_text()) if saved.exists() else 0
    while not Path(config["gate"]).exists():
        step += 1
        if report({"stage": "train", "images": step, "budget": 1000}):
            saved.write_text(str(step))
            return "interrupted"
        time.sleep(0.005)
    return "done"


def deaf(config, folder, report):
    """Reaches no step boundary while the gate is shut."""
    while not Path(config["gate"]).exists():
        time.sleep(0.005)
    return "done"


def deaf_once(config, folder, report):
    """Hangs in its first execution, after its first step."""
    report({"stage": "train", "images": 1, "budget": 2})
    while len((folder / "executions.jsonl").read_text().splitlines()) == 1:
        time.sleep(0.05)
    return "done"


def climb(config, folder, report):
    """A trial of a search: scores itself four times, and between them reaches many steps. It goes on when a score was read, and
    has then not been told to stop: a controller may be slow."""
    file = folder / "scores.json"
    scores = json.loads(file.read_text()) if file.exists() else {}
    for images in (25, 50, 75, 100)[len(scores):]:
        for _ in range(20):
            if report({"stage": "train", "images": images - 25, "budget": 100}):
                return "interrupted"
            time.sleep(0.02)
        scores[images] = abs(config["lr"] - 0.001) + 1 / images
        (folder / "new-scores.json").write_text(json.dumps(scores))
        os.replace(folder / "new-scores.json", file)
        while images < 100 and not (folder / f"read-{images}").exists():
            if report({"stage": "train", "images": images - 25, "budget": 100}):
                return "interrupted"
            time.sleep(0.02)
    return "done"


ACTS = {act.__name__: act for act in (done, diverge, fail, leave, nonsense, die, die_once, die_after_the_end,
                                      wait_for_file, deaf, deaf_once, climb)}
