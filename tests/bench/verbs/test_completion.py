"""A key that is pressed in a real shell completes verbs and the packaged names, at once."""

import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source {script}"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; source {script}"),
    "fish": (["fish", "--no-config", "-i"], "source {script}"),
}  # fmt: skip
SAYS = """#!/bin/sh
if [ -n "$_FEWSTEP_COMPLETE" ]; then exec {python} -m bench; fi
printf 'GIVEN<%s>\\n' "$*"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a `fewstep` that says what it was given."""
    script = tmp_path / "bin" / "fewstep"
    script.parent.mkdir()
    script.write_text(SAYS.format(python=sys.executable), encoding="utf-8")
    script.chmod(0o755)
    return tmp_path


def typed(shell: str, place: Path, keys: str) -> str:
    """What the command was given after these keys, pressed in an interactive shell."""
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}: tests/install.sh")
    started, setup = SHELLS[shell]
    script = place / "completion"
    made = subprocess.run([sys.executable, "-m", "bench", "completion", shell], capture_output=True, check=True, cwd=ROOT)
    script.write_bytes(made.stdout)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(place)
        os.execvpe(started[0], started, {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
                                         "HOME": str(place), "TERM": "dumb", "LC_ALL": "C.UTF-8"})
    try:
        asked(terminal, f" {setup.format(script=script)}; printf 'RE%s\\n' ADY\r", "READY")
        return asked(terminal, f"fewstep {keys}\t\r", ">\r").rpartition("GIVEN<")[2].partition(">")[0]
    finally:
        os.kill(process, 9)
        os.close(terminal)
        os.waitpid(process, 0)


def asked(terminal: int, keys: str, until: str) -> str:
    """What the shell shows up to `until`; it reads a key when it is done with the one before."""
    os.write(terminal, keys.encode())
    seen = ""
    while until not in seen:
        assert select.select([terminal], [], [], 60)[0], f"nothing more after {seen!r}"
        seen += os.read(terminal, 65536).decode(errors="replace")
    return seen


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("keys", "given"), [("rep", "report"), ("run sweep=digits_q", "run sweep=digits_quickstart")])
def test_a_key_completes(shell: str, keys: str, given: str, place: Path) -> None:
    assert typed(shell, place, keys).strip() == given
