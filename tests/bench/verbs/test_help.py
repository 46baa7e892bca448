"""`--help` shows every key with its default as written, what it may be and what it means, at once and within the terminal."""

import importlib
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from places import ROOT

from bench import run
from bench.config import choices, schema
from bench.config.compose import CONF, names, presets, section
from bench.config.errors import ConfigError
from bench.config.registry import knobs_of, method_class
from bench.config.types import fields, words
from bench.verbs.help import SECTIONS, page

GROUPS = ("method", "data", "backbone", "backend")
OPTIONS = [(group, name) for group in GROUPS for name in names(group)]
KINDS: dict[str, Mapping[str, type]] = {"data": choices.DATA, "backbone": choices.BACKBONES, "backend": choices.BACKENDS}
EXAMPLE = "  python -m bench.run"


def flat(*about: str) -> str:
    """A page without its line breaks."""
    return " ".join(page(about).split())


def lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """Every key of a YAML file with its value as written and its comment; what stands in braces is a value."""
    above = ""
    for line in path.read_text().splitlines():
        if line.startswith("  ") and (found := re.fullmatch(r"  (\w+): ?(.*?)(?: +# (.*))?", line)):
            yield f"{above}.{found[1]}", found[2], found[3] or ""
        elif found := re.fullmatch(r"(\w+): ?(.*?)(?: +# (.*))?", line):
            above = found[1]
            yield above, found[2], found[3] or ""


def shows(text: str, key: str, value: str, allowed: str, comment: str = "") -> bool:
    """Whether a page has an entry, ended by the next one."""
    return " ".join(f"{key}={value} {allowed}{f'; {comment}' if comment else ''}".split()) in text


@pytest.mark.parametrize("path", [CONF / "config.yaml", *(CONF / group / f"{name}.yaml" for group, name in OPTIONS)],
                         ids=lambda path: path.relative_to(CONF).as_posix())
def test_a_file_says_what_it_is_and_what_every_key_means(path: Path) -> None:
    opening = next(line for line in path.read_text().splitlines() if not line.startswith("# @package"))
    assert opening.startswith("# ")
    found = list(lines(path))
    assert found and [key for key, _, comment in found if not comment] == []
    stated = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(stated, dict) and {key.partition(".")[0] for key, *_ in found} == set(stated), "the test reads every key"


def listed(group: str) -> list[str]:
    """The options of a group; presets, which are sweep files too, are told by themselves."""
    if group == "preset":
        return presets()
    return [name for name in names(group) if not name.startswith("preset/")]


def test_the_help_of_the_command_has_every_common_key() -> None:
    text, told = flat(), {key: (value, comment) for key, value, comment in lines(CONF / "config.yaml")}
    top = {**fields(schema.Seeded), **fields(schema.Labelled), **fields(schema.Command)}
    known = top | {f"{name}.{key}": hint for name, cls in SECTIONS.items() for key, hint in fields(cls).items()}
    keys = [key for key in told if "." in key or key in top]
    assert len(keys) == len(told) - len(SECTIONS) - 2, "all but the sections, the defaults list and the sweep"
    assert [key for key in keys if not shows(text, key, told[key][0], words(known[key]), told[key][1])] == []
    assert [group for group in (*GROUPS, "sweep", "preset") if not all(name in text for name in listed(group))] == []


@pytest.mark.parametrize("name", SECTIONS)
def test_the_help_of_a_section_is_its_part_of_the_whole(name: str) -> None:
    text = flat(name)
    assert text in flat()
    assert [key for key, *_ in lines(CONF / "config.yaml") if key.startswith(f"{name}.") and f"{key}=" not in text] == []


@pytest.mark.parametrize("group", [*GROUPS, "sweep", "preset"])
def test_the_help_of_a_group_tells_its_options_apart(group: str) -> None:
    text = page([group])
    said = {line.split()[0]: line.split()[1:] for line in text.splitlines() if re.match(r"  \S", line)}
    assert list(said) == listed(group)


