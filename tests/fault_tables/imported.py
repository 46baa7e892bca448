"""Faults in: Teachers that were trained elsewhere."""

from fault_tables.base import of

IMPORTED = "tests/bench/teaching/test_imported.py::test_"
SAME = f"{IMPORTED}the_velocity_is_the_foreign_denoisers"
ENDS = f"{IMPORTED}the_ends_of_the_clock_are_finite_and_the_second_time_starts_at_zero"
KNOWN = f"{IMPORTED}a_file_is_known_by_its_content_wherever_it_lies"
BILL = f"{IMPORTED}a_student_distils_from_it_and_its_bill_says_what_is_not_known[edm2-lmd]"
REFUSED = f"{IMPORTED}a_file_that_cannot_teach_is_refused_in_one_line"

FAULTS = [
    *of(
        "teachers of others", "bench/teaching/foreign.py",
        ("queries, keys and values as they lie", "apart.movedim(2, 0).flatten(0, 2)", "apart.flatten(0, 2)",
         f"{SAME}[ddpmpp-0-0-linear]"),
        ("sines where cosines were", "torch.roll(w, w.shape[-1] // 2, -1)", "w", f"{SAME}[adm-0-0-trigonometric]"),
        ("scales about zero", "torch.cat([bias[: len(bias) // 2] + 1,", "torch.cat([bias[: len(bias) // 2],",
         f"{SAME}[adm-0-0-trigonometric]"),
        ("what augmentation did in another order", 'features(found["map_augment.weight"].T).T', 'found["map_augment.weight"]',
         f"{SAME}[adm-3-2-linear]"),
        ("turns for radians", "frequencies = 2 * pi * random.float()", "frequencies = random.float()",
         f"{SAME}[ncsnpp-0-9-linear]"),
        ci="queries, keys and values as they lie",
    ),
    *of(
        "teachers of others", "bench/teaching/imported.py",
        ("data of the usual deviation", '"method.sigma_data": held.sigma_data', '"method.sigma_data": 0.5',
         f"{SAME}[ddpmpp-0-0-linear]"),
        ("a changed file is taken", "if (name := _name(experiment)) != experiment.teacher.imported:",
         "if not (name := _name(experiment)):", KNOWN),
        ("data of another shape", "if held.shape != shape:", "if not held.shape:", REFUSED),
    ),
    *of(
        "teachers of others", "bench/teaching/pickled.py",
        ("whatever a pickle asks for", "return super().find_class(module, name)",
         "return pickle.Unpickler.find_class(self, module, name)", REFUSED),
        ci="whatever a pickle asks for",
    ),
    *of(
        "teachers of others", "bench/planning/jobs.py",
        ("any file is the same teacher", "(*parents, *it.identity)", "parents", KNOWN),
    ),
    *of(
        "teachers of others", "methods/tools/preconditioning.py",
        ("told ln(sigma)", "torch.clamp(t, first, last))) / 4", "torch.clamp(t, first, last)))", f"{SAME}[ddpmpp-0-0-linear]"),
        ("noise of any level", "path.sigma(torch.clamp(t, first, last))", "path.sigma(t)", ENDS),
    ),
    *of(
        "teachers of others", "bench/nets/edm2.py",
        ("norms without their floor", "layer.floor = FLOOR", "layer.floor = 0.0", f"{SAME}[edm2-0-0-trigonometric]"),
        ("pixels without theirs", "norm = added_norm if published else pixel_norm", "norm = pixel_norm",
         f"{SAME}[edm2-0-0-trigonometric]"),
        ("a second time from the start", "self.gain * self.gap(turned)", "self.gap(turned)", ENDS),
    ),
    *of(
        "teachers of others", "bench/accounts/logbook.py",
        ("what is not known is free", "return sum(known) if len(known) == len(images) else None", "return sum(known)", BILL),
    ),
    *of(
        "teachers of others", "results/tables/numbers.py",
        ("not a number", 'return "unknown" if math.isnan(value) else text(value)', "return text(value)", BILL),
    ),
]  # fmt: skip
