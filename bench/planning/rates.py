"""How fast a device is before anything has run on it: assumed in words, or measured by `python -m bench.perf`."""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from results.records import read_jsonl

PERF_FILE = "perf.jsonl"
CPU = 40.0
"""GFLOP/s that one worker on a CPU is guessed to sustain."""
PEAK = {"bf16": 790_000.0, "tf32": 400_000.0, "float32": 60_000.0}
"""GFLOP/s of an H100's dense products at their fastest in practice, a multiplication with its addition as two."""
SAYS = ("alike", "network", "precision", "device", "time")
SHARE = 0.3
"""Of it a training is assumed to sustain."""


class Measured(NamedTuple):
    """What a training was measured to do: the logarithm of its seconds per GFLOP, of which runs, where and when."""

    alike: str
    network: str
    precision: str
    rate: float
    device: str
    day: str


def sustained(device: str, precision: str) -> float:
    """GFLOP/s that one worker of a kind of device, "cpu" or "cuda", is guessed to sustain."""
    return CPU if device == "cpu" else SHARE * PEAK[precision]


def assumed(device: str, precisions: Collection[str]) -> str:
    """That guess in words, for some precisions; of a CPU it is too rough to be told."""
    if device == "cpu":
        return ""
    told = " and ".join(f"{sustained(device, each) / 1000:.0f} TFLOP/s in {each}" for each in PEAK if each in precisions)
    return f", which assumes {told}: {SHARE:.0%} of what an H100 reaches in dense products"


def measured(out: Path, kind: str) -> list[Measured]:
    """The newest measurement of each kind of training on a kind of device; of several models the one measured last."""
    if not (out / PERF_FILE).exists():
        return []
    lines = sorted((line for line in read_jsonl(out / PERF_FILE) if line.get("kind") == kind
                    and not (line.get("compiled") or line.get("channels_last"))),  # as runs are unless they are asked to
                   key=lambda line: str(line.get("time")))
    found = list(_sound(lines))
    newest = {(each.alike, each.precision): each for each in found if each.device == found[-1].device}
    return list(newest.values())


def _sound(lines: list[dict[str, Any]]) -> Iterator[Measured]:
    """Those lines that say what they must."""
    for line in lines:
        try:
            rate = -math.log(float(line["images_per_second"]) * float(line["gflop_per_image"]))
            alike, network, precision, device, time = (str(line[key]) for key in SAYS)
            yield Measured(alike, network, precision, rate, device, time[:10])
        except (KeyError, TypeError, ValueError):
            continue
