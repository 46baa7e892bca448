"""Faults in: Statistics, bills, tables and reports."""

from fault_tables.base import of

S, B, V, L, P = (f"tests/results/{name}.py::test_" for name in (
    "statistics/test_results_statistics", "records/test_results_budget", "tables/test_results_views",
    "records/test_results_labels", "tables/test_published"))  # fmt: skip

FAULTS = [
    *of(
        "intervals", "results/statistics/intervals.py",
        ("paired differences with the freedom of two samples", "_noncentrality(self.seeds - 1) * self.error",
         "_noncentrality(2 * (self.seeds - 1)) * self.error",
         f"{S}a_paired_difference_is_found_as_often_as_the_table_says"),
        ("normal quantile for Student's", "float(stdtrit(freedom, 0.5 + LEVEL / 2))", "1.96",
         f"{S}intervals_cover_the_truth_in_95_percent[3]"),
        ("evaluation seeds counted as training seeds", "    over = means if seeds >= FEWEST",
         "    means = [v for g in groups for v in g]\n    over = means if seeds >= FEWEST",
         f"{S}intervals_cover_the_truth_in_95_percent[5]"),
        ("two seeds with an interval", "FEWEST = 3", "FEWEST = 2", f"{S}an_interval_says_what_it_is_of[groups2-none]"),
        ("noise of training with sampling noise in it", "(between - within) / size", "between / size",
         f"{S}components_by_hand_with_unequal_groups"),
        ci="evaluation seeds counted as training seeds",
    ),
    *of(
        "ranks", "results/statistics/ranks.py",
        ("no correction for many methods", "level = (1 - LEVEL) / 2 / max(1, count - 1)", "level = (1 - LEVEL) * 2",
         f"{S}methods_of_equal_truth_are_ranked_apart_in_at_most_5_percent[False-2]"),
        ("direction ignored", 'sign = -1.0 if better == "higher" else 1.0', "sign = 1.0",
         f"{S}what_lies_apart_is_ranked_apart_and_what_overlaps_is_not"),
        ci="no correction for many methods",
    ),
    *of(
        "ranks", "results/statistics/intervals.py",
        ("power forgotten", "nctdtrinc(freedom, 1 - POWER,", "nctdtrinc(freedom, 0.5,",
         f"{S}a_difference_is_found_as_often_as_the_table_says"),
    ),
    *of(
        "leagues", "results/tables/table.py",
        ("one ranking for all leagues", 'columns[row["metric"], row["steps"], row["league"]]',
         'columns[row["metric"], row["steps"], ""]', f"{B}a_league_is_ranked_by_itself"),
    ),
    *of(
        "bill", "results/statistics/bill.py",
        ("milestones billed in full", "value * part.get(r.run_id, 1.0)", "value",
         f"{B}at_a_budget_the_newest_checkpoint_within_it_is_scored_and_billed_pro_rata"),
        ("teacher not shared", "v / max(1, shared.get(teacher_key(r), 1))", "v",
         f"{B}a_shared_teacher_is_divided_by_the_runs_that_learn_from_it"),
    ),
    *of(
        "budget", "results/records/budget.py",
        ("teacher for free", "self.amount - teacher_compute(record)", "self.amount",
         f"{B}the_teacher_is_on_the_bill_of_equal_compute_in_full"),
        ("uncounted runs for nothing", "        return math.nan\n    return record.forward_rows",
         "        return 0.0\n    return record.forward_rows",
         f"{B}a_record_from_before_the_counts_has_an_unknown_bill_not_a_free_one"),
        ci="teacher for free",
    ),
    *of(
        "other papers' rules", "results/statistics/scores.py",
        ("best checkpoint as the default", "last = max(row.images_seen for row in rows)",
         "last = min(rows, key=lambda row: row.value).images_seen",
         f"{B}other_papers_rules_are_labelled_columns_never_the_default_and_never_ranked"),
    ),
    *of(
        "published numbers", "results/tables/beside.py",
        ("another budget passes", '("training images", row["budget"], mine.get("images_seen"), NEAR)',
         '("training images", row["budget"], mine.get("images_seen"), 1e9)', f"{P}what_differs_is_the_reason"),
        ("another protocol passes", 'protocol.startswith(f"{row[\'protocol\']}-v")', "protocol",
         f"{P}what_differs_is_the_reason"),
    ),
    *of(
        "reading fast", "results/records/record.py",
        ("values of any type", "shape = (cls, *data, *map(type, data.values()))", "shape = (cls, *data)",
         f"{V}rows_that_look_like_earlier_ones_are_checked_all_the_same"),
        ("schema unchecked", ' and data["schema"] == SCHEMA', "",
         f"{V}rows_that_look_like_earlier_ones_are_checked_all_the_same"),
    ),
    *of(
        "pairs", "results/statistics/paired.py",
        ("other noise", "value - theirs[draw] for draw, value in mine if draw in theirs",
         "value - t for (_, value), t in zip(mine, theirs.values())",
         f"{V}pairs_are_compared_by_students_t_on_common_seeds_and_common_noise"),
    ),
    *of(
        "labels of a sweep", "results/records/labels.py",
        ("label of the sweep that ran first", "labels.get(record.run_id, record.label)", "record.label",
         (f"{L}the_sweeps_file_names_its_rows", f"{L}an_archive_carries_the_labels")),
    ),
]  # fmt: skip
