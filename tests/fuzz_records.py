"""80 damaged output folders (FEWSTEP_FUZZ=200: so many), one file each: `python -m pytest tests/fuzz_records.py`.

The same command goes on: it ends without a traceback, and either with status 0 and every number of before, or with another
status and words that name the file or its folder. The commands that only look end without a traceback too.
"""

import contextlib
import io
import json
import os
import random
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench import run
from results import diff, report
from sweeps import clean, status

COMMAND = [
    "sweep=none", "sweep.name=fuzzed", "method=lsd,lmd", "data=digits", "seed=0", "budget.images=512", "budget.batch=64",
    "evaluation.steps=[1,2]", "evaluation.count=64", "evaluation.chunk=64", "backbone.width=8", "backbone.depth=1",
    "train.checkpoints=2", "backend.workers=0",
]
EXAMPLES = int(os.environ.get("FEWSTEP_FUZZ", "80"))  # a tenth of a second to two each
# What a damaged record may say instead of what it said.
VALUES: list[Any] = [None, "", "x", -1, 0, 1e400, [], {}, [None], {"a": 1}, True]


def command(out: Path) -> int:
    return run.main([*COMMAND, f"out={out}"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fuzz") / "out"
    assert command(out) == 0
    return out


def numbers(out: Path) -> pd.DataFrame:
    frame = pd.read_csv(out / "sweeps/fuzzed/leaderboard.csv")
    return frame[[column for column in frame if not any(word in column for word in ("seconds", "hours", "memory"))]]


def torn(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def flipped(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 8])):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def line_gone(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[chance.randrange(len(lines) or 1) :][:1]
    return b"".join(lines[:-1] if len(lines) > 1 else lines)


def altered(content: bytes, chance: random.Random) -> bytes:
    """One value of one object, at any depth, changed under its checksum."""
    lines = [content] if content.startswith(b"{\n") else content.splitlines()
    at = chance.randrange(len(lines) or 1)
    try:
        whole = json.loads(lines[at])
    except (ValueError, IndexError):
        return flipped(content, chance)
    place = whole
    while isinstance(place, dict) and place:
        key = chance.choice(sorted(place))
        if isinstance(place[key], dict) and place[key] and chance.random() < 0.7:
            place = place[key]
        elif chance.random() < 0.4:
            del place[key]
            break
        else:
            place[key] = chance.choice(VALUES)
            break
    lines[at] = json.dumps(whole).encode()
    return b"\n".join(lines) + b"\n"


def rewritten(content: bytes, chance: random.Random) -> bytes:
    """The same by another program: whole files without a checksum, of which nobody can say that they are not meant."""
    return re.sub(rb',\s*"sum": "\w+"', b"", altered(content, chance))


def another(content: bytes, chance: random.Random) -> bytes:
    return chance.choice([b"", b"\n", b"null", b"[]", b"{}", b"3", b'"x"', b"[" * 5000, b"\x00" * 64, b"\xff\xfe{}"])


DAMAGE: list[Callable[[bytes, random.Random], bytes]] = [torn, flipped, line_gone, altered, altered, rewritten, another]


def answered(what: Callable[[], int]) -> tuple[int, str]:
    """Exit status and what was said; an exception is the test's failure."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *more: print(message, file=said)
        try:
            code = what()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, said.getvalue()


@settings(max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32 - 1))
def test_a_damaged_folder_is_mended_or_told(finished: Path, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance, out = random.Random(seed), tmp_path_factory.mktemp("damaged") / "out"
    shutil.copytree(finished, out)
    before, files = numbers(out), sorted(p for p in out.rglob("*") if p.is_file() and p.suffix not in (".png", ".html", ".csv"))
    kinds = sorted({p.name if p.suffix != ".pt" else "*.pt" for p in files})
    kind = chance.choice([*kinds, "run.json", "evals.jsonl"])
    file = chance.choice([p for p in files if p.match(kind)])
    damage = chance.choice(DAMAGE)
    file.write_bytes(damage(file.read_bytes(), chance))
    what = f"{file.relative_to(out)} {damage.__name__}"
    sweep = out / "sweeps" / "fuzzed"
    for look in (lambda: status.main([str(sweep), "--tries"]), lambda: report.main([str(sweep), "--out", str(out / "aside")]),
                 lambda: diff.main([str(p) for p in sorted((out / "runs").iterdir())[:2]]),
                 lambda: clean.main(["--out", str(out)])):
        code, said = answered(look)
        assert code in (0, 1, 2) and "Traceback" not in said, (what, said)
    code, said = answered(lambda: command(out))
    assert "Traceback" not in said, (what, said)
    if code == 0 and damage is not rewritten:
        pd.testing.assert_frame_equal(numbers(out), before, obj=what)
    elif code:
        assert file.name in said or file.parent.name in said, (what, code, said)
    shutil.rmtree(out.parent)
