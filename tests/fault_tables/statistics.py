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
        ("no correction for many methods", "(1 - LEVEL) / 2 / max(1, len(entries) - 1)", "(1 - LEVEL) * 2",
         f"{S}methods_of_equal_truth_are_ranked_apart_in_at_most_5_percent[same-2-3]"),
        ("direction ignored", '-1.0 if better == "higher" else 1.0', "1.0",
         f"{S}the_best_mean_is_best_what_overlaps_ties_and_what_lies_apart_is_ranked_apart"),
        ("every method that cannot be told from the best is marked", "TIED if cost[place] < first", "TIED if low[place] == 1",
         f"{S}scattering_widely_earns_no_mark_where_a_better_mean_has_none"),
        ("students of one teacher as independent trainings", "self.size = np.array([entry.independent for",
         "self.size = np.array([len(entry.seeds) for", f"{S}students_of_one_teacher_count_as_one_training"),
        ("seeds paired whose noise is another", "(tuple(entry.seeds), entry.draws) if", "tuple(entry.seeds) if",
         f"{S}seeds_that_all_methods_share_cancel_and_seeds_of_their_own_do_not"),
        ("marks where no three trainings are independent", "entries[i].independent < FEWEST", "len(entries[i].seeds) < FEWEST",
         f"{S}without_three_independent_trainings_nothing_is_marked"),
        ci="no correction for many methods",
    ),
    *of(
        "noise of a column", "results/statistics/noise.py",
        ("outliers pooled", ">= OUTLYING / kept.sum()", ">= 0",
         f"{S}a_pool_leaves_out_what_scatters_far_more_and_never_takes_noise_away"),
        ("the pool in place of a larger noise", "np.where(inside, np.maximum(one, own), own)", "np.where(inside, one, own)",
         f"{S}a_pool_leaves_out_what_scatters_far_more_and_never_takes_noise_away"),
        ("seed effects left in", "((rest - rest.mean(0)) ** 2)", "(rest ** 2)",
         f"{S}the_noise_of_pairs_is_without_what_a_seed_does_to_all"),
        ("freedom of two samples for pairs", "(seeds - 1) * (1 - 1 / methods)))", "seeds - 1.0))",
         f"{S}the_noise_of_pairs_is_without_what_a_seed_does_to_all"),
    ),
    *of(
        "detectable", "results/statistics/ranks.py",
        ("power of the marks forgotten", "nctdtrinc(freedom, 1 - POWER,", "nctdtrinc(freedom, 0.5,",
         f"{S}a_difference_is_found_as_often_as_the_table_says[6-0.0]"),
    ),
    *of(
        "detectable", "results/statistics/intervals.py",
        ("power forgotten", "nctdtrinc(freedom, 1 - POWER,", "nctdtrinc(freedom, 0.5,",
         f"{S}a_paired_difference_is_found_as_often_as_the_table_says"),
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
        "published numbers", "results/compared/beside.py",
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
