"""An experiment is parsed once: outside bench/config nobody asks a configuration's dictionary for a key by name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT

from bench.config import choices, schema
from bench.config.choices import BACKENDS

SECTIONS = {"data", "backbone", "method", "interpolant", "budget", "train", "teacher", "evaluation", "backend", "sweep"}
CLASSES = [schema.Budget, schema.Train, schema.Teacher, schema.Scoring, schema.Path, schema.Proxy, schema.Tuning, schema.Sweep,
           *choices.DATA.values(), *choices.BACKBONES.values(), *BACKENDS.values()]  # fmt: skip
KEYS = {name for cls in CLASSES for name in cls.model_fields} | SECTIONS | {"seed", "label", "kind", "cost", "shape"}
CONFIGURATIONS = {"config", "plain", "configuration", "experiment", "settings", "evaluation", "backend"}


def asked(source: str) -> Iterator[tuple[int, str]]:
    """Where a dictionary that is called like a configuration is asked for one of its keys: (line, key)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            of, key = node.value, node.slice.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
            of, key = node.func.value, getattr(node.args[0], "value", None) if node.args else None
        else:
            continue
        name = of.attr if isinstance(of, ast.Attribute) else of.id if isinstance(of, ast.Name) else ""
        nested = isinstance(of, ast.Subscript) and isinstance(of.slice, ast.Constant) and of.slice.value in SECTIONS
        if isinstance(key, str) and key in KEYS and (nested or name in CONFIGURATIONS):
            yield node.lineno, key


@pytest.mark.parametrize("floor", ["bench", "sweeps", "results", "methods"])
def test_no_configuration_is_asked_by_name(floor: str) -> None:
    found = [f"{path.relative_to(ROOT)}:{line}: {key!r}" for path in sorted((ROOT / floor).rglob("*.py"))
             if path.relative_to(ROOT).parts[:2] != ("bench", "config") for line, key in asked(path.read_text())]
    assert found == []


@pytest.mark.parametrize("line", ["config['train']['lr']", "self.config['evaluation']", "job.config.get('seed')",
                                  "record.config['backbone'].get('width')", "plain['data']['name']"])
def test_such_a_question_is_found(line: str) -> None:
    assert list(asked(line))


def test_other_dictionaries_are_not_meant() -> None:
    assert not list(asked("row['steps'], frame['method'], state['ema']"))
    assert not list(asked(Path(__file__).read_text().split("def asked")[0]))
