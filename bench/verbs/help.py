"""`python -m bench.run --help`: every key with its default, what it may be and what it means.

Types and ranges are those that the parser checks by, defaults and comments those of the YAML files: nothing is written twice.
Without a method no PyTorch is loaded.
"""

import ast
import importlib
import importlib.util
import inspect
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.conf import CONF, GROUPS, names
from bench.config import ConfigError, arguments, choices, compose, errors, nearest, registry, schema, shown, types

SECTIONS: dict[str, type] = {
    "budget": schema.Budget, "train": schema.Train, "interpolant": schema.Path, "teacher": schema.Teacher,
    "evaluation": schema.Evaluation,
}  # fmt: skip
TOP = {"seed": schema.Seeded, "conditional": schema.Labelled, **dict.fromkeys(schema.Command.model_fields, schema.Command)}
CHOICES = {"data": "what is learned", "backbone": "the network, the same for every method", "method": "how it is learned",
           "sweep": "which runs are compared", "backend": "what executes them"}
PRESET = "a paper's whole setting, in place of a sweep"
ABOUT = """A choice (data=, backbone=, method=, sweep=, backend=) names a file of bench/conf; every key in it, and those below,
can be set. key=a,b runs both; what the command line says wins over the sweep. The same command again continues where it
stopped."""
EXAMPLES = """
  python -m bench.run                                           the quickstart
  python -m bench.run sweep=NAME plan=true                      what would run, and what it would cost
  python -m bench.run preset=NAME plan=true                     the same of a paper's whole setting
  python -m bench.run sweep=none method=lsd data=checkerboard   one experiment
  python -m bench.run --help method=lsd                         the keys of a choice: method=, data=, backbone=, ...
  python -m bench.run --help train                              the keys of a section
"""


@dataclass
class File:
    """A YAML file as people read it: its opening comment, and of every key the value and the comment as written."""

    about: str = ""
    values: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "File":
        """Keys are dotted; of what stands in braces only the outer key has a comment."""
        found, opening = cls(), []
        above: list[tuple[int, str]] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if (said := re.match(r"#(?! ?@) ?(.*)", line)) and not found.values:
                opening.append(said[1])
            if entry := re.match(r"( *)([\w.]+):(.*)", line):
                above = [(indent, key) for indent, key in above if indent < len(entry[1])] + [(len(entry[1]), entry[2])]
                value, _, comment = entry[3].partition(" #")
                key = ".".join(name for _, name in above)
                found.values[key], found.comments[key] = value.strip(), comment.strip()
        found.about = " ".join(opening)
        return found


def page(about: Sequence[str] = ()) -> str:
    """The help of the whole command, or of what `about` names. Raises ConfigError for what is not there."""
    plugins = next((a.partition("=")[2] for a in about if a.startswith("plugins=")), None)
    about = [a for a in about if not a.startswith("plugins=")]
    if plugins is not None and not Path(plugins).expanduser().is_dir():
        raise ConfigError(f"plugins={plugins} is not a folder")
    registry.use_plugins(plugins)
    return "\n".join(line.rstrip() for topic in about or [""] for line in _topic(topic, plugins))


def _topic(topic: str, plugins: str | None) -> Iterator[str]:
    name, _, option = topic.partition("=")
    if not topic:
        yield from _everything(plugins)
    elif name == arguments.PRESETS:
        yield from _option("sweep", f"{arguments.PRESETS}/{option}", plugins) if option else _presets(plugins)
    elif name in GROUPS:
        yield from _option(name, option, plugins) if option else _options(name, plugins)
    elif name.partition(".")[0] in SECTIONS:
        yield from _section(name.partition(".")[0], File.read(CONF / "config.yaml"))
    elif name.startswith("method."):
        raise ConfigError(f"--help {topic}: knobs are a method's own; write --help method=NAME, for example --help method=lsd")
    elif name in TOP:
        yield from _top(File.read(CONF / "config.yaml"))
    else:
        raise nearest("--help", topic, [*GROUPS, arguments.PRESETS, *SECTIONS, *TOP], errors.HELP)


def _everything(plugins: str | None) -> Iterator[str]:
    main = File.read(CONF / "config.yaml")
    yield from ("python -m bench.run [key=value ...]", "", *_wrapped(ABOUT), *EXAMPLES.splitlines())
    yield from ("", "Choices (--help GROUP tells them apart):", "")
    for group in GROUPS:
        listed = [name for name in names(group, plugins) if not name.startswith(f"{arguments.PRESETS}/")]
        yield from _entry(f"{group}={_default(group)}", f"{CHOICES[group]}: {', '.join(listed)}", "")
    yield from _entry(f"{arguments.PRESETS}=...", f"{PRESET}: {', '.join(compose.presets(plugins))}", "")
    yield from _top(main)
    for name in SECTIONS:
        yield from _section(name, main)


def _default(group: str) -> str:
    listed = re.search(rf"- {group}: (\S+)", (CONF / "config.yaml").read_text(encoding="utf-8"))
    return listed[1] if listed else "..."


def _top(main: File) -> Iterator[str]:
    yield from ("", "The command:", "")
    for key, cls in TOP.items():
        yield from _entry(f"{key}={main.values[key]}", types.words(types.fields(cls)[key]), main.comments[key])


