"""Faults in: Which checkpoint of a run is its model, and what is said of it."""

from fault_tables.base import of

KEPT, TABLES = "tests/bench/scoring/test_kept.py::test_", "tests/results/tables/test_kept_tables.py::test_"
PREFERRED = KEPT + "what_the_proxy_prefers_is_scored_recorded_and_loaded"
APART = KEPT + "no_seed_of_the_reported_numbers_is_drawn_and_what_is_compared_is_held_out"
AGAIN = KEPT + "a_rule_is_a_protocol_of_its_own_and_a_change_of_it_scores_again_and_trains_nothing"

MILESTONE = '''        if self.progress.due(milestones):  # first: what goes on from a checkpoint of this step has its milestone
            self.save("milestone")
'''
CHECKPOINT = '''        if steps and (self.progress.due(steps) or self.progress.over):
            self.newest = self.save("step") or self.newest
'''

FAULTS = [
    *of(
        "kept checkpoint", "bench/protocols/best.py",
        ("chosen by reported noise", "if seed not in reported)", "if seed in reported or not reported)",
         KEPT + "the_rule_is_in_the_protocol_in_words"),
    ),
    *of(
        "kept checkpoint", "bench/scoring/proxy.py",
        ("compared by the evaluation's seeds", "seeds=(rule.seed,)", "seeds=reported.seeds", APART),
        ("compared with the training images", "_some(data.heldout, rule.count)", "_some(data.train, rule.count)", APART),
    ),
    *of(
        "kept checkpoint", "bench/scoring/rows.py",
        ("the end is scored all the same", 'if kept["images"] == end.images:', "if kept:", PREFERRED),
        ("rows billed to the milestone", "decay), end.images)", 'decay), kept["images"])', PREFERRED),
    ),
    *of(
        "kept checkpoint", "bench/scoring/kept.py",
        ("the worst is kept", "kept = min(scored,", "kept = max(scored,", PREFERRED),
        ("no number is the best", "math.inf if math.isnan(scored[step]) else", "-math.inf if math.isnan(scored[step]) else",
         KEPT + "samples_that_are_no_numbers_are_never_preferred"),
        ("compared again after a kill", "return own[-1] if own else None", "return None",
         KEPT + "a_run_that_is_killed_between_training_and_choosing_goes_on_to_the_same_bits"),
        ("fewer milestones pass", "if lost := [step for step in wanted if step not in found]:", "if lost := [].copy():",
         KEPT + "a_damaged_milestone_is_passed_over_and_one_that_is_lost_is_told"),
        ci="the worst is kept",
    ),
    *of(
        "kept checkpoint", "bench/scoring/model.py",
        ("the end is loaded", "!= path.name and not last:", "!= path.name and last:", PREFERRED),
        ("a teacher is what it keeps", "device=device, last=True)", "device=device)",
         KEPT + "a_student_learns_from_the_end_of_its_teachers_training_whatever_that_keeps"),
    ),
    *of(
        "kept checkpoint", "bench/protocols/settings.py",
        ("one protocol for both rules", "checkpoint=str(best(scoring, data, rule.primary, count) or LAST)", "checkpoint=LAST",
         (AGAIN, PREFERRED)),
    ),
    *of(
        "kept checkpoint", "bench/training/restart.py",
        ("a checkpoint before its milestone", MILESTONE + CHECKPOINT, CHECKPOINT + MILESTONE,
         KEPT + "a_milestone_is_saved_before_the_checkpoint_of_its_step"),
    ),
    *of(
        "kept checkpoint", "sweeps/clean.py",
        ("cleaned away", 'sorted((folder / "checkpoints").glob("step-*.pt"))[:-1]',
         'sorted((folder / "checkpoints").glob("*.pt"))[:-1]', KEPT + "cleaning_leaves_what_is_kept"),
    ),
    *of(
        "kept checkpoint", "bench/planning/work.py",
        ("compared for nothing", "looked * compared.checkpoints * compared.steps", "0",
         KEPT + "a_plan_prices_what_is_compared"),
    ),
    *of(
        "kept checkpoint", "results/tables/captions.py",
        ("tables are silent", "marks.kept_words(part), ", "",
         TABLES + "every_form_of_the_table_says_which_checkpoint_was_scored"),
    ),
    *of(
        "kept checkpoint", "results/compared/beside.py",
        ("compared with the last of a paper", 'if row["checkpoint"] or mine.get("checkpoint"):', 'if row["checkpoint"]:',
         TABLES + "a_published_number_of_another_rule_is_not_comparable"),
    ),
]  # fmt: skip
