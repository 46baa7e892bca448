"""What makes two trainings the same: the hash of everything that can change a trained weight, and nothing else."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

TRAINING = ("data", "backbone", "method", "interpolant", "budget", "train", "seed")
TRIAL = ("validation", "proxy")  # what a trial of a search has besides: it is never the run that is reported
HARMLESS = {
    "budget": ("micro_batch",), "train": ("checkpoints", "milestones", "logs"), "backbone": ("gflops",),
    "data": ("features", "root", "download"),
}
FILES = ("weights", "statistics")  # paths of files whose hashes stand beside them
LATER = ("protocol", "also", "rounding", "reference_count", "statistics_hash")  # open, they leave older ids as they were
VERSION = 1  # bump when the loop, the averages or the networks are mended: old weights are then never served for new ones


def run_id(config: Mapping[str, Any], version: int, fingerprint: str | None, parents: tuple[str, ...]) -> str:
    """METHOD-DATA-sSEED-HASH of the training that `config` describes.

    version: the method's; fingerprint: the data's content hash where it is cheap to know; parents: teacher run ids.
    Backend, paths of outputs, evaluation and what only observes (checkpoints, logs, micro-batches) do not count.
    """
    return run_ids(config, version, fingerprint)(config["seed"], parents)


def run_ids(config: Mapping[str, Any], version: int, fingerprint: str | None) -> Callable[[Any, tuple[str, ...]], str]:
    """`run_id` as a function of seed and parents: of thousands of runs that differ in nothing else, most is hashed once."""
    content: dict[str, Any] = {key: config[key] for key in TRAINING}
    for section, keys in HARMLESS.items():
        content[section] = {k: v for k, v in content[section].items() if k not in keys}
    content["data"] = {k: v for k, v in content["data"].items() if v is not None}  # an option left open is none
    if fingerprint is not None:
        content["data"] = {k: v for k, v in content["data"].items() if k not in ("path", "heldout")}
    content |= {key: config[key] for key in TRIAL if config.get(key)}
    content |= {"version": (VERSION, version), "fingerprint": fingerprint}
    parts = {key: _text(value) for key, value in content.items()}
    name = f"{config['method']['name']}-{config['data']['name']}"

    def of(seed: Any, parents: tuple[str, ...]) -> str:
        whole = parts | {"seed": _text(seed), "parents": _text(parents)}
        text = "{" + ", ".join(f'"{key}": {whole[key]}' for key in sorted(whole)) + "}"  # as json.dumps writes it
        return f"{name}-s{seed}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"

    return of


def reference_id(config: Mapping[str, Any], fingerprint: str | None) -> str:
    """The run id of the reference rows (noise, Gaussian fit, held-out data) of one data set and evaluation."""
    evaluation = {k: v for k, v in config["evaluation"].items() if k not in ("batch", "steps", "milestones", *FILES)}
    evaluation = {k: v for k, v in evaluation.items() if k not in LATER or v not in (None, [])}
    content = {"data": config["data"], "evaluation": evaluation, "fingerprint": fingerprint,
               "base_scale": config["interpolant"]["base_scale"]}
    return f"reference-{config['data']['name']}-{_digest(content)}"


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(content).encode()).hexdigest()[:10]


def _text(value: Any) -> str:
    return json.dumps(_canonical(value), sort_keys=True)


def _canonical(value: Any) -> Any:
    """1 and 1.0 are one setting."""
    if isinstance(value, Mapping):
        return {k: _canonical(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(v) for v in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
