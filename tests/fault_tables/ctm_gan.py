"""Faults in: CTM against a critic."""

from fault_tables.base import of
from fault_tables.passes import labels

G = "ctm_gan::test_"
GAN = "methods/ctm_gan.py"
PLAYED = G + "the_critic_tells_data_from_the_end_of_the_longer_jump_which_is_moved_against_it"
UNTIL = G + "until_it_counts_the_losses_are_ctms_to_the_bit_and_the_critic_learns"
ADDED = G + "the_loop_adds_the_adversarial_gradient_at_the_length_of_the_trajectories"

FAULTS = [
    *of(
        "ctm_gan", GAN,
        ("critic's loss moves the network", "estimate.detach()", "estimate", PLAYED),
        ("shorter jump for the longer", "deceived(critic, estimate, one)", "deceived(critic, target, one)", PLAYED),
        ("counts too late", "context.progress >= self.onset", "context.progress > self.onset", UNTIL + "[0.5-True]"),
        ("counts at once", " * (context.progress >= self.onset)", "", UNTIL + "[0.499-False]"),
        ("critic that waits too", "told_apart(critic, batch.x_1, estimate.detach(), one)",
         "told_apart(critic, batch.x_1, estimate.detach(), one) * (context.progress >= self.onset)", UNTIL + "[0.0-False]"),
        ("fixed weight ignored", "self.critic * adversarial", "adversarial",
         G + "a_fixed_weight_takes_the_place_of_the_balance"),
        ("denoising no more balanced", "{**stage.balanced, **more}", "more", PLAYED),
        ("critic without labels", "conditioned(models[\"critic\"], batch.condition)", "conditioned(models[\"critic\"])",
         labels("ctm_gan")),
        ci="critic's loss moves the network",
    ),
    *of(
        "ctm_gan", "bench/training/balance.py",
        ("scale upside down", "length / own", "own / length", ADDED),
    ),
    *of(
        "ctm_gan", "bench/conf/method/ctm_gan.yaml",
        ("file with another onset", "onset: 0.5 ", "onset: 0.0 ",
         "tests/methods/test_method_defaults.py::test_the_yaml_file_has_the_published_defaults[ctm_gan]"),
    ),
]  # fmt: skip
