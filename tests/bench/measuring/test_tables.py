"""What is said of measurements: shares of a peak, kinds of operations, and the columns in which they stand."""

from typing import Any

import pytest
import torch

from bench.config import request
from bench.measuring import Case, Entry, Measured, Peak, shares, speeds
from bench.measuring.kinds import (
    AVERAGES,
    CONVOLUTIONS,
    COPIES,
    ELEMENTWISE,
    KINDS,
    NORMS,
    OPTIMIZER,
    PRODUCTS,
    REST,
    Kinds,
    kind,
)  # fmt: skip
from bench.measuring.measure import Other
from bench.measuring.peaks import peak_of, stated
from bench.measuring.table import of_peak

CPU = torch.device("cpu")
PEAKS = {"float32": Peak(100.0, "100 GFLOP/s, said so")}


def entry(method: str, **fields: Any) -> Entry:
    found = Measured(**{"rows": 128, "seconds": 2.0, "spread": 0.1, "gflops": 1.25, "memory": 2_000_000, "steps": 9, **fields})
    return Entry(Case.of(request(["sweep=none", f"method={method}"]).experiments[0]), found)


def test_the_share_of_the_peak_is_arithmetic() -> None:
    one = entry("flow_matching")
    assert one.found and of_peak(one, one.found, PEAKS) == pytest.approx(128 * 1.25 / 2.0 / 100.0)


def test_the_table_has_its_columns_and_names_what_was_not_measured() -> None:
    left = Entry(entry("lsd").case, reason="the time was up", left=True)
    lines = speeds([entry("flow_matching"), entry("meanflow", seconds=5.0, rows=32), left,
                    Entry(entry("ect").case, reason="ValueError: no")], PEAKS, CPU)  # fmt: skip
    assert lines[0] == "mlp on digits (1 x 8 x 8), steps of 128 in float32, on cpu x 1"
    assert lines[2].split("  ")[0] == "method"
    heads = ("images/s", "step", "GFLOP/image", "of peak", "memory", "× flow matching", "slice")
    assert all(head in lines[2] for head in heads)
    assert lines[4].split() == ["flow_matching", "64", "2", "s", "±", "5%", "1.25", "80.0%", "2", "MB", "1.00"]
    assert lines[5].split() == ["meanflow", "25.6", "5", "s", "±", "2%", "1.25", "32.0%", "2", "MB", "2.50", "32"]
    assert "failed: ect: ValueError: no" in lines
    assert any(line.startswith("not measured: lsd: the time was up") for line in lines)
    assert "Peak: 100 GFLOP/s, said so." in lines


@pytest.mark.parametrize(("other", "head", "cell"), [
    (Other("bare", 0.8, 1.0), "× bare", "1.250"),
    (Other("compiled", 0.66, 30.0), "compiled", "× 0.66 after 30 s"),
    (Other("compiled", None, 30.0), "compiled", "does not"),
    (Other("channels_last", 1.2, 1.0), "channels_last", "× 1.20"),
])  # fmt: skip
def test_another_way_to_take_the_step_is_a_column(other: Other, head: str, cell: str) -> None:
    lines = speeds([entry("flow_matching", other=other)], PEAKS, CPU)
    assert lines[2].endswith(head) and lines[4].endswith(cell)


def test_where_time_goes_is_a_column_for_each_kind() -> None:
    one = entry("lsd", kinds=Kinds(dict.fromkeys(KINDS, 0.125), 0.9))  # type: ignore[arg-type]
    _, head, _, row = shares([one])
    assert all(name in head for name in (*KINDS, "busy"))
    assert row.split() == ["lsd", *["12%"] * len(KINDS), "90%"]
    assert shares([entry("lsd")]) == []


@pytest.mark.parametrize(("name", "ancestors", "expected"), [
    ("aten::mkldnn_convolution", ["aten::conv2d"], CONVOLUTIONS),
    ("aten::cudnn_convolution", [], CONVOLUTIONS),
    ("aten::convolution_backward", ["autograd::engine::evaluate_function: ConvolutionBackward0"], CONVOLUTIONS),
    ("aten::addmm", ["aten::linear"], PRODUCTS),
    ("aten::_scaled_dot_product_flash_attention", [], PRODUCTS),
    ("aten::native_group_norm_backward", [], NORMS),
    ("aten::silu_backward", [], ELEMENTWISE),
    ("aten::mul", [], ELEMENTWISE),
    ("aten::sqrt", ["Optimizer.step#RAdam.step"], OPTIMIZER),
    ("aten::_fused_adam_", [], OPTIMIZER),
    ("aten::_foreach_lerp_", [], AVERAGES),
    ("aten::lerp_", ["aten::_foreach_lerp_"], AVERAGES),
    ("aten::linalg_vector_norm", ["aten::_foreach_norm"], OPTIMIZER),
    ("aten::copy_", ["aten::to"], COPIES),
    ("Memcpy HtoD (Pageable -> Device)", [], COPIES),
    ("aten::view", [], REST),
    ("autograd::engine::evaluate_function: MulBackward0", [], REST),
])  # fmt: skip
def test_operations_are_of_their_kind(name: str, ancestors: list[str], expected: str) -> None:
    assert kind(name, ancestors) == expected


@pytest.mark.parametrize(("name", "precision", "tflops"), [
    ("NVIDIA H100 80GB HBM3", "bf16", 989), ("NVIDIA H100 80GB HBM3", "tf32", 495), ("NVIDIA H100 PCIe", "bf16", 756),
    ("NVIDIA H200", "float32", 67), ("NVIDIA A100-SXM4-40GB", "bf16", 312), ("NVIDIA A10", "bf16", 125),
    ("NVIDIA GeForce RTX 4090", "tf32", 82.6), ("NVIDIA RTX A4000", "bf16", None), ("NVIDIA Something", "bf16", None),
])  # fmt: skip
def test_peaks_are_known_by_the_gpus_name(name: str, precision: str, tflops: float | None) -> None:
    found = stated(name, precision)
    assert (found and found.gflops) == (tflops and pytest.approx(1000 * tflops))


def test_a_cpus_peak_is_measured_and_said_to_be() -> None:
    assert "measured here" in peak_of(CPU, "float32").said
