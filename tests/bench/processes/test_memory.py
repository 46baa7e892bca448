"""What a CPU can still give is the less of what the machine has and what its container may take."""

import math
from pathlib import Path

import pytest
import torch

from bench.processes import memory

CPU = torch.device("cpu")
KB = 1024


@pytest.mark.parametrize(("limit", "expected"), [("max", 9 * KB), ("8192", 6 * KB), ("81920", 9 * KB), (None, 9 * KB)])
def test_free_memory_of_a_cpu(limit: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  99 kB\nMemAvailable:  9 kB\n")
    if limit is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{2 * KB}\n")
    monkeypatch.setattr(memory, "INFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert memory.free(CPU) == expected
    monkeypatch.setattr(memory, "INFO", tmp_path / "nowhere")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path / "nowhere")
    assert memory.free(CPU) == math.inf
