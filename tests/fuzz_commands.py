"""500 generated command lines and sweep files, right and wrong: `python -m pytest tests/fuzz_commands.py`.

No traceback; status 0 or 2; a plan holds every method that was asked for, and every key has the value that was written (by
an oracle of our own: YAML's scalars), or none; however a right command is written, the plan is that of its plain form.
"""

import contextlib
import io
import math
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from commands import planned
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench import run


def fuzz(examples: int) -> settings:
    """None is shrunk, which would take longer than all of them."""
    return settings(max_examples=examples, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


METHODS = ["flow_matching", "lsd", "ect", "meanflow", "lmd", "sct", "progressive"]
# Keys with values that are right, as they may be written.
KEYS: dict[str, list[str]] = {
    "seed": ["0", "3", "12"],
    "train.lr": ["1e-3", "0.001", ".001", "2", "5e-4"],
    "train.optimizer": ["adam", "radam", "'adamw'"],
    "train.warmup": ["0", "0.0", "0.1"],
    "train.clip": ["0", "1", "2.5"],
    "train.ema": ["[0.999]", "[0]", "[0.9, 0.99]", "[0.9,0.99]"],
    "train.betas": ["[0.9,0.99]", "[0, 0.5]"],
    "train.dropout": ["true", "false", "True"],
    "train.logs": ["1", "50"],
    "budget.images": ["1280", "25600"],
    "budget.batch": ["64", "128"],
    "budget.micro_batch": ["null", "32"],
    "backbone.width": ["8", "64"],
    "evaluation.steps": ["[1]", "[1,2]", "[1, 2, 4]"],
    "evaluation.seeds": ["[0]", "[0,1]"],
    "evaluation.count": ["null", "64"],
    "evaluation.grid": ["untuned", "papers"],
    "interpolant.base_scale": ["1", "0.5"],
    "teacher.weak_share": ["0.25", "0.5"],
}
SCALARS = [key for key in KEYS if not KEYS[key][0].startswith("[")]
JUNK = ["no", "off", "maybe", "-1", "0", "1.5", "1.0", "nan", "inf", "-inf", "1e400", "9" * 25, "''", "abc", "0-3", "007",
        "1_000", "0x10", "1:30", "[]", "[[]]", "[1,1]", "[-1]", "[a]", "{}", "{a: 1}", "null", "ä", "a b", "'a b'", "$HOME",
        "${seed}", "~", "os:system", "true,maybe", "1,abc", "(", "\\", "\"", "[1", "{",
        "=", "==", "@", "#", "range(0,3)", "choice()", "*"]
TEXT = st.text(alphabet=string.ascii_letters + string.digits + " .,:=[]{}()'\"\\$~+-*#@!?_/äß\u2028", max_size=12)


def answer(arguments: list[str], out: Path) -> tuple[int, str, str]:
    """Exit status and what is said; an exception is the test's failure, and so is a run that starts."""
    shown, told = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(shown), contextlib.redirect_stderr(told),
        mock.patch("bench.planning.backends.execute", side_effect=AssertionError("a run was started")),
    ):
        status = run.main([*arguments, "plan=true", f"out={out}"])
    return status, shown.getvalue(), told.getvalue()


def honest(arguments: list[str], methods: list[str], wanted: dict[str, str], out: Path) -> list[dict[str, Any]]:
    """What is planned, nothing where the command is refused, after what holds of every answer."""
    status, shown, told = answer(arguments, out)
    assert status in (0, 2), told
    assert "Traceback" not in shown + told
    assert not out.exists(), "a plan writes nothing"
    if status == 2:
        lines = told.strip().splitlines()
        assert lines and all(line.startswith("error: ") for line in lines) and not shown
        return []
    experiments = planned([*arguments, "plan=true", f"out={out}"])
    assert {each["label"].split()[0] for each in experiments} >= set(methods), "a method is missing from the plan"
    for key, text in wanted.items():
        for each in experiments:
            assert meant(at(each, key), text), f"{key}={text} became {at(each, key)!r}"
    return [{**each, "sweep": None} for each in experiments]


def at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


def meant(found: Any, text: str) -> bool:
    """Whether a parsed value is what a person reads in the text. YAML misses numbers such as 1e-3, which people write."""
    if isinstance(found, tuple | list):
        given = yaml.safe_load(text)
        return isinstance(given, list) and len(given) == len(found) and all(map(meant, found, map(str, given)))
    plain = text.strip().strip("'\"")
    if found is None:
        return plain.lower() == "null"
    if isinstance(found, bool):
        return plain.lower() == str(found).lower()
    if isinstance(found, int | float):
        with contextlib.suppress(ValueError):
            return math.isfinite(found) and float(plain) == found
        return False
    return str(found) == plain


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        yield made


