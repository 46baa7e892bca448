"""Faults in: Sums and means over a sample's entries, in every loss and its adaptive, robust or learned weight."""

from fault_tables.base import of

WEIGHTS = "tests/methods/test_method_weights.py::test_"
SUMMED = ("cd", "ct", "ctm", "ect", "edm", "emd", "esd", "flow_matching", "fmm", "ict", "lmd", "lsd", "meanflow", "pfmm",
          "progressive", "psd_m", "psd_u", "scd", "sct", "shortcut", "tcm")  # fmt: skip


def tiled(name: str) -> str:
    """One entry set side by side three times."""
    return f"{WEIGHTS}a_loss_sums_or_averages_over_entries_as_its_paper_does[{name}--1-3]"


FAULTS = [
    *[
        fault
        for name in SUMMED
        for fault in of(
            name, "methods/tools/shapes.py",
            (f"mean over entries for the sum [{name}]", "r.square().flatten(1).sum(1)", "r.square().flatten(1).mean(1)",
             tiled(name)),
        )
    ],
    *of(
        "meanflow", "methods/tools/weights.py",
        ("weight of the mean over entries", "scale = (raw + floor)", "scale = (raw / 2 + floor)", tiled("meanflow")),
    ),
    *of(
        "meanflow", "methods/meanflow.py",
        ("loss and weight of the mean over entries", "return squared(r)", "return squared(r) / r[0].numel()",
         tiled("meanflow")),
        ci="loss and weight of the mean over entries",
    ),
    *of(
        "soflow", "methods/tools/shapes.py",
        ("sum over entries", "r.square().flatten(1).mean(1)", "r.square().flatten(1).sum(1)",
         (tiled("soflow"), WEIGHTS + "soflow_averages_on_the_diagonal_too[3]")),
    ),
    *of(
        "soflow", "methods/soflow.py",
        ("half on the diagonal too", "losses.append(self.adapt(raw))", "losses.append(self.adapt(raw) / 2)",
         WEIGHTS + "soflow_averages_on_the_diagonal_too[1]"),
    ),
    *of(
        "ect", "methods/consistency.py",
        ("robust distance of the mean", "self.distance.of(raw, c)", "self.distance.of(raw / end[0].numel(), c)", tiled("ect")),
    ),
    *of(
        "ict", "methods/consistency.py",
        ("robust distance of the mean", "self.distance.of(raw, c)", "self.distance.of(raw / end[0].numel(), c)", tiled("ict")),
        ("constant by the dimension, not its root", "sqrt(x_1[0].numel())", "x_1[0].numel()", tiled("ict")),
    ),
    *of(
        "sct", "methods/tools/tangent.py",
        ("tangent's norm by the root of the mean", "torch.sqrt(squared(g))", "torch.sqrt(squared(g) / g[0].numel())",
         tiled("sct")),
    ),
    *of(
        "scd", "methods/tools/tangent.py",
        ("tangent's norm by the root of the mean", "torch.sqrt(squared(g))", "torch.sqrt(squared(g) / g[0].numel())",
         tiled("scd")),
    ),
    *[
        fault
        for name in ("ayf_emd", "ayf_lmd")
        for fault in of(
            name, "methods/tools/tangent.py",
            (f"tangent's norm by the root of the mean [{name}]", "torch.sqrt(squared(g))",
             "torch.sqrt(squared(g) / g[0].numel())", tiled(name)),
        )
    ],
    *[
        fault
        for name in ("lsd", "esd", "psd_m", "psd_u")
        for fault in of(
            name, "methods/self_distillation.py",
            (f"learned weight of the mean over entries [{name}]", "torch.exp(-w) * raw + w",
             "torch.exp(-w) * raw / x_1[0].numel() + w", tiled(name)),
            (f"learned weight upside down [{name}]", "torch.exp(-w) * raw + w", "torch.exp(w) * raw - w", tiled(name)),
        )
    ],
    *of(
        "scd", "methods/scm.py",
        ("learned weight of the sum over entries", "torch.exp(w) / x_1[0].numel() * raw", "torch.exp(w) * raw", tiled("scd")),
    ),
    *of(
        "imm", "methods/imm.py",
        ("kernel without the number of entries", "scale = y.shape[1:].numel() *", "scale = 2 *",
         WEIGHTS + "moment_matching_divides_the_distance_by_the_number_of_entries"),
    ),
    *of(
        "dsno", "methods/operator.py",
        ("mean over entries for the sum", "error.abs().sum(2)", "error.abs().mean(2)", tiled("dsno")),
    ),
]  # fmt: skip
