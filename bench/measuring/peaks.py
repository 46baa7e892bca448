"""What a device can do at the most in dense products, in GFLOP/s: as its maker states it, or as it is measured here.

A multiplication with its addition is two FLOPs; sparsity, which makers like to count in, is not.
"""

import re
import time
from dataclasses import dataclass

import torch

from bench.processes import device as devices

TFLOPS = {  # of bf16, TF32 and float32, by words of the name that CUDA gives the GPU; the first that fits
    "H100 PCIe": (756, 378, 51),
    "H100 NVL": (835, 418, 60),
    "H100": (989, 495, 67),
    "H200": (989, 495, 67),
    "GH200": (989, 495, 67),
    "H20": (148, 74, 44),
    "H800": (989, 495, 67),
    "B200": (2250, 1125, 75),
    "A100": (312, 156, 19.5),
    "A800": (312, 156, 19.5),
    "A40": (150, 75, 37.4),
    "A30": (165, 82, 10.3),
    "A10": (125, 62.5, 31.2),
    "L40S": (362, 183, 91.6),
    "L40": (181, 90.5, 90.5),
    "L4": (121, 60, 30.3),
    "RTX 4090": (165, 82.6, 82.6),
    "RTX 3090": (71, 35.6, 35.6),
    "RTX A6000": (155, 77.4, 38.7),
    "V100": (15.7, 15.7, 15.7),
}
COLUMN = {"bf16": 0, "tf32": 1, "float32": 2}
SIDE, ROUNDS = 1024, 5  # of the matrices that are multiplied to find out; 8 times as large on a GPU


@dataclass(frozen=True)
class Peak:
    """gflops: per second. said: where it is from."""

    gflops: float
    said: str


def stated(name: str, precision: str) -> Peak | None:
    """Of a GPU that is known by name."""
    found = next((rates for part, rates in TFLOPS.items() if re.search(rf"\b{part}\b", name)), None)
    if found is None:
        return None
    return Peak(1000.0 * found[COLUMN[precision]], f"{found[COLUMN[precision]]:g} TFLOP/s in {precision}, as its maker states")


def peak_of(device: torch.device, precision: str) -> Peak:
    """The device's at a precision of products."""
    known = stated(torch.cuda.get_device_name(device), precision) if device.type == "cuda" else None
    return known or _found(device, precision)


def _found(device: torch.device, precision: str) -> Peak:
    """The best of some products of large square matrices on this device, with as many threads as a training has."""
    side = SIDE * (8 if device.type == "cuda" else 1)
    a = torch.ones((side, side), device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    with devices.computing(precision):
        seconds = min(_seconds(a, device) for _ in range(1 + ROUNDS))
    rate = 2 * side**3 / seconds / 1e9
    return Peak(rate, f"{rate:,.0f} GFLOP/s in {precision}, measured here: products of {side} x {side}")


def _seconds(a: torch.Tensor, device: torch.device) -> float:
    begin = time.perf_counter()
    a @ a
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin
