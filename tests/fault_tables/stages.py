"""Faults in: What the loop begins anew in every stage and what it hands on, each for every method that uses it."""

from fault_tables.base import Fault, of

STAGES = "tests/bench/training/test_stages.py::test_"
STATE, SLOW, TRAIN, STEP, EMA, RESTART = (
    f"bench/training/{name}.py" for name in ("state", "slow", "train", "step", "ema", "restart")
)  # fmt: skip
STAGED, SLOWED = ("pfmm", "progressive", "tcm", "two_stages"), ("ct", "cd_slow", "ctm", "shortcut", "two_stages")
STARTED = ("ayf_emd", "ayf_lmd", "cd", "cd_slow", "ctm", "dsno", "pfmm", "progressive", "scd", "two_stages")
BEGUN, OWN = "averages_begin_every_stage_at_the_network_and_warm_up_anew", "a_slow_copy_begins_every_stage_as_the_network_"
FOLLOWS, RESUMED = OWN + "and_follows_by_the_methods_decay", "a_run_killed_in_its_last_stage_goes_on_bitwise"
RATE = "every_stage_has_a_learning_rate_of_its_own_from_warm_up_to_nothing"
STARTS = "a_student_that_starts_from_its_teacher_is_it_and_so_are_its_average_and_slow_copy"
# Methods, name, file, old, new, test.
MECHANISMS: list[tuple[tuple[str, ...], str, str, str, str, str]] = [
    (STAGED, "moments of the stage before", STATE, "        self.make_optimizers(stage)\n        self.average",
     "        if not self.optimizers:\n            self.make_optimizers(stage)\n        self.average",
     "every_stage_begins_with_an_optimizer_that_remembers_nothing"),
    (STAGED, "one schedule for the whole run", STEP, "self.recipe.rate(progress.stage_share,",
     "self.recipe.rate(progress.share,", RATE),
    (STAGED, "average of the stage before goes on", STATE, "        self.average.restart()\n", "", BEGUN),
    (STAGED, "average without a new warm-up", EMA, "        self._steps = 0\n        for", "        for", BEGUN),
    (STARTED, "average of the network before it took its teacher's weights", STATE, "        self.average.restart()\n", "",
     STARTS),
    (("two_stages",), "slow copy of the stage before goes on", STATE, "self.slow.restart()", "pass", FOLLOWS),
    (("cd_slow", "ctm"), "slow copy of the network before it took its teacher's weights", STATE, "self.slow.restart()", "pass",
     STARTS),
    (("cd_slow", "ctm"), "slow copy that catches up after a step", SLOW, "self.net.load_state_dict(self._live.state_dict())",
     "pass", STARTS),
    (("ct",), "slow copy that decays as at first", STATE, "self.method.target_decay(share)", "self.method.target_decay(0.0)",
     FOLLOWS),
    (SLOWED, "slow copy that follows twice as fast", SLOW, "self.average.update(decay)", "self.average.update(decay**2)",
     FOLLOWS),
    (STAGED, "live network handed on", TRAIN, '{**self.models, "net": self.averaged()}', "dict(self.models)",
     "a_stage_is_handed_the_average_of_the_stage_before_and_the_first_its_teacher"),
    (STAGED[:3], "frozen network that is trained", STATE, "module.requires_grad_(role in trained)",
     "module.requires_grad_(True)", "a_stage_trains_the_roles_that_it_names_and_no_other"),
    (STAGED, "average that resumes with the run's steps", RESTART, "updates = progress.step - progress.start",
     "updates = progress.step", RESUMED),
    (SLOWED, "slow copy that is not restored", RESTART, 'state.slow.load(saved["target"], updates)', "state.slow.restart()",
     RESUMED),
    (("lsd", "progressive", "ctm", "tcm"), "moments that are not restored", RESTART,
     'optimizer.load_state_dict(saved["optimizers"][name])', "pass", RESUMED),
    (("lsd", "sct", "pfmm", "tcm"), "roles that are not restored", RESTART, "for role, module in state.models.items():",
     'for role, module in {"net": state.models["net"]}.items():', RESUMED),
]  # fmt: skip


def table() -> list[Fault]:
    """The mechanisms for each of their methods; the first one's first method is in the short run."""
    found = []
    for methods, name, file, old, new, test in MECHANISMS:
        for case in methods:
            subject = case if case not in ("cd_slow", "two_stages") else "stages"
            row = (f"{name} [{case}]", old, new, f"{STAGES}{test}[{case}]")
            chosen = case == methods[0] and name in ("moments of the stage before", "slow copy of the stage before goes on")
            found += of(subject, file, row, ci=row[0] if chosen else "")
    return found


FAULTS = [
    *table(),
    *[
        fault
        for name, file in (("lsd", "methods/self_distillation.py"), ("sct", "methods/scm.py"))
        for fault in of(
            name, file,
            ("learned weight that nobody trains", '("net", "weight") if self.learned_weight', '("net",) if self.learned_weight',
             f"{STAGES}a_network_that_no_stage_trains_is_one_that_a_stage_hands_on[{name}]"),
        )
    ],
    *of(
        "progressive", "methods/progressive.py",
        ("students kept a round late", 'f"student_{self.ratio * n}"', 'f"student_{n}"',
         STAGES + "every_kept_student_of_progressive_distillation_is_that_of_its_own_round"),
    ),
    *of(
        "dsno", "methods/base.py",
        ("started without its teacher's weights",
         'net.load_state_dict(net.state_dict() | previous["net"].state_dict())', "pass", f"{STAGES}{STARTS}[dsno]"),
    ),
]  # fmt: skip
