"""Faults in: The contract of the loop as authors check it, forward mode through affine maps, and what waits for the host."""

from fault_tables.base import of

BROKEN = "tests/bench/training/test_contract.py::test_what_breaks_it_is_told"
SKIPPED = ("tests/bench/training/test_contract.py::"
           "test_a_loss_that_is_not_finite_is_one_line_and_what_rests_on_it_is_skipped")
DRAWN = "tests/bench/training/test_on_a_device.py::test_samples_are_drawn_where_the_networks_are"
TOGETHER = "tests/methods/test_method_contract.py::test_all_samples_jump_together_as_each_does"
STEADY = "tests/bench/training/test_on_a_device.py::test_a_steady_step_of_every_stage_leaves_the_host_alone"
THROUGH = "tests/bench/training/test_on_a_device.py::test_so_does_one_that_goes_through_convolutions_and_computes_them_twice"
CRITIC = ("tests/bench/config/test_plugins_critic.py::"
          "test_what_it_says_of_itself_wrongly_is_told_before_anything_starts")
AFFINE = "tests/bench/nets/test_affine.py"

FAULTS = [
    *of(
        "contract", "bench/training/contract.py",
        ("a moved generator passes", "if not untouched():", "if False:", f"{BROKEN}[Random]"),
        ("other numbers pass", "if not torch.equal(first[name].per_sample, second[name].per_sample):", "if False:",
         f"{BROKEN}[Counting]"),
        ("a changed network passes", "if not torch.equal(value, after[key])]:", "if False]:", f"{BROKEN}[Moving]"),
        ("slices of any losses pass", "if not torch.allclose(one, several,", "if False and not torch.allclose(one, several,",
         (f"{BROKEN}[Centred]", f"{BROKEN}[Positions]")),
        ("no gradient passes", "if (name, role) not in reached:", "if False:", f"{BROKEN}[Detached]"),
        ("any gradient passes", "if not all(bool(g.isfinite().all()) for g in moved):", "if False:", f"{BROKEN}[Rooted]"),
        ("samples drawn by another jump pass", "if not torch.allclose(together, whole,",
         "if False and not torch.allclose(together, whole,", f"{BROKEN}[Apart]"),
        ("a restart that is none", "stopped.rungs = {recipe.steps // 2: _stop}", "stopped.rungs = {}",
         f"{BROKEN}[Remembering]"),
        ("what a method keeps goes on", "method, teacher = copy.deepcopy(subject.method),", "method, teacher = subject.method,",
         f"{BROKEN}[Remembering]"),
        ("losses of the beginning alone are looked at", "product(subject.taken, PROGRESS)",
         "product(subject.taken, PROGRESS[:1])", f"{BROKEN}[Overflowing]"),
        ("what the data drew is told as the method's", ".batch(draws.later(0))", ".batch(draws)", f"{BROKEN}[Infinite]"),
        ci="a restart that is none",
    ),
    *of(
        "contract", "bench/training/returned.py",
        ("parts that are not finite pass", "if parts else \"\"\n    by", "if False else \"\"\n    by", f"{BROKEN}[Unlogged]"),
        ("the part is not named", 'by = f", by its {listed}" if parts else', 'by = f", by its {listed}" if False else',
         SKIPPED),
    ),
    *of(
        "contract", "bench/check.py",
        ("what rests on broken losses is tried", 'if name in OF_LOSSES and "losses" in broken:', "if False:", SKIPPED),
    ),
    *of(
        "user's methods", "bench/config/combinations.py",
        ("a league that no table has", "method.league in LEAGUES,", "True,", f"{CRITIC}[league]"),
        ("a rule that is none", 'needs.rule in ("hop", "renoise"),', "True,", f"{CRITIC}[ruled]"),
    ),
    *of(
        "dmd2, sid", "methods/distribution_matching.py",
        ("its generator sees data", "* path.base_scale * context.noise(batch.x_1)",
         "* path.base_scale * context.noise(batch.x_1) + 0 * batch.x_1",
         "tests/methods/test_method_contract.py::test_data_are_read_by_all_but_those_that_say_so[dmd2]"),
    ),
    *of(
        "affine maps", "bench/layers/affine.py",
        ("tangent with the bias", "lambda dx: F.linear(dx, weight),", "lambda dx: F.linear(dx, weight, bias),",
         f"{AFFINE}::test_values_tangents_and_gradients_are_pytorchs[linear]"),
        ("moving weights forgotten", "if tangent is None or moving:", "if tangent is None:",
         f"{AFFINE}::test_weights_that_move_are_differentiated_too[True-linear]"),
        ("products by zero", "if tangent is None or moving:", "if True:",
         f"{AFFINE}::test_forward_mode_multiplies_twice_and_not_three_times[mlp]"),
        ci="tangent with the bias",
    ),
    *of(
        "host and device", "methods/tools/constants.py",
        ("copied in every step", "return _kept(make, arguments, like.device, dtype or like.dtype)",
         "return make(*arguments).to(like.device, dtype or like.dtype)", f"{STEADY}[ict]"),
        ("of whatever came first", "@lru_cache(maxsize=256)\ndef _kept(make: Callable[..., Tensor], arguments:",
         "@lru_cache(maxsize=1)\ndef _kept(make: Callable[..., Tensor], arguments:", f"{THROUGH}[dsno]"),
    ),
    *of(
        "host and device", "bench/training/rng.py",
        ("positions on the host", "return inside.to(device), ", "return inside, ",
         f"{STEADY}[lsd]"),
    ),
    *of(
        "host and device", "methods/edm.py",
        ("the device asked for times that the host knows", "everywhere(t, x), _finite(s, t), condition)",
         "everywhere(t, x), _finite(everywhere(s, x), everywhere(t, x)), condition)", f"{DRAWN}[edm-untuned]"),
        ("all samples by the other rule", "everywhere(t, x), _finite(s, t), condition)",
         "everywhere(t, x), ~_finite(s, t), condition)", f"{TOGETHER}[edm]"),
    ),
    *of(
        "host and device", "methods/tools/shapes.py",
        ("times carried to the device", "torch.full((len(x),), t.item(), dtype=t.dtype, device=x.device)",
         "t.to(x.device).expand(len(x))", f"{DRAWN}[ect-untuned]"),
    ),
    *of(
        "affine maps", "methods/tools/flow_map.py",
        ("times exchanged", 'moving["s"] = (s, torch.full_like(s, ds))', 'moving["s"] = (s, torch.full_like(s, dt))',
         "pointwise::test_loss_and_gradient_vanish_at_the_exact_map"),
    ),
]  # fmt: skip
