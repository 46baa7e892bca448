"""Faults in: the networks of the image papers."""

from fault_tables.base import of

NETS = "tests/bench/nets/test_nets.py::test_"
MAGNITUDE = "tests/bench/nets/test_magnitude.py::test_"
PROJECTION = "tests/bench/training/test_projection.py::test_"

FAULTS = [
    *of(
        "magnitudes", "bench/layers/magnitude.py",
        ("all filters on one sphere", "dim=tuple(range(1, weight.ndim))", "dim=tuple(range(weight.ndim))",
         f"{MAGNITUDE}the_length_of_a_weight_changes_nothing"),
        ("a sum that shrinks", "sqrt((1 - share) ** 2 + share**2)", "1.0",
         f"{MAGNITUDE}what_comes_in_with_unit_magnitude_leaves_with_it[sum]"),
        ("parts of a concatenation by their numbers of channels", "scaled(a, size / sqrt(a.shape[1]))", "a",
         f"{MAGNITUDE}both_parts_of_a_concatenation_weigh_the_same"),
        ("frozen weights moved", " and layer.weight.requires_grad", "", f"{MAGNITUDE}frozen_weights_are_left_where_they_are"),
        ci="a sum that shrinks",
    ),
    *of(
        "edm2", "bench/nets/edm2.py",
        ("gap for the time", "self.start(self._embedded(s)), self.gap(self._embedded(t - s))",
         "self.start(self._embedded(s)), self.gap(self._embedded(t))",
         f"{NETS}off_the_diagonal_the_gap_is_what_edm2_hears"),
        ("a decoder that normalises pixels", "if self.encodes else x\n", "if self.encodes else pixel_norm(x)\n",
         f"{NETS}a_block_of_edm2_is_the_published_one"),
    ),
    *of(
        "dit", "bench/nets/dit.py",
        ("PyTorch's layer norm", "F.group_norm(h.flatten(0, 1), 1, eps=1e-6).view(h.shape)",
         "F.layer_norm(h, h.shape[2:], eps=1e-6)",
         f"{NETS}the_gradient_through_a_tangent_equals_a_finite_difference[dit-shape4]"),
        ("rows for columns", "(columns, rows))", "(rows, columns))", f"{NETS}the_places_of_tokens_are_their_columns_and_rows"),
    ),
    *of(
        "projection", "bench/training/state.py",
        ("after the averages", """            project(module)
        self.average.update()
""", """            pass
        self.average.update()
        for module in self.models.values():
            project(module)
""", f"{PROJECTION}averages_are_of_projected_weights"),
    ),
]  # fmt: skip
