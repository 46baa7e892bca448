"""Parts of an experiment as tests write them: short, and parsed as a command's are."""

from collections.abc import Mapping
from typing import Any

from bench.config import BACKBONES, OFFICIAL, Data, Network, nearest, section
from bench.config.choices import DATA

FEATURES = {"digits": "digits8", "cifar10": "inception", "arrays": "cifar32", "folder": "cifar32", "prepared": "cifar32",
            **dict.fromkeys(OFFICIAL, "inception")}  # fmt: skip


def network(raw: Mapping[str, Any]) -> Network:
    """{"name": "mlp", "width": 16} -> the parsed section. Raises ConfigError."""
    if raw.get("name") not in BACKBONES:
        raise nearest("backbone.name", raw.get("name"), BACKBONES)
    return section(BACKBONES[raw["name"]], raw, "backbone")


def source(raw: Mapping[str, Any]) -> Data:
    """{"name": "arrays", "path": "mine.npy"} -> the parsed section, with its file's features. Raises ConfigError."""
    if raw.get("name") not in DATA:
        raise nearest("data.name", raw.get("name"), DATA)
    own = {"root": "data"} if raw["name"] == "cifar10" else {}
    features = {"features": FEATURES[raw["name"]]} if raw["name"] in FEATURES else {}
    return section(DATA[raw["name"]], {**own, **features, **raw}, "data")
