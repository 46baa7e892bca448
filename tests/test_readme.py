"""The README and the pages of its rooms are true: tables are those of the reference runs, links lead somewhere, every key
exists, and every command is executed, planned, or listed below with the reason why it is neither.

Commands run word for word in a folder that holds what their reader has by then: the quickstart's outputs (at a tiny budget),
images, samples, and the files that the pages themselves tell to write.
"""

import re
import runpy
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from readme_tables import BLOCK, PAGES, filled

from bench import run
from results.compared import published
from results.tables import table

ROOT = Path(__file__).parent.parent
CONF = ROOT / "bench" / "conf"
TEXTS = {page: (ROOT / page).read_text() for page in PAGES}
FENCE = re.compile(r"^```(\w*)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)  # language, file to write, content
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
STARTS = ("python ", "pip ", "torchrun ", "tests/", "fewstep ")  # inline code that begins so is a command, but for bare paths
GROUPS = "data|backbone|method|interpolant|budget|train|teacher|evaluation|backend|sweep"
CHOICE = re.compile(r"(?<![\w./-])(data|backbone|method|sweep|backend)=([a-z][\w/]*)")
KEY = re.compile(rf"(?<![\w./-])(?:{GROUPS})(?:\.[a-z_]\w*)+")
SMALL = ["budget.images=2560", "backbone.width=32", "backbone.depth=1", "evaluation.seeds=[0]", "evaluation.steps=[1,4]",
         "evaluation.count=64", "backend.workers=0"]
NAMED = "sweep.name=digits_quickstart"  # else a smaller sweep has a folder of its own
NOT_HERE = {
    "python -m pip install": "changes the environment; the gate gives it a fresh one",
    "pip install": "the same",
    "python -m pytest": "runs this test; the benchmarks take minutes",
    "python tests/faults.py": "breaks every method in turn, for hours; the gate runs a part",
    "python tests/make_reference.py": "trains for half an hour, and writes what a test here compares with the records",
    "python tests/support/methods_table.py": "writes the page that a test here compares with the code",
    "python tests/support/readme_tables.py": "writes the pages that a test here compares with the records",
    "tests/install.sh": "installs system packages, as root, from the network",
    "python tests/cluster/slurmbox.py": "needs Slurm and root; tests/sweeps/backends/test_slurm_sweep.py uses it",
    "export SLURM_CONF": "the same",
    "torchrun": "eight processes; tests/bench/processes/test_ranks.py starts two",
    "python -m bench.perf sweep=cifar_all_methods": "a step of it takes a CPU minutes; the quickstart's methods are measured",
    "python -m bench.prepare": "needs official files; tests/bench/preparing prepares small ones",
    "python -m bench.evaluate samples.npy data=cifar10": "needs CIFAR-10 and Inception's weights; its options are planned",
}
DIFFER = 1  # what results.diff answers of two runs that differ


def written(page: str) -> str:
    """A page without what is generated."""
    return BLOCK.sub("", TEXTS[page])


def code(page: str) -> list[str]:
    """What stands between single backticks, on one line each."""
    return [" ".join(text.split()) for text in INLINE.findall(FENCE.sub("", written(page)))]


def commands() -> Iterator[str]:
    """Every command of every page: lines of shell blocks, one for each side of &&, and inline code that begins as one."""
    for page in PAGES:
        lines = [line for language, _, text in FENCE.findall(written(page)) if language == "sh" for line in text.splitlines()]
        lines += [text for text in code(page) if text.startswith(STARTS) and (" " in text or text.endswith(".sh"))]
        for line in lines:
            words = [[]]
            for word in shlex.split(line, comments=True):
                words = [*words, []] if word == "&&" else [*words[:-1], [*words[-1], word]]
            yield from (shlex.join(part) for part in words if part)


def why_not(command: str) -> str | None:
    """The entry of NOT_HERE that a command falls under."""
    words = shlex.split(command)
    return next((key for key in NOT_HERE if words[: len(key.split())] == key.split()
                 or " ".join(words).startswith(f"{key}=")), None)


COMMANDS = sorted(set(commands()))
HERE = [command for command in COMMANDS if why_not(command) is None]
FILES = {path: text for page in PAGES for _, path, text in FENCE.findall(TEXTS[page]) if path}
SNIPPETS = [text for page in PAGES for language, path, text in FENCE.findall(TEXTS[page]) if language == "python" and not path]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the reader has: the pages' files, images, samples, and the quickstart's outputs with the worked example's."""
    folder = tmp_path_factory.mktemp("place")
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)
    for name in ("images.npy", "samples.npy"):
        np.save(folder / name, pixels)
    (folder / "pictures").mkdir()
    for number, image in enumerate(pixels[:16]):
        Image.fromarray(image).save(folder / "pictures" / f"{number}.png")
    for name in ("cats", "dogs"):
        shutil.copytree(folder / "pictures", folder / "pets" / name)
    with chdir(folder):
        assert run.main(["method=flow_matching,lmd,meanflow", "seed=0,1", NAMED, *SMALL]) == 0
        before = trained(folder)
        assert run.main(["method=halves", "plugins=mine", "seed=0,1", NAMED, *SMALL]) == 0
    assert {name.split("-digits")[0] for name in trained(folder) - before} == {"halves"}, "and nothing else is trained"
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the place, to work in."""
    copy = shutil.copytree(place, tmp_path / "place")
    monkeypatch.chdir(copy)
    return copy


def trained(folder: Path) -> set[str]:
    """Every training of a place, with the time of its record."""
    return {f"{path.parent.name} {path.stat().st_mtime_ns}" for path in folder.glob("outputs/runs/*-s*/run.json")}


def test_their_tables_are_those_of_the_reference_runs() -> None:
    assert all(BLOCK.findall(TEXTS[page]) for page in ("README.md", "methods/README.md", "results/README.md"))
    for page, text in TEXTS.items():
        assert filled(text, ROOT / "results" / "reference") == text, f"{page}: run python tests/support/readme_tables.py"


def test_the_table_of_methods_is_what_the_code_says() -> None:
    import methods_table

    assert methods_table.PAGE.read_text() == methods_table.page(), "run: python tests/support/methods_table.py"


def test_every_method_is_in_the_list_of_methods() -> None:
    found = list((CONF / "method").glob("*.yaml"))
    assert set(re.findall(r"(\d+) methods", TEXTS["README.md"])) == {str(len(found))}
    for path in found:
        assert path.stem in code("methods/README.md"), path.stem
        assert f"`{path.stem}`" in TEXTS["methods/README.md"]


def test_every_column_of_a_table_is_explained() -> None:
    told = set(INLINE.findall(TEXTS["results/README.md"]))
    assert {*table.COLUMNS, *table.COMPATIBLE, *table.KEPT} - told == set()
    assert set(published.COLUMNS) - told == set()


def test_the_readme_is_read_to_its_end() -> None:
    lines = TEXTS["README.md"].splitlines()
    assert len(lines) <= 170
    assert all(line.count("|") <= 9 for line in lines if line.startswith("|")), "eight columns"


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", TEXTS[page])):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def keys(node: Any, prefix: str) -> Iterator[str]:
    """Every dotted key of a mapping, those of mappings in its lists included."""
    for item in node if isinstance(node, list) else []:
        yield from (f"{key}" for key in item) if isinstance(item, dict) else ()
    for key, value in node.items() if isinstance(node, dict) else ():
        yield f"{prefix}{key}"
        yield from keys(value, f"{prefix}{key}.")


@pytest.mark.parametrize("page", PAGES)
def test_every_key_and_every_choice_exists(page: str) -> None:
    files = {path.relative_to(CONF).as_posix(): path.read_text() for path in CONF.rglob("*.yaml")}
    files |= {path.removeprefix("mine/"): text for path, text in FILES.items() if path.endswith(".yaml")}
    known = set()
    for path, text in files.items():
        group = "" if "@package _global_" in text or "/" not in path else f"{Path(path).parent.name}."
        known |= set(keys(yaml.safe_load(text), group))
    shell = [text for language, _, text in FENCE.findall(TEXTS[page]) if language == "sh"]
    said = "\n".join([*code(page), *shell])
    for key in KEY.findall(said):
        assert key in known, key
    for group, name in CHOICE.findall(said):
        assert f"{group}/{name}.yaml" in files, f"{group}={name}"


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")  # of runpy, which executes it once more
@pytest.mark.parametrize("command", HERE)
def test_commands_do_what_they_are_there_for(command: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [path for word in shlex.split(command) for path in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
    words = ["python", "-m", "bench", *words[1:]] if words[0] == "fewstep" else words
    assert words[:2] == ["python", "-m"], "neither executed nor listed in NOT_HERE"
    module, arguments = words[2], words[3:]
    if module == "bench" and (arguments[:1] == ["run"] or "=" in (*arguments, "")[0]):
        module, arguments = "bench.run", [word for word in arguments if word != "run"]
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    if module == "bench.run":
        planned = [] if "--help" in arguments or "plan=true" in arguments else ["plan=true"]
        assert status(lambda: sys.exit(run.main([*arguments, *planned]))) == 0
        return
    if "--watch" in arguments:
        monkeypatch.setattr("time.sleep", interrupted)
    if module == "bench.perf":
        sys.argv += ["--minutes", "0.5"]  # it fills the time that it is given
    assert module.split(".")[0] in ("bench", "results", "sweeps")
    differs = module == "results.diff" and "outputs/runs/" in command
    assert status(lambda: runpy.run_module(module, run_name="__main__")) == (DIFFER if differs else 0)


def status(call: Any) -> int:
    """The exit status with which a call ends."""
    with pytest.raises(SystemExit) as end:
        call()
    return int(end.value.code or 0)


def interrupted(seconds: float) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("key", NOT_HERE)
def test_what_is_not_executed_is_there(key: str) -> None:
    own = [shlex.split(command) for command in COMMANDS if why_not(command) == key]
    assert own, "no page has it any more"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for words in own:
        script = next((word for word in words if word.startswith("tests/")), None)
        assert script is None or (ROOT / script).exists(), script
        if script is not None and script.endswith(".py"):
            assert all(f'"{word}"' in (ROOT / script).read_text() for word in words if word.startswith("--"))
        assert all(name in extras for name in re.findall(r"\[(\w+)\]", " ".join(words)))
        if "bench.evaluate" in words:
            assert run.main(["sweep=none", *(word for word in words if "=" in word), "plan=true"]) == 0


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippets_run(snippet: str, here: Path) -> None:
    if "pets" in snippet:  # not among the place's runs, which share one data set
        assert run.main(["sweep=none", "sweep.name=pets", "method=flow_matching", "data=folder", "data.path=pets",
                         "data.size=16", "conditional=true", *SMALL]) == 0
    names: dict[str, Any] = {}
    exec(snippet, names)
    assert names["images"].shape[1:] == ((3, 16, 16) if "pets" in snippet else (1, 8, 8))
    assert "save_image" not in snippet or (here / "dogs.png").exists()
    assert "export" not in snippet or (here / "weights.pt").exists()


def test_the_worked_example_stands_in_the_quickstart_s_table_and_has_a_map_error(here: Path) -> None:
    table = (here / "outputs" / "sweeps" / "digits_quickstart" / "leaderboard.csv").read_text()
    assert all(f"\n{name},1,1,fd_digits8," in table for name in ("halves", "flow_matching", "lmd", "meanflow"))
    assert run.main(["sweep=none", "method=halves", "data=gaussian", "plugins=mine", *SMALL]) == 0
    (table_of_one,) = here.glob("outputs/sweeps/halves-gaussian-*/leaderboard.md")
    assert "## map_error" in table_of_one.read_text()
