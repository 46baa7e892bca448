"""Every knob of every method has its published default, in the class and in the YAML file alike, or a reason."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import pytest
from contract import METHODS, made
from omegaconf import OmegaConf
from published import OURS, PUBLISHED, Source

from bench.config.compose import CONF

EACH = pytest.mark.parametrize("name", METHODS)


def stated(name: str) -> dict[str, Any]:
    """The knobs and their values by the table. A method that the table lacks is told with what to do."""
    assert name in PUBLISHED, f"write the published defaults of {name} and their source into tests/support/published.py"
    rows = [(key, value) for each in [*PUBLISHED[name], *OURS.get(name, [])] for key, value in each.values.items()]
    keys = [key for key, _ in rows]
    assert len(keys) == len(set(keys)), f"{name}: a knob stands twice in the table"
    return {key: list(value) if isinstance(value, tuple) else value for key, value in rows}


def of_class(method: Any, prefix: str = "") -> dict[str, Any]:
    """{path of a knob: value} of a method made without arguments; a nested law has its class's name under its own path."""
    found: dict[str, Any] = {}
    for field in fields(method):
        value, path = getattr(method, field.name), prefix + field.name
        if field.name == "interpolant" or not field.init:
            continue
        if is_dataclass(value):
            found |= {path: type(value).__name__, **of_class(value, f"{path}.")}
        else:
            found[path] = value.value if isinstance(value, Enum) else list(value) if isinstance(value, tuple) else value
    return found


def of_yaml(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Likewise of a method's YAML file, as it is written."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= {prefix + key: value["target"].split(":")[1], **of_yaml(value, f"{prefix}{key}.")}
        elif key not in ("name", "target"):
            found[prefix + key] = value
    return found


@EACH
def test_the_class_has_the_published_defaults(name: str) -> None:
    found = of_class(type(made(name))())
    expected = stated(name)
    if name == "psd_u":  # the one that differs from its class by a knob
        expected["uniform"] = False
    assert found == expected


@EACH
def test_the_yaml_file_has_the_published_defaults(name: str) -> None:
    config = OmegaConf.to_container(OmegaConf.load(CONF / "method" / f"{name}.yaml"))
    assert isinstance(config, dict)
    assert of_yaml(config) == stated(name)  # type: ignore[arg-type]


def test_every_row_of_the_table_names_its_source() -> None:
    tables: list[Source] = [each for table in (PUBLISHED, OURS) for rows in table.values() for each in rows]
    assert all(len(each.source) > 20 and each.values for each in tables)
    assert set(PUBLISHED) | set(OURS) == set(METHODS)
