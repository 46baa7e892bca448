"""What makes two trainings the same: the hash of everything that can change a trained weight, and nothing else."""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

TRAINING = ("data", "backbone", "method", "interpolant", "budget", "train", "seed")
HARMLESS = {"budget": ("micro_batch",), "train": ("checkpoints", "milestones", "logs")}


def run_id(config: Mapping[str, Any], version: int, fingerprint: str | None, parents: tuple[str, ...]) -> str:
    """METHOD-DATA-sSEED-HASH of the training that `config` describes.

    version: the method's; fingerprint: the data's content hash where it is cheap to know; parents: teacher run ids.
    Backend, paths of outputs, evaluation and what only observes (checkpoints, logs, micro-batches) do not count.
    """
    content = copy.deepcopy({key: config[key] for key in TRAINING})
    for section, keys in HARMLESS.items():
        for key in keys:
            content[section].pop(key, None)
    if fingerprint is not None:
        content["data"] = {k: v for k, v in content["data"].items() if k not in ("path", "root", "heldout", "download")}
    content |= {"version": version, "fingerprint": fingerprint, "parents": parents}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]
    return f"{config['method']['name']}-{config['data']['name']}-s{config['seed']}-{digest}"


def reference_id(config: Mapping[str, Any], fingerprint: str | None) -> str:
    """The run id of the reference rows (noise, Gaussian fit, held-out data) of one data set and evaluation."""
    evaluation = {k: v for k, v in config["evaluation"].items() if k not in ("batch", "steps")}
    content = {"data": config["data"], "evaluation": evaluation, "fingerprint": fingerprint,
               "base_scale": config["interpolant"]["base_scale"]}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]
    return f"reference-{config['data']['name']}-{digest}"
