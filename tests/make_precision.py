"""Make results/reference/precision.md again: `python tests/make_precision.py`, about half an hour on one core.

It trains every method and compares its gradients in bfloat16 and TF32 with those in float32 (tests/support/precision.py).
"""

import sys
from collections.abc import Mapping
from pathlib import Path

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS.parent), str(TESTS / "support")]  # not tests/bench, which bench would be here

from contract import METHODS, made  # noqa: E402
from precision import POINTS, Agreement, agreements  # noqa: E402
from tqdm import tqdm  # noqa: E402

STEPS = 300
PAGE = TESTS.parent / "results" / "reference" / "precision.md"
HEAD = f"""# Gradients in bfloat16 and TF32 against float32

The cosine of both gradients, and the length of the lower one over float32's, of a batch of 256 half-way and at the end of a
training in float32 of {STEPS} steps (batch 64, digits, a U-Net of 16 channels; TF32 is imitated by rounding what products
take to ten bits). A method keeps the lowest precision in which, half-way, the cosine is above .99 and the lengths differ by
less than 2 %: `Needs.precision`. At the end the learning rate is zero and what is left of some losses is a difference of
two passes at neighbouring times, smaller than bfloat16 can tell: there the numbers are for information. Where half-way lies in
a stage that asks for less than the last one (`cmt`), the last one decides. Made by `python tests/make_precision.py`.

| method | lowest | bf16, half-way | TF32, half-way | bf16, end | TF32, end |
|---|---|---|---|---|---|
"""


def line(name: str, found: Mapping[tuple[str, float], Agreement]) -> str:
    """A method's row."""
    cells = [f"{a.cosine:.4f}, {a.length:.4f}" for a in (found[k, p] for p in POINTS for k in ("bf16", "tf32"))]
    return f"| {name} | {made(name).needs.precision} | {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(HEAD + "\n".join(line(name, agreements(name, "unet", STEPS)) for name in tqdm(METHODS)) + "\n")