SEVERAL = st.lists(st.sampled_from(METHODS), min_size=1, max_size=3, unique=True)
OTHERS = ["train.lrr", "method.eta", "method.target", "evaluation.steps", "data.name", "backend.workers", "plan", "detach",
          "plugins", "sweep.axes", "sweep.name", "train", "budget", "method", "data", "hydra.run.dir"]
IN_SWEEP = ["name", "axes", "also", "only", "one_at_a_time", "knobs", "note", "published", "search", "x"]
VALUES = ["[0, 1]", "[1e-3, 2e-3]", "[lsd, ect]", "{lsd: {eta: 0.5}}", "mine", "5"]
SOME = st.lists(st.sampled_from(list(KEYS)), max_size=5, unique=True).flatmap(
    lambda keys: st.fixed_dictionaries({key: st.sampled_from(KEYS[key]) for key in keys})
)


@fuzz(60)
@given(SEVERAL, SOME, st.randoms(use_true_random=False))
def test_a_right_command_plans_the_same_however_it_is_written(
    folder: Path, methods: list[str], chosen: dict[str, str], r: Any
) -> None:
    plain = ["sweep=none", f"method={','.join(methods)}", *(f"{key}={value}" for key, value in chosen.items())]
    written = plain.copy()
    r.shuffle(written)
    written = [each if r.random() < 0.7 or "[" in each else each.replace("=", "= ", 1) for each in written]
    if chosen and r.random() < 0.5:  # an earlier value is overruled by a later one
        key = r.choice(list(chosen))
        written.insert(0, f"{key}={r.choice(KEYS[key])}")
    found = honest(plain, methods, chosen, folder / "out")
    assert sorted(found, key=repr) == sorted(honest(written, methods, chosen, folder / "out"), key=repr)


@fuzz(160)
@given(st.sampled_from(METHODS), SOME, st.sampled_from([*SCALARS, *OTHERS]), st.one_of(st.sampled_from(JUNK), TEXT),
       st.sampled_from(["", "", "", "+", "++", "~"]))
def test_a_command_with_something_wrong_is_told_or_means_what_it_says(
    folder: Path, method: str, chosen: dict[str, str], key: str, junk: str, sign: str
) -> None:
    chosen = {k: v for k, v in chosen.items() if k != key}
    arguments = ["sweep=none", f"method={method}", *(f"{k}={v}" for k, v in chosen.items()), f"{sign}{key}={junk}"]
    other = any(sign in junk for sign in (",", "(", "${")) or key == "method"  # an axis, or the value of another key
    wanted = chosen | ({key: junk} if key in KEYS and not other else {})
    found = honest(arguments, [] if key == "method" else [method], wanted, folder / "out")
    assert not (sign and found), "a key is neither added nor removed"


@fuzz(120)
@given(TEXT, TEXT, st.sampled_from(METHODS))
def test_any_text_at_all_is_answered(folder: Path, first: str, second: str, method: str) -> None:
    honest([f"method={method}", "sweep=none", first, second], [], {}, folder / "out")


@fuzz(160)
@given(SEVERAL, SOME, st.dictionaries(st.sampled_from(IN_SWEEP), st.sampled_from([*JUNK, *VALUES]), max_size=2),
       st.sampled_from(["", "", "", "\t", "\ufeff", "]", "seed: 0\nseed: 1", "\r\n", "- a", "&a *a", "\x00"]))
def test_a_sweep_file_is_read_as_it_is_written_or_refused(
    folder: Path, methods: list[str], chosen: dict[str, str], odd: dict[str, str], noise: str
) -> None:
    lines = ["# @package _global_"]
    sections: dict[str, list[str]] = {}
    for key, value in chosen.items():
        group, _, name = key.partition(".")
        sections.setdefault(group, []).append(f"{name}: {value}" if name else value)
    for group, inner in sections.items():
        lines.append(f"seed: {inner[0]}" if group == "seed" else f"{group}: {{{', '.join(inner)}}}")
    sweep = {"name": "mine", "axes": f"{{method: [{', '.join(methods)}]}}"} | odd
    lines.append(f"sweep: {{{', '.join(f'{key}: {value}' for key, value in sweep.items())}}}")
    path = folder / "plug" / "sweep" / "fuzz.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, noise]), encoding="utf-8")
    honest(["sweep=fuzz", f"plugins={folder / 'plug'}"], [] if odd else methods, {} if odd else chosen, folder / "out")
