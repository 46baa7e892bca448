"""What makes two trainings the same: the hash of everything that can change a trained weight, and nothing else."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from bench.config import Experiment, Surroundings

TRAINING = ("data", "backbone", "method", "interpolant", "budget", "train")
SCORED = ("data", "evaluation")
BESIDES = ("validation", "proxy", "preset", "conditional")  # what trials, papers' settings and labelled runs have: no others
HARMLESS = {
    "budget": ("micro_batch", "halvings"), "train": ("checkpoints", "milestones", "logs", "log", "compile", "channels_last"),
    "backbone": ("gflops", "checkpoint"), "data": ("features", "root", "download", "resident"),
}
NAMED = ("path", "heldout", "labels", "version")  # of data whose content hash stands beside them
FILES = ("weights", "statistics")  # paths of files whose hashes stand beside them
SINCE = {
    ("train", "precision"): "float32", ("train", "decay_after"): None, ("train", "warmup_images"): None,
    ("train", "ema_rule"): "decay", ("train", "ema_rise"): True, ("train", "ema_every"): 1, ("train", "augment"): "none",
    ("train", "augment_share"): 0.12, ("train", "label_drop"): 0.1, ("backbone", "augment"): 0,
    ("backbone", "published"): False, ("method", "pretrained"): False, ("method", "omega"): 1.0,
    ("method", "kappa"): 0.0, ("method", "generated"): 0.0, ("method", "curriculum"): "none", ("method", "widening"): 0.25,
    ("method", "scale"): [1.0, 1.0], ("method", "noise_times"): False, ("data", "flip"): None, ("data", "labels"): None,
    ("teacher", "preset"): None, ("teacher", "import"): None,
}
"""What came later leaves older ids as they were where it changes nothing."""
LATER = ("protocol", "also", "rounding", "reference_count", "statistics_hash", "one_class", "checkpoint", "best_at", "best_of")
"""Open, they leave older ids as they were."""
GUIDED = ("guidance", "guidance_interval")  # how models are sampled, which no reference row is
VERSION = 1  # bump when the loop, the averages or the networks are mended: old weights are then never served for new ones


def run_ids(experiment: Experiment, fingerprint: str | None) -> Callable[[int, tuple[str, ...]], str]:
    """METHOD-DATA-sSEED-HASH of a training, as a function of its seed and of its parents (teacher run ids).

    fingerprint: the data's content hash where it is cheap to know. Backend, paths of outputs, evaluation and what only
    observes (checkpoints, logs, micro-batches) do not count. Of thousands of runs that differ in nothing else, most is
    hashed once.
    """
    plain = experiment.plain
    content: dict[str, Any] = {key: _telling(key, plain[key]) for key in TRAINING}
    if fingerprint is not None:
        content["data"] = {k: v for k, v in content["data"].items() if k not in NAMED}
    content |= {key: plain[key] for key in BESIDES if plain.get(key)}
    content |= {"version": (VERSION, experiment.method.version), "fingerprint": fingerprint}
    parts = {key: _text(value) for key, value in content.items()}
    name = f"{experiment.name}-{experiment.data.name}"

    def of(seed: int, parents: tuple[str, ...]) -> str:
        whole = parts | {"seed": _text(seed), "parents": _text(parents)}
        text = "{" + ", ".join(f'"{key}": {whole[key]}' for key in sorted(whole)) + "}"  # as json.dumps writes it
        return f"{name}-s{seed}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"

    return of


def telling(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A section of an experiment without what is harmless, and without what came later where it changes nothing."""
    return {k: v for k, v in values.items()
            if k not in HARMLESS.get(section, ()) and ((section, k), v) not in SINCE.items()}


def _telling(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Of data, an option left open is none."""
    return {k: v for k, v in telling(section, values).items() if v is not None or section != "data"}


def reference_id(scored: Surroundings, fingerprint: str | None, conditional: bool = False) -> str:
    """The run id of the reference rows (noise, Gaussian fit, held-out data) of one data set and evaluation.

    conditional: whether held-out data are asked for their classes too.
    """
    data, evaluation = (scored.plain[key] for key in SCORED)
    data = {k: v for k, v in data.items() if k not in ("resident", "version") and (("data", k), v) not in SINCE.items()}
    evaluation = {k: v for k, v in evaluation.items() if k not in ("batch", "steps", "grid", "milestones", *GUIDED, *FILES)}
    evaluation = {k: v for k, v in evaluation.items() if k not in LATER or v not in (None, [], "last")}
    content = {"data": data, "evaluation": evaluation, "fingerprint": fingerprint, "base_scale": scored.interpolant.base_scale}
    content |= {"conditional": True} if conditional else {}
    return f"reference-{scored.data.name}-{hashlib.sha256(_text(content).encode()).hexdigest()[:10]}"


def _text(value: Any) -> str:
    return json.dumps(_canonical(value), sort_keys=True)


def _canonical(value: Any) -> Any:
    """1 and 1.0 are one setting."""
    if isinstance(value, Mapping):
        return {k: _canonical(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(v) for v in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
