"""The name of a sweep's folder: the sweep's own where the command line only narrows it, else with what differs."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from bench.planning.identity import HARMLESS

SHOWN = 60  # letters of what differs; a hash stands for the rest
UNSHOWN = {section: set(keys) for section, keys in HARMLESS.items()} | {"evaluation": {"batch"}}
"""What no table shows: which images, weights and scores there are does not depend on these."""
SEARCHED = ("space", "spaces", "proxy", "rungs", "train_seed", "prunable_from")
"""What makes trials comparable. With another number of them, or another sampler, a search goes on with what it has."""
SAID = ("note", "published", "remarks", "smaller")  # of a sweep: what is said beside its table, or of its price


def name(sweep: str, changed: Mapping[str, Any]) -> str:
    """A pure function of the configuration, so that the same command goes on where it was and another replaces nothing.

    changed: what the command line says otherwise than the sweep, by key (`Request.changed`). For example
    `digits_quickstart-data=arrays-data.path=images.npy`; where a value cannot be read off that, a hash of all stands behind.
    A command that names its sweep itself (sweep.name) has that folder, whatever differs.
    """
    if "sweep.name" in changed:
        return sweep
    told = {key: changed[key] for key in sorted(changed) if _shown(key)}
    if not told:
        return sweep
    values = {key: _text(value) for key, value in told.items()}
    plain = {key: _safe(value) for key, value in values.items()}
    text = "-".join(f"{key}={value}" for key, value in plain.items())
    if plain == values and len(text) <= SHOWN:
        return f"{sweep}-{text}"
    return f"{sweep}-{text[:SHOWN].rstrip('-=._')}-{hashlib.sha256(json.dumps(values).encode()).hexdigest()[:8]}"


def of_run(run: str, changed: Mapping[str, Any]) -> str:
    """The same of a single run, which is named by its id: what differs besides is how it is scored."""
    return name(run, {key: value for key, value in changed.items() if key.startswith("evaluation.")})


def as_shipped(changed: Mapping[str, Any]) -> bool:
    """Whether the sweep's table holds what its file says, by whatever name: what is said of its numbers is of these."""
    return not any(_shown(key) for key in changed if key != "sweep.name")


def _shown(key: str) -> bool:
    section, _, rest = key.partition(".")
    if section == "sweep":
        part, _, searched = rest.partition(".")
        return searched.split(".")[0] in SEARCHED if part == "search" else part not in SAID
    return rest not in UNSHOWN.get(section, ())


def _safe(value: str) -> str:
    """What a shell leaves alone; of a path the last part."""
    return re.sub(r"[^\w.+]+", "_", value.rsplit("/", 1)[-1], flags=re.ASCII).strip("_.")


def _text(value: Any) -> str:
    """Several values stand one after the other; 1 and 1.0 are one value."""
    if isinstance(value, list | tuple):
        return "+".join(map(_text, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
