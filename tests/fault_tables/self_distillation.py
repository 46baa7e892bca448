"""Faults in: LSD, ESD and PSD."""

from fault_tables.base import CUT, GUARD, LOSS, MICRO, OPEN, POINT, TRAIN, of

SELF = "methods/self_distillation.py"
FLOW_MAP = "methods/tools/flow_map.py"

FAULTS = [
    *of(
        "lsd", SELF,
        ("flipped sign", "return speed - velocity", "return speed + velocity", f"{POINT}[lsd-linear]"),
        ("swapped times", "velocity = v(end, t, t)", "velocity = v(end, s, s)", f"{POINT}[lsd-linear]"),
        ("velocity at the start of the jump", "velocity = v(end, t, t)", "velocity = v(x, t, t)",
         f"{POINT}[lsd-linear]"),
        ("missing stop-gradient", GUARD + "velocity = v(end", OPEN + "velocity = v(end", f"{CUT}[lsd]"),
        ("detached variant without any gradient", "return value - target", "return (value - target).detach()",
         f"{CUT}[lsd_detached]"),
        ("dropped d_t v in the detached variant", "target = v(x + gap * value, t, t) - gap * dv",
         "target = v(x + gap * value, t, t)", f"{POINT}[lsd_detached-linear]"),
        ci="missing stop-gradient",
    ),
    *of(
        "lsd, esd, psd", SELF,
        ("missing diagonal term", "raw = torch.cat([diagonal, distilled])", "raw = torch.cat([0 * diagonal, distilled])",
         f"{TRAIN}_a_gaussian[lsd]"),
        ("diagonal times from the larger of two", 'd = context.draws.uniform("diagonal")[on]', "d = t[on]",
         "clocks::test_self_distillation_visits_the_whole_diagonal_uniformly"),
        ("learned weight without its own term", "torch.exp(-w) * raw + w", "torch.exp(-w) * raw",
         "limits::test_the_learned_weight_enters_as_exp_minus_w_times_loss_plus_w[lsd]"),
        ("learned weight of the wrong sign", "torch.exp(-w) * raw + w", "torch.exp(w) * raw + w",
         "limits::test_the_learned_weight_enters_as_exp_minus_w_times_loss_plus_w[lsd]"),
        ("learned weight not trained", '("net", "weight") if self', '("net",) if self',
         "training::test_the_learned_weight_is_trained"),
        ("annealing that never widens", "warm_up(context.progress, self.anneal)", "warm_up(0.0, self.anneal)",
         "limits::test_annealing_widens_the_interval_with_progress"),
    ),
    *of(
        "esd", FLOW_MAP,
        ("dropped J.v", "transport = b + gap * derivative(v, x, s, t, dx=b)[1]", "transport = b",
         f"{POINT}[esd-linear]"),
        ("flipped sign", "gap * d_s - value + transport", "gap * d_s - value - transport", f"{POINT}[esd-linear]"),
        ("missing stop-gradient", "with torch.no_grad():\n        transport",
         "with torch.enable_grad():\n        transport", f"{CUT}[esd]"),
        ("gap forgotten", "return b + gap * dv - value", "return b + dv - value", f"{POINT}[esd_none-linear]"),
        ci="dropped J.v",
    ),
    *of(
        "esd", SELF,
        ("wrong clock of the own velocity", "b = v(x, s, s)", "b = v(x, s, t)", f"{POINT}[esd-linear]"),
        ("gap forgotten in the detached variant", "return b + gap * dv - value", "return b + dv - value",
         f"{POINT}[esd_detached-linear]"),
        ("cut of the whole residual for every placement", "cut=self.stop_gradient is StopGradient.FULL", "cut=True",
         f"{CUT}[esd_convex]"),
    ),
    *of(
        "psd_m", SELF,
        ("second jump from the start", "v(x + align(u - s, x) * first, u, t)", "v(x, u, t)", f"{POINT}[psd_m-linear]"),
        ("not the middle", "torch.full_like(s, 0.5)", "torch.full_like(s, 0.4)", f"{LOSS}[psd_m]"),
        ("missing stop-gradient", "with torch.set_grad_enabled(self.stop_gradient is StopGradient.NONE):\n            u =",
         "with torch.enable_grad():\n            u =", f"{CUT}[psd_m]"),
        ci="second jump from the start",
    ),
    *of(
        "psd_u", SELF,
        ("swapped shares", "(1 - g) * first + g * v(", "g * first + (1 - g) * v(", f"{POINT}[psd_u-linear]"),
        ("swapped cut", "u = gamma * s + (1 - gamma) * t", "u = (1 - gamma) * s + gamma * t", f"{POINT}[psd_u-linear]"),
        ("cuts of the wrong samples", "[context.split(self.eta)[1]]", "[: len(s)]", f"{MICRO}[4-psd_u]"),
        ci="swapped shares",
    ),
]  # fmt: skip
