"""Faults in: Networks that are told a time in each part, and the method that trains them."""

from fault_tables.base import of
from fault_tables.passes import labels, masks

SPLIT, TRUTH = "tests/bench/nets/test_decoupled.py::test_", "decoupled::test_"
PARTS = f"{SPLIT}its_first_part_is_told_s_alone_and_its_last_part_t_alone[unet-shape2]"
HALVES = f"{TRUTH}its_halves_are_flow_matching_and_meanflow_in_value_and_gradient[linear]"
LOGARITHM = f"{TRUTH}the_loss_is_the_logarithm_with_its_floor_and_the_learned_weight"
NET = 'conditioned(models["net"], batch.condition, draws.dropout('

FAULTS = [
    *of(
        "decoupled networks", "bench/layers/modulated.py",
        ("its last part told s", "self._told(t, t, condition)", "self._told(s, s, condition)", PARTS),
        ("its first part told the gap", "self._told(s, s, condition)", "self._told(s, t, condition)", PARTS),
        ("not split", "if not self.decoupled:", "if self.decoupled is not None:", PARTS),
        ci="its last part told s",
    ),
    *of(
        "decoupled networks", "bench/nets/unet.py",
        ("the bottom told t", "len(self.encoder) + 1]", "len(self.encoder)]",
         f"{SPLIT}the_parts_meet_where_it_is_said[unet-3]"),
    ),
    *of(
        "decoupled_meanflow", "methods/decoupled_meanflow.py",
        ("one draw of noise for both", 'draws.normal("velocity x_0", *x_1.shape[1:])', "context.noise(x_1)", HALVES),
        ("whole for half", "self.weigh(models, raw, s, t)) / 2", "self.weigh(models, raw, s, t))", HALVES),
        ("derivative in t", "ds=1.0", "dt=1.0", HALVES),
        ("floor forgotten", "torch.exp(-w) + self.floor)", "torch.exp(-w))", LOGARITHM),
        ("weight of the other sign", "torch.exp(-w)", "torch.exp(w)", LOGARITHM),
        ("weight of the diagonal for both", 'models["weight"](s, t)', 'models["weight"](s, s)', LOGARITHM),
        ("an ordinary network", "backbone.decoupled()", "backbone.net()",
         f"{TRUTH}it_is_made_of_a_network_that_is_told_a_time_in_each_part"),
        ("not from its teacher", "prepare=start_from_teacher if self.initialise else None", "",
         f"{TRUTH}it_starts_with_its_teachers_velocity_and_learns_the_map_of_a_gaussian"),
        ("no dropout in flow matching", 'draws.dropout("velocity")', "None", masks("decoupled_meanflow")),
        ("label dropped in flow matching", f'{NET}"velocity"', 'conditioned(models["net"], None, draws.dropout("velocity"',
         labels("decoupled_meanflow")),
        ("label dropped in MeanFlow", f'{NET}"student"', 'conditioned(models["net"], None, draws.dropout("student"',
         labels("decoupled_meanflow")),
        ci="derivative in t",
    ),
    *of(
        "decoupled_meanflow", "bench/conf/method/decoupled_meanflow.yaml",
        ("file with another law", "mean: -0.4", "mean: 0.4",
         "tests/methods/test_method_defaults.py::test_the_yaml_file_has_the_published_defaults[decoupled_meanflow]"),
    ),
]  # fmt: skip
