"""Faults in: Flow matching under a coupling that is learned."""

from fault_tables.base import of
from fault_tables.passes import labels, masks

FILE = "methods/curvature.py"
PLAIN = "curvature::test_with_a_constant_encoder_it_is_flow_matching_to_the_bit[linear]"
CLOSED = "curvature::test_of_a_gaussian_coupling_the_loss_and_its_gradient_are_their_closed_forms[0.6]"
NOISE = "curvature::test_its_noise_is_the_encoders_in_units_of_the_base"
KL = "curvature::test_the_divergence_is_that_of_two_normal_laws"

FAULTS = [
    *of(
        "curvature", FILE,
        ("no gradient through the noise", "path.base_scale * (mean +", "path.base_scale * (mean.detach() +", CLOSED),
        ("no gradient through its width", "torch.exp(log_variance / 2)", "torch.exp(log_variance.detach() / 2)", CLOSED),
        ("divergence not learned from", "velocity + self.beta * apart,", "velocity + self.beta * apart.detach(),", CLOSED),
        ("encoder not trained", '{"net": ("net", "encoder")}', '{"net": ("net",)}',
         "curvature::test_a_short_training_straightens_the_flow"),
        ("variance for the deviation", "torch.exp(log_variance / 2)", "torch.exp(log_variance)", f"{NOISE}[linear]"),
        ("base scale for eps alone", "path.base_scale * (mean + torch.exp(log_variance / 2) * context.noise(x_1))",
         "mean + path.base_scale * torch.exp(log_variance / 2) * context.noise(x_1)", f"{NOISE}[half_base]"),
        ("divergence the other way", "torch.expm1(log_variance) - log_variance",
         "torch.expm1(-log_variance) + log_variance", KL),
        ("mean over entries", ".sum(1) / 2", ".mean(1) / 2", KL),
        ("a teacher", "velocity_model: ClassVar[bool] = False", "velocity_model: ClassVar[bool] = True",
         "curvature::test_it_is_no_teacher_and_in_the_league_of_those_that_train_more_networks"),
        ("no dropout", 'context.draws.dropout("student")', "None", masks("curvature")),
        ("label dropped", 'models["net"], batch.condition', 'models["net"], None', labels("curvature")),
        ("encoder without labels", 'models["encoder"], batch.condition', 'models["encoder"]', labels("curvature")),
        ci="no gradient through the noise",
    ),
    *of(
        "curvature", "bench/conf/method/curvature.yaml",
        ("file with another weight", "beta: 20.0", "beta: 10.0",
         "tests/methods/test_method_defaults.py::test_the_yaml_file_has_the_published_defaults[curvature]"),
    ),
]  # fmt: skip
