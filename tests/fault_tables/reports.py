"""Faults in: What a report claims of its numbers, and where it writes."""

from fault_tables.base import of

P, T, R, CHOICES = (f"tests/results/{name}.py::test_" for name in (
    "tables/test_published", "tables/test_results_table", "test_results_report", "test_report_options"))  # fmt: skip
OTHER = f"{P}a_number_of_other_data_stands_beside_none_of_ours"
ASKED = f"{R}seeds_that_never_began_are_missing_of_what_the_sweep_asked_for"
NEVER = f"{T}a_method_that_never_trained_has_no_bill_in_any_format"
FEW = f"{T}values_of_few_samples_say_so_in_one_line_with_the_key_that_takes_more"
FEWER = f"{T}a_reference_of_fewer_samples_than_the_methods_says_how_many"
HALF = "tests/results/tables/test_words.py::test_half_an_answer_makes_no_method_the_best"
CALLOUTS = "tests/results/pictures/test_callouts.py::test_"
BROWSER, PICTURES = "tests/results/webpage/test_page_browser.py::test_", "tests/results/pictures/test_pictures.py::test_"
TOUCHING = "numbers_beyond_the_edge_never_touch_and_leave_none_out"
BEYOND = f"{PICTURES}a_front_tells_the_numbers_beyond_its_edge_over_their_marks"
ONE = f"{BROWSER}a_method_has_one_colour_on_the_page_and_in_the_pictures"
GAUSSIAN = f"{T}on_data_that_is_a_gaussian_its_fit_is_no_reason_for_doubt"
WRITTEN = "tests/results/records/test_results_labels.py::test_a_number_written_otherwise_tells_no_experiments_apart"
COLUMNS = f"{CHOICES}columns_are_those_asked_for_in_their_order_and_none_leaves_the_values"
APART = f"{CHOICES}a_part_or_a_papers_pictures_never_replace_the_whole_table"
HASHED = f"{CHOICES}choices_that_a_name_has_no_room_or_no_letters_for_have_a_hash_and_the_same_one_again"

NETS = ("tests/results/webpage/test_page.py::"
        "test_a_metric_says_on_which_nets_features_it_was_taken_and_of_points_on_none")
WHOSE = f"{CHOICES}a_choice_says_whose_it_is_and_has_the_samples_of_its_steps_alone"
BANDS = f"{CHOICES}a_picture_says_of_what_its_bands_are"
LEGEND = f"{PICTURES}the_fronts_have_one_legend_beside_them_of_step_counts_and_of_leagues"