def _section(name: str, main: File) -> Iterator[str]:
    cls = SECTIONS[name]
    yield from ("", *_wrapped(f"{name}: {(cls.__doc__ or '').partition('. ')[0].rstrip('.')}."), "")
    for key, hint in types.fields(cls).items():
        if (dotted := f"{name}.{key}") in main.values:  # what planning fills in is not asked for
            yield from _entry(f"{dotted}={main.values[dotted]}", types.words(hint), main.comments[dotted])


def _options(group: str, plugins: str | None) -> Iterator[str]:
    yield from (f"{group}=...: {CHOICES[group]}", "")
    for name in names(group, plugins):
        if not name.startswith(f"{arguments.PRESETS}/"):
            yield from _entry(name, line(group, name, plugins), "")


def _presets(plugins: str | None) -> Iterator[str]:
    yield from (f"{arguments.PRESETS}=...: {PRESET}", "")
    for name in compose.presets(plugins):
        yield from _entry(name, line("sweep", f"{arguments.PRESETS}/{name}", plugins), "")


def _option(group: str, name: str, plugins: str | None) -> Iterator[str]:
    path = compose.file_of(group, name, plugins)
    values, file = compose.section(group, name, plugins), File.read(path)
    yield from (*_wrapped(f"{group}={name}: {line(group, name, plugins)}"), "")
    if group == "sweep":
        yield from path.read_text(encoding="utf-8").splitlines()
    elif group == "method":
        yield from _method(values, file)
    else:
        yield from _keys(group, values, file)


def _keys(group: str, values: Mapping[str, Any], file: File) -> Iterator[str]:
    """The keys of a data set, a network or a backend, and what else its file sets."""
    kinds: dict[str, Mapping[str, type]] = {"data": choices.DATA, "backbone": choices.BACKBONES, "backend": choices.BACKENDS}
    inner = values.get(group, values)
    for key, hint in types.fields(kinds[group][inner["name"]]).items():
        if key in inner and key != "name":
            written = next((at for at in (key, f"{group}.{key}") if at in file.values), key)
            yield from _entry(f"{group}.{key}={file.values.get(written, shown(inner[key]))}", types.words(hint),
                              file.comments.get(written, ""))
    for key in values if group in values else ():
        if key != group:
            yield from _entry(f"{key}={file.values[key] or shown(values[key])}", "", file.comments[key])


def _method(values: Mapping[str, Any], file: File) -> Iterator[str]:
    cls = registry.method_class(values.get("target"))
    for paragraph in (inspect.getdoc(cls) or "").split("\n\n")[1:]:
        yield from (*_wrapped(paragraph), "")
    yield from (*_wrapped(cls.paper), "") if cls.paper else ()
    yield from _knobs(cls, {k: v for k, v in values.items() if k not in ("name", "target")}, "method", file)


def _knobs(cls: type, values: Mapping[str, Any], at: str, file: File) -> Iterator[str]:
    known = registry.knobs_of(cls)
    for knob, value in values.items():
        key = f"{at}.{knob}"
        written, comment = (told.get(key.removeprefix("method."), "") for told in (file.values, file.comments))
        if isinstance(value, Mapping) and "target" in value:
            module, _, name = value["target"].partition(":")
            part = getattr(importlib.import_module(module), name)
            yield from _entry(f"{key}.target={value['target']}", f"{comment}. {part.__doc__}".removeprefix(". "), "")
            yield from _knobs(part, {k: v for k, v in value.items() if k != "target"}, key, file)
        else:
            yield from _entry(f"{key}={written or shown(value)}", types.words(known[knob]), comment)


def line(group: str, name: str, plugins: str | None) -> str:
    """What an option is, in a sentence: its file's opening comment, else of a method the first line of its class."""
    about = File.read(compose.file_of(group, name, plugins)).about
    if about or group != "method":
        return about
    module, _, cls = str(compose.section(group, name, plugins).get("target")).partition(":")
    paths = [Path(plugins).expanduser() / f"{module.replace('.', '/')}.py"] if plugins else []
    if module.startswith("methods.") and (spec := importlib.util.find_spec(module)) and spec.origin:
        paths.append(Path(spec.origin))
    tree = next((ast.parse(path.read_text(encoding="utf-8")) for path in paths if path.exists()), None)
    found = [node for node in (tree.body if tree else []) if isinstance(node, ast.ClassDef) and node.name == cls]
    said = (ast.get_docstring(found[0]) if found else None) or (ast.get_docstring(tree) if tree else None) or ""
    return " ".join(said.split("\n\n")[0].split())


def _entry(key: str, allowed: str, comment: str) -> Iterator[str]:
    """A key and its default, then what it may be and what it means, within the terminal's width."""
    head = f"  {key:<34} "
    lines = _wrapped("; ".join(filter(None, (allowed, comment))), 37)
    if len(head) > 37:
        lines.insert(0, "")
    yield from (f"{start}{line}" for start, line in zip([head, *[" " * 37] * len(lines)], lines, strict=False))


def _wrapped(text: str, indent: int = 0) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), max(30, _width() - indent), break_on_hyphens=False) or [""]


def _width() -> int:
    return min(120, shutil.get_terminal_size((80, 24)).columns)
