"""Faults in: The published U-Nets and what they are made of."""

from fault_tables.base import of

NETS = "tests/bench/nets/test_nets.py::test_"
PUBLISHED = "tests/bench/nets/test_published.py::test_"
VALUES = f"{PUBLISHED}values_are_those_of_the_published_code"
SIZE = f"{PUBLISHED}size_is_the_published_one_and_a_layer_for_the_second_time"

FAULTS = [
    *of(
        "published networks", "bench/nets/residual.py",
        ("sums not rescaled", "scaled(x + h, self.style.scale)", "x + h", f"{VALUES}[ddpmpp]"),
        ("the norm's own scale forgotten", "white, norm.weight * scale)", "white, scale)",
         f"{VALUES}[adm]"),
        ci="the norm's own scale forgotten",
    ),
    *of(
        "published networks", "bench/nets/plan.py",
        ("all blocks on the way up attend", "(i == self.blocks or not self.sparing)", "True",
         f"{SIZE}[55733891]"),
    ),
    *of(
        "published networks", "bench/layers/times.py",
        ("gap not zero on the diagonal", "lambda c: c - 1", "lambda c: c",
         f"{NETS}a_network_trained_on_the_diagonal_does_not_know_t"),
        ("random frequencies not in the state", 'self.register_buffer("frequencies", frequencies)',
         'self.register_buffer("frequencies", frequencies, persistent=False)',
         f"{PUBLISHED}random_frequencies_go_with_the_weights"),
    ),
    *of(
        "published networks", "bench/layers/resample.py",
        ("a quarter of what it was", "F.conv_transpose2d(h, 4 * self._of(h)", "F.conv_transpose2d(h, self._of(h)",
         f"{PUBLISHED}resampling_keeps_constants_inside_and_up_is_four_times_the_adjoint_of_down[binomial]"),
    ),
    *of(
        "labels", "bench/layers/labels.py",
        ("any width passes", "if tuple(condition.shape) != (len(like), classes + augment):", "if False:",
         f"{PUBLISHED}labels_that_a_network_was_not_built_for_are_refused"),
    ),
]  # fmt: skip