FAULTS = [
    *of(
        "published data", "results/compared/beside.py",
        ("any data passes", "if not base or not own or any(", "if True or any(", f"{OTHER}[checkerboard-cifar10-uncond-False]"),
        ("not in the file", "values = [math.nan if mine is None or other else", "values = [math.nan if mine is None else",
         f"{OTHER}[checkerboard-cifar10-uncond-False]"),
        ("an unknown one is comparable", '("data", row["dataset"]), ', "", f"{OTHER}[cifar10--True]"),
        ("an unknown league is comparable", ', ("league", row["league"]))', ",)", f"{P}an_unknown_league_is_called_so"),
        ("another method's data passes", 'own = data.get(row["label"], data[""])', 'own = data[""]',
         f"{P}of_a_sweep_over_several_data_each_method_has_the_numbers_of_its_own"),
        ("without a word", "filter(None, [gone])", "[]", f"{OTHER}[checkerboard-cifar10-uncond-False]"),
    ),
    *of(
        "published data", "results/drawing.py",
        ("on the page", "theirs = beside.of_data(frame, theirs)", "pass",
         f"{P}the_command_and_the_page_say_in_one_line_what_is_of_other_data_and_are_without_it"),
    ),
    *of(
        "runs asked for", "results/tables/table.py",
        ("not looked at", "self.asked.get(records[0].label if records else label, self.seeds if records else 0)",
         "self.seeds", f"{ASKED}[True]"),
        ("guessed of what never began", "self.seeds if records else 0)", "self.seeds)",
         f"{T}what_is_missing_is_counted_by_what_the_sweep_asked_for"),
        ("those of two experiments for each", "if parts[label] < 2", "",
         f"{T}what_is_missing_is_counted_by_what_the_sweep_asked_for"),
    ),
    *of(
        "runs asked for", "results/report.py",
        ("lost on the way", "style=style, asked=asked,", "style=style,", f"{ASKED}[False]"),
        ("not on a card", "at=at, asked=asked)", "at=at)", f"{ASKED}[True]"),
    ),
    *of(
        "bill of what never trained", "results/statistics/bill.py",
        ("a network of no parameters", "default=0) or math.nan,\n        \"teacher", "default=0),\n        \"teacher", NEVER),
        ("memory that nobody counted is none", "for r in paying), default=0) or math.nan,\n        \"optimizer",
         "for r in paying), default=0),\n        \"optimizer", NEVER),
        ("a run that saw no image pays", "if r.images_seen]", "if True]", NEVER),
        ("ranked among the plain ones", "(r.league for r in records)", "(r.league for r in paying)", NEVER),
    ),
    *of(
        "bill of what never trained", "results/tables/costs.py",
        ("a teacher of unknown price", '"–" if math.isnan(row["images_seen"]) else write', "write", NEVER),
        ("sampled in as many evaluations as steps", 'if not any(row["sampler"] for row in rows):', "if False:", NEVER),
    ),
    *of(
        "bill of what never trained", "results/webpage/assets/tables.js",
        ("a column of nothing else than = steps", """.filter(text => text !== "–")""", "",
         "tests/results/webpage/test_page_browser.py::test_what_never_trained_has_no_costs_and_no_evaluations"),
    ),
    *of(
        "bill of what never trained", "results/tables/table.py",
        ("counts with decimals", "_whole(frame).to_csv", "frame.to_csv", NEVER),
    ),
    *of(
        "columns in the terminal", "results/report.py",
        ("its own ones always", "plain(frame, columns=columns)", "plain(frame)", COLUMNS),
    ),
    *of(
        "columns in the terminal", "results/tables/costs.py",
        ("in an order of their own", "key=lambda each: list(wanted).index(each[0])", "key=lambda each: each[0]", COLUMNS),
    ),
    *of(
        "columns in the terminal", "results/tables/render.py",
        ("nothing says how it ended", 'title if "status" in head else board', "title if True else board", NEVER),
    ),
    *of(
        "folder of a choice", "results/report.py",
        ("another metric in the sweep's own", '[options.metric or ""]', '[""]', APART),
        ("all methods in one", """{key}={'+'.join(names)}" for""", """{key}" for""", APART),
        ("one size of a paper for all", 'replace(",", "-")', 'partition(",")[0]', APART),
        ("names that differ in letters that are left out", "if plain == whole and", "if", HASHED),
        ("as long as a command", "{plain[:SHOWN]", "{plain[:999]", HASHED),
    ),
    *of(
        "few samples", "results/tables/captions.py",
        ("never said", "found += [few(part), ", "found += [", f"{FEW}[counts0-Of 199 samples]"),
        ("of references as many", "between(1, most - 1)", "between(1, most)", f"{FEWER}[300-300-False]"),
        ("of references never", "fewer(part, references), ", "", f"{FEWER}[40-300-True]"),
        ("always said", "between(1, FEWEST - 1)", "between(1, 10**9)", f"{FEW}[counts2-]"),
        ("those of unscored methods too", "between(1, FEWEST - 1)", "between(0, FEWEST - 1)",
         f"{T}where_nothing_was_scored_every_method_has_its_row_and_status_in_every_format[True]"),
    ),
    *of(
        "labels told apart", "results/records/labels.py",
        ("1 is not 1.0", "if isinstance(value, float) and value.is_integer():", "if False:", f"{WRITTEN}[one0-other0-labels0]"),
        ("nor in a list", "if isinstance(value, list | tuple):", "if False:", f"{WRITTEN}[one1-other1-labels1]"),
        ("a switch is a number", "isinstance(value, float)", 'hasattr(value, "real")',
         f"{WRITTEN}[one2-other2-labels2]"),
    ),
    *of(
        "half an answer", "results/tables/table.py",
        ("marked", "metric_info(metric).ranking", "metric_info(metric).better",
         f"{HALF}[precision]"),
    ),
    *of(
        "half an answer", "results/tables/words.py",
        ("praised", "if info.ranks else ():", "if info.better else ():", f"{HALF}[recall]"),
    ),
    *of(
        "half an answer", "results/pictures/pareto.py",
        ("best at its price", "metric_info(name).ranking", "metric_info(name).better",
         "tests/results/tables/test_results_views.py::test_the_frontier_knows_directions_leagues_and_metrics_that_rank_nobody"),
    ),
    *of(
        "half an answer", "results/records/metric.py",
        ("whole on other features", "known.note, known.half)", "known.note)", f"{HALF}[precision_cifar32]"),
    ),
    *of(
        "nets", "results/webpage/page_data.py",
        ("a net of points", 'protocol.get("features", "none") != "none"', 'protocol.get("features")', NETS),
        ("no net told", 'if isinstance(protocol, Mapping) and', 'if not isinstance(protocol, Mapping) and', NETS),
    ),
    *of(
        "half an answer", "results/webpage/assets/tables.js",
        ("the collapsed one first", "metric.ranks && ", "", "tests/results/webpage/test_page_browser.py::"
         "test_the_page_opens_with_what_was_found_and_each_metric_has_its_own"),
    ),
    *of(
        "one colour", "results/webpage/page.py",
        ("a palette of the page's own", "{colour};' for slot", "{colour[::-1]};' for slot", ONE),
    ),
    *of(
        "one colour", "results/webpage/assets/page.js",
        ("by the order of what is lit", "fits(method) ? data.slots[method] : free", "free", ONE),
        ("two of one look", "slot !== own && (", "(", ONE),
        ("two families in one colour", "slot % COLOURS !== own % COLOURS || family", "true || family", ONE),
    ),
    *of(
        "one colour", "results/pictures/plots.py",
        ("counted through all families", "for members in parts for place, label in enumerate(members)",
         "for place, label in enumerate(sum(parts, []))", "tests/results/pictures/test_pictures.py::"
         "test_a_methods_slot_is_the_look_that_its_line_has[48]"),
    ),
    *of(
        "doubt", "results/tables/marks.py",
        ("at what cannot be better", """row.get("data") != ITSELF and """, "", GAUSSIAN),
        ("none of such data", "return [why for why", """return [] if row.get("data") == ITSELF else [why for why""", GAUSSIAN),
    ),
    *of(
        "numbers beyond the edge", "results/webpage/assets/chart.js",
        ("touching", "groups.length && groups.at(-1).right + 6 > group.left", "false", f"{BROWSER}{TOUCHING}[390]"),
        ("of the first mark only", "numbered([...groups.pop().points, ...group.points])", "groups.pop()",
         f"{BROWSER}values_beyond_the_edge_are_told_over_their_marks"),
    ),
    *of(
        "numbers beyond the edge", "results/pictures/pareto.py",
        ("leagues in one dash", "DASHES[dashes % len(DASHES)]", "DASHES[0]", f"{LEGEND}[screen]"),
        ("a step count's colour where there is none", "if steps else ANY", "if True else ANY", f"{LEGEND}[screen]"),
        ("over the fronts", 'loc="outside lower center"', 'loc="upper right"', f"{LEGEND}[column]"),
        ("no front of nothing", '.astype({"frontier": bool})', "", f"{PICTURES}without_any_number_the_fronts_are_drawn_empty"),
        ("a legend of one", "if len(steps) > 1 else []", "if True else []", "tests/results/pictures/test_pictures.py::"
         "test_of_one_league_and_one_step_count_a_front_needs_no_legend"),
        ("the least alone", "(min(values), max(values))", "(min(values),)", BEYOND),
        ("over one another", "while groups and groups[-1].touches(group):", "while False:", BEYOND),
    ),
    *of(
        "names of points", "results/pictures/callouts.py",
        ("at another's mark", "NEARER * nearer", "0 * nearer",
         f"{CALLOUTS}a_name_is_nearer_to_its_own_point_than_to_any_others[one way]"),
        ("along a line", "CROSSED * crossed", "0 * crossed", f"{CALLOUTS}a_name_goes_below_where_a_line_passes_above"),
        ("said again", "AGAIN * box.height", "0 * box.height", f"{CALLOUTS}a_name_that_stands_near_by_is_not_said_again"),
        ("over one another", "if free and not any(", "if free or not any(", f"{CALLOUTS}without_room_a_point_has_no_name"),
        ("hidden", "COVERED * covered", "0 * covered", f"{CALLOUTS}a_name_hides_no_other_mark_of_its_own"),
    ),
    *of(
        "a report's words", "results/report.py",
        ("a card that is deaf", "if others := [", "if others := [] and [",
         f"{CHOICES}what_cannot_be_meant_is_one_line_with_the_nearest_and_writes_nothing"),
        ("any folder is a sweep", "(close := near(place.name, known))", "(close := [])",
         f"{CHOICES}a_sweep_of_this_folder_is_found_by_its_name"),
        ("an old page as new", "if not wanted and (out / page).exists()", "if wanted and (out / page).exists()",
         f"{P}what_an_earlier_report_left_is_said_to_be_of_it"),
    ),
    *of(
        "a report's words", "results/compared/beside.py",
        ("every label is ours", "near(label, own, 1, ALIKE)", "[]", f"{P}a_label_that_is_almost_one_of_ours_is_told"),
        ("a method that we ship", "if label not in known and", "if", f"{P}a_label_that_is_almost_one_of_ours_is_told"),
    ),
    *of(
        "a choice", "results/report.py",
        ("samples of all steps", "{n: own[n] for n in own if n in shown}", "own", WHOSE),
        ("nobody's", 'f"{home.resolve().name}, {apart}" if apart and not options.out else', "", WHOSE),
    ),
    *of(
        "bands", "results/drawing.py",
        ("of nothing", 'if kinds & {"training", "teacher"} else', "if True else", f"{BANDS}[2-kinds1-2 training seeds]"),
        ("sampling noise untold", '"band: sampling noise alone" *', '"" *',
         f"{BANDS}[1-kinds0-1 training seed, band: sampling noise alone]"),
    ),
    *of(
        "samples", "results/pictures/gallery.py",
        ("a title that is cut", "wrapped(title, 0.85 * size[0], 12)", "title",
         f"{CHOICES}a_long_name_over_the_samples_is_broken_and_not_cut"),
    ),
    *of(
        "published", "results/compared/published.py",
        ("any status", 'if told["status"] and told["status"] not in STATUSES:', "if False:",
         "tests/results/tables/test_published.py::test_a_file_with_a_fault_is_refused_in_one_line_with_its_place"),
    ),
    *of(
        "page", "results/webpage/assets/page.css",
        ("wider than its box by an arrow", "relative; overflow: hidden; white-space", "relative; white-space",
         f"{BROWSER}a_table_that_fits_has_no_bar_to_scroll_it"),
    ),
]  # fmt: skip
