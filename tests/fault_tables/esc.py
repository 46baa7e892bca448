"""Faults in: ESC."""

from fault_tables.base import of
from fault_tables.passes import labels, masks

E = "esc::test_"
ESC = "methods/esc.py"
PLAIN = E + "without_its_parts_it_is_meanflow_to_the_bit[no mean-1.0-Derivative.SPLIT-linear]"
SUM = E + "the_plug_in_velocity_is_the_mean_over_the_data_of_the_group[one class-half_base]"
CLASSES = E + "the_plug_in_velocity_is_the_mean_over_the_data_of_the_group[classes and more-linear]"
MEAN = E + "it_is_the_mean_velocity_on_average_and_scatters_the_less_the_larger_the_group[linear]"
WHOLE = E + "loss_and_gradient_are_their_definition[linear]"
ENDS = E + "jumps_to_data_come_first_and_cease[0.1]"

FAULTS = [
    *of(
        "esc", ESC,
        ("a mean without the row's own sample", "torch.softmax(fits, -1)",
         'torch.softmax(fits.masked_fill(torch.eye(group, dtype=torch.bool), float("-inf")), -1)', MEAN),
        ("every sample alike", "torch.softmax(fits, -1)", "torch.softmax(0 * fits, -1)", MEAN),
        ("noise of unit width", "(2 * path.base_scale**2)", "2", SUM),
        ("noise that stays as another sample is tried", "(x_0[:, :, None] - ratio * apart)", "(x_0[:, :, None] + 0 * apart)",
         SUM),
        ("other classes count", "(same[:, :, None] != same[:, None]).any(-1)", "(same[:, :, None] != same[:, None]).all(-1)",
         CLASSES),
        ("samples moved and not their noise", "path.d_beta(s) - path.d_alpha(s) * beta / alpha", "path.d_beta(s)", SUM),
        ("division by nothing at data", ".clamp(min=torch.finfo(s.dtype).eps)", "",
         E + "it_is_finite_at_both_ends_and_the_rows_own_at_data[dtype0-1.0]"),
        ("a group chooses together", 'context.draws.uniform("plug-in")', 'context.grouped_uniform("plug-in", self.group)',
         WHOLE),
        ("the mean where it is not chosen", "torch.where(chosen, inferred, speed)", "torch.where(chosen, speed, inferred)",
         WHOLE),
        ("without the weight", "torch.exp(-w) * loss + w", "loss + w", WHOLE),
        ("weight without its price", "torch.exp(-w) * loss + w", "torch.exp(-w) * loss", WHOLE),
        ("ends that cease evenly", 'torch.cos(pi / 2 * context.draws.uniform("ends"))', '1 - context.draws.uniform("ends")',
         ENDS),
        ("ends that come late", "> warm_up(context.progress", "< warm_up(context.progress", (ENDS, PLAIN)),
        ("wrong clock", "LogitNormal(0.4, 1.0)", "LogitNormal(-0.4, 1.0)",
         E + "its_times_are_the_papers_with_the_clock_turned_around"),
        ci="a mean without the row's own sample",
    ),
    *of(
        "esc", "methods/meanflow.py",
        ("no dropout", 'context.draws.dropout("student")', "None", masks("esc")),
        ("label dropped", "conditioned(models[\"net\"], condition, ", "conditioned(models[\"net\"], None, ", labels("esc")),
    ),
    *of(
        "esc", "bench/conf/method/esc.yaml",
        ("file with another group", "group: 8 ", "group: 4 ",
         "tests/methods/test_method_defaults.py::test_the_yaml_file_has_the_published_defaults[esc]"),
    ),
]  # fmt: skip
