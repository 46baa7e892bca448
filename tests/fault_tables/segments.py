"""Faults in: consistency within segments."""

from fault_tables.base import of

OF = "segments::test_"
FIRST, SECOND = OF + "the_first_stage_regresses_on_the_segments_end", OF + "the_second_stage_is_its_definition"
ROW = "\n            "
STEP = OF + "a_step_is_its_definition"
PASSES = "tests/methods/test_method_passes.py::test_"
MASKS, LABELS = PASSES + "the_passes_of_a_loss_have_the_masks_of_the_papers", PASSES + "every_pass_sees_each_samples_own_label"
WEIGHTS = "tests/methods/test_method_weights.py::test_a_loss_sums_or_averages_over_entries_as_its_paper_does"

FAULTS = [
    *of(
        "consistency_fm", "methods/segments.py",
        ("end of the segment before", "((s * self.segments).floor() + 1)", "(s * self.segments).ceil().clamp(min=2)", FIRST),
        ("data for the segment's end", "path.point(x_0, x_1, e)", "x_1", FIRST),
        ("later time past the end", "torch.minimum(s + self.delta, e)", "(s + self.delta).clamp(max=1.0)", SECOND),
        ("boundary at the earlier time", "align(r < self.boundary, x_r)", "align(s < self.boundary, x_r)", SECOND),
        ("velocities compared at the ends of segments", " & (e - s > 1.01 * self.delta)", "", SECOND),
        ("missing stop-gradient", f"with torch.no_grad():{ROW}x_r =", f"with torch.enable_grad():{ROW}x_r =", SECOND),
        ("first stage for ever", 'options={"consistent": True}', 'options={"consistent": False}', SECOND),
        ("second stage from the live weights", "images - first, prepare=start_from_teacher,", "images - first, prepare=None,",
         "tests/bench/training/test_stages.py::test_the_student_of_a_later_stage_and_its_frozen_teacher_are_the_average_of_the_"
         "one_before[consistency_fm]"),
        ("mean over entries", "squared(end - x_e) / 2", "squared(end - x_e) / x_e[0].numel()",
         f"{WEIGHTS}[consistency_fm-0-3]"),
        ci="later time past the end",
    ),
    *of(
        "multistep_cm", "methods/segments.py",
        ("map to the end of the whole way", "i + 1, (i // each + 1) * each]", "i + 1, each * self.segments + 0 * i]", STEP),
        ("points that do not grow", "** progress)", "** 0)", STEP),
        ("growth by equal amounts", "self.start / self.segments * (self.end / self.start) ** progress",
         "(self.start + (self.end - self.start) * progress) / self.segments", STEP),
        ("weight at the later time", "torch.maximum(path.alpha(s), path.beta(s))",
         "torch.maximum(path.alpha(r), path.beta(r))", STEP),
        ("target from the earlier time", "(jump(v, x_r, r, e) - x_s)", "(jump(v, x_r, s, e) - x_s)", STEP),
        ("missing stop-gradient", f"with torch.no_grad():{ROW}target = (", f"with torch.enable_grad():{ROW}target = (", STEP),
        ci="target from the earlier time",
    ),
    *[
        fault
        for name in ("consistency_fm", "multistep_cm")
        for fault in of(
            name, "methods/tools/network.py",
            (f"no dropout [{name}]", "dropout=dropout)", "dropout=None)", f"{MASKS}[{name}]"),
            (f"no labels [{name}]", "condition=condition, dropout", "condition=None, dropout", f"{LABELS}[{name}]"),
        )
    ],
]  # fmt: skip
