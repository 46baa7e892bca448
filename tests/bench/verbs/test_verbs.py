"""A verb is another name of a command: it gets the words to the letter, says the exit status, and loads nothing else."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from places import ROOT

from bench import __main__ as command
from bench.__main__ import VERBS, Does, main
from bench.conf import names
from bench.verbs import words

HEAVY = {"torch", "numpy", "pandas", "matplotlib", "scipy", "sklearn", "optuna", "submitit", "torchvision", "cleanfid", "PIL"}


def test_a_verb_gets_its_words_to_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []
    fake = ModuleType("fake")
    fake.main = lambda arguments: given.append(arguments) or 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake", fake)
    monkeypatch.setitem(command.VERBS, "report", Does("fake:main", ""))
    for said in (["--", "-h", "x"], ["--help"], ["--version", "a b", "", "--out=x"], ["-x", "--", "--"], ["report"], []):
        assert main(["report", *said]) == 7
        assert given[-1] == said


@pytest.mark.parametrize("words", [["sweep=none", "method=lds"], ["method=lds", "--help"], ["--help", "method=lds"]])
def test_words_without_a_verb_are_those_of_run(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == main(["run", *words]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == second and first.startswith("error: method=lds is not valid; nearest: ")


def test_a_plan_is_that_of_the_same_words_and_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["budget.images=128", "evaluation.steps=[1]", "evaluation.seeds=[0]", "evaluation.count=64", "backend.workers=0"]
    words = ["sweep=none", "method=psd_m", *few, f"out={tmp_path}"]
    assert main(["run", *words, "plan=true"]) == main(["plan", *words]) == 0
    said = capsys.readouterr().out
    assert said[: len(said) // 2] == said[len(said) // 2 :] and "psd_m" in said
    assert list(tmp_path.iterdir()) == []
    assert main(["plan", "--help", "seed"]) == 0 and "seed=" in capsys.readouterr().out


def test_without_words_the_verbs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(said.count(f"\n  {verb} ") == 2 for verb in VERBS)


@pytest.mark.parametrize(("word", "said"), [
    ("reprot", "nearest: report."), ("plans", "nearest: plan."), ("Run", "nearest: run."), ("lsd", "'lsd' is no verb"),
    ("--vers", "--version"), ("--profile", "--profile"),
])  # fmt: skip
def test_what_is_no_verb_is_told_in_a_line(word: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word, "x"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("error: ") and told.err.count("\n") == 1 and said in told.err


def test_every_verb_is_there() -> None:
    for verb, does in VERBS.items():
        module, _, function = does.place.partition(":")
        assert callable(getattr(import_module(module), function)), verb


def test_the_help_of_a_verb_loads_its_own_command_and_nothing_heavy() -> None:
    """In a process of each: all begin with what the one command needs."""
    code = f"""if True:
        import os, sys
        from bench.__main__ import VERBS, main
        commands = {{does.place.partition(":")[0] for does in VERBS.values()}}
        for verb, does in VERBS.items():
            if os.fork() == 0:
                before = set(sys.modules)
                try:
                    status = main([verb, "--help"])
                except SystemExit as end:
                    status = end.code
                others = (commands - {{does.place.partition(":")[0]}}) & (set(sys.modules) - before)
                others -= {{{{"data": "bench.verbs.lists", "diff": "results.report"}}.get(verb)}}
                print("\\nAT", verb, status, sorted(others), sorted({HEAVY!r} & set(sys.modules)), flush=True)
                os._exit(0)
            os.wait()
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, encoding="utf-8")
    assert [line for line in done.stdout.splitlines() if line.startswith("AT ")] == [f"AT {verb} 0 [] []" for verb in VERBS]
    pages = [page.strip() for page in done.stdout.split("AT ")]
    assert all(len(page.splitlines()) > 2 for page in pages[:-1])


def test_a_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("fewstep")


@pytest.mark.parametrize(("before", "begun", "found"), [
    (["run"], "sweep=digits_q", ["sweep=digits_quickstart"]),
    (["run", "sweep", "="], "digits_q", ["digits_quickstart"]),  # bash
    (["run", "data"], "", names("data")),  # bash, at the sign itself
    (["run"], "method=lsd,flow_m", ["method=lsd,flow_matching"]),
    (["run"], "preset=self_distillation/ci", ["preset=self_distillation/cifar10"]),
    (["run"], "bac", [f"{key}={name}" for key in ("backbone", "backend") for name in names(key)]),
    (["run"], "", [f"{key}=" for key in words.KEYS]),
    (["run"], "out=some", [""]), (["run", "out", "="], "some", [""]), (["report"], "some", [""]), (["run"], "zz", [""]),
])  # fmt: skip
def test_a_shell_is_answered_with_names(before: list[str], begun: str, found: list[str]) -> None:
    (verb, *said) = before
    made = words.after(said, begun) if VERBS[verb].follows == "choices" else words.FILES
    assert [item.value for item in made] == found
    assert all((item.type == "file") == (item.value == "") for item in made)


def test_a_plugin_s_names_are_completed(tmp_path: Path) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "halves.yaml").touch()
    for said in ([f"plugins={tmp_path}"], ["plugins", "=", str(tmp_path)]):
        assert [item.value for item in words.after(said, "method=halv")] == ["method=halves"]


def test_a_shell_is_answered_without_hydra_and_pytorch() -> None:
    asked = {"_FEWSTEP_COMPLETE": "bash_complete", "COMP_WORDS": "fewstep run sweep = digits_q", "COMP_CWORD": "4"}
    code = f"""if True:
        import sys
        from bench.__main__ import main
        assert main() == 0 and not (found := {HEAVY | {"hydra", "omegaconf", "pydantic", "yaml"}!r} & set(sys.modules)), found
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, encoding="utf-8",
                          env={**os.environ, **asked})
    assert done.stdout == "plain,digits_quickstart\n"


@pytest.mark.parametrize(("words", "status"), [(["bash"], 0), (["fish"], 0), (["zsh"], 0), (["tcsh"], 2), ([], 2)])
def test_the_script_for_a_shell_is_printed(words: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", *words]) == status
    told = capsys.readouterr()
    assert ("_FEWSTEP_COMPLETE" in told.out) == (status == 0) and ("bash, zsh, fish" in told.err) == (status == 2)
    assert told.err.endswith("; 'tcsh' is none of them\n" if words == ["tcsh"] else "fewstep completion bash\n" * (status == 2))


def test_what_a_script_is_put_into_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of the help, typed by a user whose home is empty."""
    assert main(["completion", "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert [line.partition("fewstep completion ")[2].split()[0] for line in lines] == ["bash", "zsh", "fish"]
    (tmp_path / "fewstep").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "fewstep").chmod(0o755)
    for line in lines:
        subprocess.run(["sh", "-ec", line], check=True, env={"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (tmp_path / ".config/fish/completions/fewstep.fish").read_text() == "completion fish\n"