@pytest.mark.parametrize("name", names("method"))
def test_the_help_of_a_method_has_every_knob(name: str) -> None:
    path, text, values = CONF / "method" / f"{name}.yaml", flat(f"method={name}"), section("method", name)
    cls = method_class(values["target"])
    opening = path.read_text().splitlines()[0].removeprefix("# ")
    assert text.startswith(f"method={name}: {opening}") and cls.paper in text
    for key, value, comment in lines(path):
        if not isinstance(values[key], Mapping) and key not in ("name", "target"):
            assert shows(text, f"method.{key}", value, words(knobs_of(cls)[key]), comment)
        elif isinstance(values[key], Mapping):
            assert f"method.{key}.target={values[key]['target']} {comment}. " in text
            module, _, part = values[key]["target"].partition(":")
            known = knobs_of(getattr(importlib.import_module(module), part))
            inner = {k: v for k, v in values[key].items() if k != "target"}
            assert inner.keys() == known.keys()
            assert [k for k, v in inner.items() if not shows(text, f"method.{key}.{k}", str(v), words(known[k]))] == []


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, name in OPTIONS if group != "method"])
def test_the_help_of_data_network_and_backend_has_every_key(group: str, name: str) -> None:
    path, text, values = CONF / group / f"{name}.yaml", flat(f"{group}={name}"), section(group, name)
    opening = [line for line in path.read_text().splitlines() if line.startswith("# ") and "@package" not in line]
    assert text.startswith(f"{group}={name}: {' '.join(opening).replace('# ', '')} {group}.")
    known = fields(KINDS[group][values.get(group, values)["name"]])
    for key, value, comment in lines(path):
        own = key if group not in values else key.removeprefix(f"{group}.")
        if key == group or own == "name":
            continue
        if own in known:
            assert shows(text, f"{group}.{own}", value, words(known[own]), comment)
        else:
            assert f"{key}={value} {comment}" in text, "what the file sets elsewhere"


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_longer_than_the_terminal_is_wide(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    topics = ["", "seed", *SECTIONS, *GROUPS, "sweep", *(f"{group}={name}" for group, name in OPTIONS)]
    long = [(topic, line) for topic in topics for line in page([topic] if topic else []).splitlines() if len(line) > width]
    assert [each for each in long if not each[1].startswith(EXAMPLE)] == []


def test_help_is_there_before_any_large_package_is_loaded() -> None:
    topics: list[list[str]] = [[], ["train"], *([group] for group in (*GROUPS, "sweep")), ["sweep=digits_quickstart"],
                               *([f"{group}={name}"] for group, name in OPTIONS if group != "method")]
    code = f"""
        import sys
        from bench import run
        assert not any(run.main(["--help", *topic]) for topic in {topics!r})
        assert not (found := {{"torch", "pandas", "optuna", "scipy"}} & set(sys.modules)), found
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("topic", "nearest"), [
    ("traim", "train"), ("methods", "method"), ("method=lds", "lsd"), ("data=digit", "digits"),
    ("backbone=unet_smal", "unet_small"), ("backend=slrm", "slurm"), ("sweep=digits_quikstart", "digits_quickstart"),
    ("plugins=nowhere", "plugins=nowhere"),
])  # fmt: skip
def test_an_unknown_topic_is_an_error_that_names_the_nearest(
    topic: str, nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["--help", topic]) == 2
    shown = capsys.readouterr()
    assert not shown.out and shown.err.startswith("error: ") and nearest in shown.err and shown.err.count("\n") == 1


METHOD = '''
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Gt, Lt

from methods.flow_matching import FlowMatching
from methods.times import Uniform


@dataclass(frozen=True)
class HelpedLate(FlowMatching):
    """Flow matching on late times only.

    earliest: the first of them.
    """

    earliest: Annotated[float, Gt(0), Lt(1)] = 0.5
    time_law: Uniform = field(default_factory=Uniform)
'''
YAML = """
name: helped_late
target: helped_late:HelpedLate
solver: euler
earliest: .5  # the first time that is seen
time_law:
  target: methods.times:Uniform
  low: 0.0  # the least of its times
  high: 1.0
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "method").mkdir()
    (tmp_path / "helped_late.py").write_text(METHOD)
    (tmp_path / "method" / "helped_late.yaml").write_text(YAML)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield f"plugins={tmp_path}"
    sys.modules.pop("helped_late", None)


@pytest.mark.parametrize("opening", ["", "# Late flow matching.\n"], ids=["class", "file"])
def test_a_method_of_the_users_is_listed_and_shown(opening: str, plugins: str) -> None:
    path = Path(plugins.partition("=")[2]) / "method" / "helped_late.yaml"
    path.write_text(opening + YAML)
    about = "Late flow matching." if opening else "Flow matching on late times only."
    assert f"helped_late {about}" in flat("method", plugins) and "helped_late" in flat(plugins)
    text = flat(plugins, "method=helped_late")
    assert text.startswith(f"method=helped_late: {about} earliest: the first of them.")
    assert "method.earliest=.5 a number above 0 and below 1; the first time that is seen" in text
    assert "method.time_law.low=0.0 a number from 0 to 1; the least of its times" in text
    with pytest.raises(ConfigError, match=r"nearest: helped_late"):
        page([plugins, "method=helped_lat"])


def test_a_knob_is_looked_for_among_those_of_its_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--help", "method.eta"]) == 2
    assert "--help method=NAME" in capsys.readouterr().err
