"""Faults in: Contrastive flow matching."""

from fault_tables.base import of
from fault_tables.passes import labels, masks

PAIR = "contrastive::test_the_other_sample_is_the_pairs[linear]"
OPTIMUM = "contrastive::test_the_gradient_vanishes_at_the_closed_optimum_and_not_at_the_velocity[linear-0.4-True]"

FAULTS = [
    *of(
        "contrastive", "methods/contrastive.py",
        ("the other sample is itself", ".flip(1)", "", PAIR),
        ("drawn to the other", "own - self.weight * other", "own + self.weight * other",
         OPTIMUM),
        ("noise is shared", "path.velocity(swapped(x_0), swapped(x_1), t)", "path.velocity(x_0, swapped(x_1), t)", PAIR),
        ("no dropout", 'context.draws.dropout("student")', "None", masks("contrastive")),
        ("label dropped", "batch.condition, context", "None, context", labels("contrastive")),
        ci="the other sample is itself",
    ),
    *of(
        "contrastive", "bench/conf/method/contrastive.yaml",
        ("file with another weight", "weight: 0.05", "weight: 0.5",
         "tests/methods/test_method_defaults.py::test_the_yaml_file_has_the_published_defaults[contrastive]"),
    ),
]  # fmt: skip
