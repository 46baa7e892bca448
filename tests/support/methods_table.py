"""`python tests/support/methods_table.py`: what every method is, needs and costs, from code into reference/methods.md.

Network evaluations are counted while the losses and the jump run; the tests are the files below tests/ that catch the
method's deliberate faults (tests/fault_tables), beside test_method_contract.py, which runs over all of them. A test
compares the page with the code, and the README shows it.
"""

import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.extend(map(str, Path(__file__).resolve().parents[2:0:-1]))  # as in a test

import torch
from contract import METHODS, TRUTH, batch_of, built, made, reads_data
from fault_tables import FAULTS
from fixed_point import condition, shift
from oracle import context, data, teacher_of
from places import ROOT

from bench.nets import counting
from methods.base import Method

PAGE = ROOT / "results" / "reference" / "methods.md"
B, STEPS = 16, 64  # a step's counts may be random (CTM's substeps): their mean over this many
NO_DATA = "no data but its teacher's"
TRUTHS = {"A": "zero at every sample", "B": "zero up to a solver's or grid's error", "C": "zero gradient in expectation"}
HEAD = ("method", "paper", "needs", "a training step: calls (rows per sample)", "a jump", "at the exact map",
        "shift", "reaches", "league", "faults caught by")


def page() -> str:
    """The whole Markdown page."""
    lines = [HEAD, ["---"] * len(HEAD), *map(row, METHODS)]
    caption = (
        "Calls and rows count every forward pass of a training step in its last stage, the teacher's and the slow copy's "
        "included (one under forward mode is one); a jump's are those of sampling. "
        f"With {NO_DATA} a method's losses read no training sample: it knows what its teacher has seen. "
        "At the exact map the loss is: "
        + "; ".join(f"{key} {text}" for key, text in TRUTHS.items())
        + ". Where that holds only at another knob than the default, the map that is learned is not the exact one: the shift "
        "is how far its jump from noise to data lies off, root mean square, by one step along the loss's own mean gradient "
        "on the skewed target (tests/support/fixed_point.py)."
    )
    return "\n".join([caption, "", *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"


def row(name: str) -> list[str]:
    """One method's cells."""
    method = made(name)
    moved = str(shift(method)) if condition(method) and not method.needs.teacher else "–"
    return [f"`{name}`", method.paper, needs(method), training(method), jump(method), method.needs.truth, moved,
            {"any": "any s, t", "grid": "its grid", "data": "data"}[method.needs.reaches], method.league, tests(name)]


def needs(method: Method) -> str:
    """What the harness provides beside data and one network, and whether it does without data."""
    wanted, stages = method.needs, method.stages(2**20)
    teacher = "teacher and its weights" if stages[0].prepare is not None else "teacher"
    parts = [
        teacher if wanted.teacher else "",
        f"{wanted.trajectories.count:,} stored trajectories" if wanted.trajectories else "",
        "slow copy" if wanted.target_ema else "",
        f"groups of {wanted.group}" if wanted.group > 1 else "",
        f"{len(stages)} stages" if len(stages) > 1 else "",
        "learned weight" if "weight" in built(method) else "",
        "" if reads_data(method) else NO_DATA,
    ]
    return ", ".join(part for part in parts if part) or "–"


def training(method: Method) -> str:
    """Mean calls and rows per sample of the networks and the teacher in one step."""
    rows = max(B, method.needs.group)
    models, x_1 = built(method), data(TRUTH, rows)
    exact, asked = teacher_of(TRUTH), [0, 0]

    def teacher(x: torch.Tensor, t: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        asked[0], asked[1] = asked[0] + 1, asked[1] + len(x)
        return exact(x, t, condition)

    batch = batch_of(method, x_1, exact)
    with ExitStack() as stack:
        counts = [stack.enter_context(counting(module)) for role, module in models.items() if role != "weight"]
        for step in range(STEPS):
            at = context(method, rows, step=step, teacher=teacher, target={"net": models["net"]})
            method.losses(models, batch, at)
    calls = (asked[0] + sum(c.calls for c in counts)) / STEPS
    seen = (asked[1] + sum(c.rows for c in counts)) / STEPS / rows
    return f"{_short(calls)} ({_short(seen)})"


def jump(method: Method) -> str:
    """Calls and rows per sample of one jump of a one-step and, where it differs, of a longer sampling."""
    models, x = built(method), data(TRUTH, B)
    found = []
    for steps in (n for n in (1, 2, 8) if method.supports(n)):
        s, t = method.grid(steps)[:2].expand(B, 2).T
        with ExitStack() as stack:
            counts = [stack.enter_context(counting(module)) for module in models.values()]
            method.jump(models, x, s, t if method.needs.rule == "hop" else torch.ones_like(t))
        found.append(f"{sum(c.calls for c in counts)} ({sum(c.rows for c in counts) // B})")
    return ", then ".join(dict.fromkeys(found))


def tests(name: str) -> str:
    """Files of the tests that catch its faults, and how many faults there are."""
    own = [fault for fault in FAULTS if any(name == word or name.startswith(f"{word}_") for word in fault.subject.split(", "))]
    files = sorted({test.split("::")[0].removeprefix("tests/").removesuffix(".py") for fault in own for test in fault.ids})
    return f"{len(own)}: {', '.join(files)}"


def _short(value: float) -> str:
    return f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(PAGE.write_text(page()) * 0)
