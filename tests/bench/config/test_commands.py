"""Every command line of a table gives a plan, or says what is wrong with it and ends with status 2: no traceback, no run, and
no value that silently means another."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import RIGHT, WRONG, planned, rows
from commands_folder import prepare

from bench import run
from bench.planning import backends

LINES, WIDTH = 12, 400  # what a person reads


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = list(sys.path)
    folder = tmp_path_factory.mktemp("commands")
    prepare(folder)
    yield folder
    sys.path[:] = before


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is relative lies in a folder of the test's own, and a plan that would become a run fails instead."""

    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a run was started")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backends, "execute", never)


def arguments(command: str, prepared: Path) -> list[str]:
    return shlex.split(command.replace("{tmp}", str(prepared)))


def given(command: str, prepared: Path, out: Path) -> int:
    """The exit status of the command as a plan, below `out` where it says nothing else itself."""
    own = arguments(command, prepared)
    keys = {argument.partition("=")[0] for argument in own}
    return run.main([*own, *(f"{k}={v}" for k, v in (("plan", "true"), ("out", out)) if k not in keys)])


def said(word: str, text: str) -> bool:
    """Whether one of the alternatives is in the text, as a whole word where it begins or ends with a letter or a digit."""
    return any(
        re.search(r"(?<!\w)" * each[0].isalnum() + re.escape(each) + r"(?!\w)" * each[-1].isalnum(), text)
        for each in word.split("|")
    )


def at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


def same(found: Any, expected: Any) -> bool:
    """Equal and of one kind: true is not 1, "1" is not 1, and what is written as a whole number is one."""
    if isinstance(expected, list):
        return isinstance(found, list | tuple) and len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):
        return isinstance(found, int | float) and not isinstance(found, bool) and found == expected
    return type(found) is type(expected) and found == expected


def test_the_tables_are_large_and_repeat_nothing() -> None:
    commands = [command for command, _ in (*RIGHT, *WRONG)]
    assert len(commands) >= 250 and len(set(commands)) == len(commands)


@pytest.mark.parametrize(("command", "expected"), RIGHT, ids=[command for command, _ in RIGHT])
def test_a_right_command_gives_a_plan(
    command: str, expected: dict[str, Any], prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert given(command, prepared, tmp_path / "out") == 0, capsys.readouterr().err
    shown = capsys.readouterr()
    assert "estimated wall time" in shown.out and str(expected.get("label", "")) in shown.out
    assert "error:" not in shown.err and "Traceback" not in shown.err
    assert not list(tmp_path.iterdir()), "a plan writes nothing"


@pytest.mark.parametrize(("command", "expected"), RIGHT, ids=[command for command, _ in RIGHT])
def test_a_right_command_means_what_it_says(command: str, expected: dict[str, Any], prepared: Path) -> None:
    first = planned(own := arguments(command, prepared))[0]
    for key, value in expected.items():
        found = rows(own) if key == "runs" else at(first, key)
        assert same(found, value), f"{key} is {found!r}, not {value!r}"


@pytest.mark.parametrize(("command", "words"), WRONG, ids=[command for command, _ in WRONG])
def test_a_wrong_command_is_told_what_is_wrong(
    command: str, words: tuple[str, ...], prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = given(command, prepared, tmp_path / "out")
    shown = capsys.readouterr()
    assert status == 2, f"planned:\n{shown.out}"
    assert not shown.out and "Traceback" not in shown.err
    lines = shown.err.strip().split("\n")
    assert lines[0].startswith("error: ") and len(lines) <= LINES and max(map(len, lines)) <= WIDTH, shown.err
    assert [word for word in words if not said(word, shown.err)] == [], shown.err
    assert not list(tmp_path.iterdir()), "a wrong command writes nothing"
