"""`fewstep new-method` writes a plug-in whose test notices a wrong sign and leaves what is there (test_users.py trains it)."""

import itertools
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from bench.__main__ import main
from bench.verbs import new_method

NUMBERS = itertools.count()


@pytest.fixture
def name() -> str:
    """One for each test: a module that was imported stays."""
    return f"written_{next(NUMBERS)}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Path:
    """A folder outside of the repository, with a name that needs quotes, where a method was written."""
    folder = tmp_path / "my work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert new_method.main([name, "--out", "mine"]) == 0
    return folder


def test_its_own_test_notices_a_wrong_sign(place: Path, name: str) -> None:
    file, broken = place / "mine" / f"{name}.py", "test_it_learns_the_exact_map_of_a_gaussian"
    text = file.read_text(encoding="utf-8")
    assert text.count("- end)") == 1
    file.write_text(text.replace("- end)", "+ end)"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"mine/test_{name}.py::{broken}"]
    done = subprocess.run(command, cwd=place, capture_output=True, encoding="utf-8", check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 1 and f"FAILED mine/test_{name}.py::{broken}" in done.stdout, done.stdout


def test_what_is_there_already_is_left(place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in place.rglob("*.*")}
    (place / "mine" / f"{name}.py").unlink()
    assert new_method.main([name, "--out", "mine"]) == 2
    said = f"error: mine/method/{name}.yaml is there already, and nothing was written; choose another NAME or --out\n"
    assert capsys.readouterr().err == said
    after = {path: path.read_bytes() for path in place.rglob("*.*")}
    assert after == {path: text for path, text in before.items() if path.name != f"{name}.py"}


def test_what_to_do_next_can_be_copied(place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert new_method.main([name, "--out", "my method's"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    said, *words = shlex.split(last)
    assert said == "fewstep" and main(["plan", *words[1:]]) == 0
    assert name in capsys.readouterr().out


@pytest.mark.parametrize(("wrong", "said"), [
    ("lsd", "is a packaged method"), ("none", "is a packaged sweep"), ("json", "is a module that Python has already"),
    ("a-b", "cannot be the name of a Python module"), ("class", "cannot be the name"), ("größe", "cannot be the name"),
    ("2x", "cannot be the name"), ("_", "cannot be the name"), ("", "cannot be the name"), ("a/b", "cannot be the name"),
])  # fmt: skip
def test_a_name_that_cannot_be_used_is_told(wrong: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new_method.main([wrong, "--out", str(tmp_path / "mine")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: NAME={wrong} ") and said in told and told.count("\n") == 1
    assert not (tmp_path / "mine").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert new_method.main([name, "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith(f"error: --out {tmp_path / 'file'} cannot be written (")
