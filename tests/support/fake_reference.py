"""A part of real images, and a process that obtains its features slowly."""

import os
import time

import torch

from bench.features import base as features
from bench.scoring.reference import Part, obtain

CHUNK = 50


def part(n: int = 120, source: str = "train:x") -> Part:
    g = torch.Generator().manual_seed(n)
    return Part(source, torch.randint(0, 17, (n, 1, 8, 8), generator=g, dtype=torch.uint8), 16)


def compute(log: str, pause: float) -> None:
    """In a process of its own: obtain the reference, slowly, and note that it was computed."""
    original = features.extract

    def slow(*arguments: object) -> torch.Tensor:
        with open(log, "a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(pause)
        return original(*arguments)  # type: ignore[arg-type]

    features.extract = slow  # type: ignore[assignment]
    obtain(part(), features.load("digits8"), CHUNK)
