"""Faults in: What a paper is given: chosen tables, pictures, published numbers of one's own, the card, the page's findings."""

from fault_tables.base import of

O, L, V, W, C, B, P, S = (f"tests/results/{name}.py::test_" for name in (
    "test_report_options", "pictures/test_pictures", "tables/test_published", "tables/test_words", "webpage/test_card",
    "webpage/test_page_browser", "webpage/test_page", "webpage/test_sides"))  # fmt: skip
NAMES = f"{B}names_on_the_fronts_touch_neither_one_another_nor_the_charts_edge"
BARS = f"{B}intervals_are_bands_of_a_few_lines_and_bars_side_by_side_of_more"
LONG = f"{B}of_a_long_table_a_hundred_rows_are_laid_out_and_sorting_moves_them_all"
FAMILY = f"{B}a_family_narrows_tables_and_charts_and_what_is_lit_are_its_best"
PARTED = f"{L}two_names_at_one_height_part_evenly"
CUT = f"{L}only_what_is_worse_and_far_is_cut"
REFUSED = f"{V}a_file_with_a_fault_is_refused_in_one_line_with_its_place"
MARKS = f"{W}the_best_of_each_step_count_and_its_ties_are_those_of_the_marks"
STANDS = f"{C}it_says_where_the_method_stands_at_each_step_count_and_budget"
R = "tests/results/test_remarks.py::test_a_remark_stands_under_every_table_and_goes_with_the_records"
OTHER = "tests/results/test_remarks.py::test_a_command_with_another_budget_is_told_nothing_of_the_sweeps_numbers"

FAULTS = [
    *of(
        "chosen", "results/records/chosen.py",
        ("references go with the methods", 'run[0].kind == "reference" or run[0].label in', "run[0].label in",
         f"{O}chosen_methods_stand_in_the_order_given_and_are_ranked_among_themselves"),
        ("every step count stays", "or row.steps in wanted]", "or row.steps]",
         f"{O}chosen_methods_stand_in_the_order_given_and_are_ranked_among_themselves"),
    ),
    *of(
        "names", "results/pictures/labels.py",
        ("names where they are wanted", "    gap = min(LINE", "    gap = 0 * min(LINE",
         f"{L}no_two_labels_overlap_and_all_lie_in_the_picture[12-paper]"),
        ("pushed apart to one side", "((a * n + b * m) / (n + m), n + m)", "(a, n + m)", PARTED),
        ci="pushed apart to one side",
    ),
    *of(
        "lines", "results/pictures/style.py",
        ("one marker for all", '"o", "s", "^", "D", "v", "X", "<", "p", ">", "P", "*", "h")', '*("o",) * 12,)',
         f"{L}lines_are_told_apart_by_marker_or_by_lightness_with_any_colour_vision[6-screen]"),
        ("names in a file by chance", '"svg.hashsalt": "fewstep", ', "",
         f"{L}equal_input_gives_an_equal_file_in_every_format[svg]"),
    ),
    *of(
        "window", "results/pictures/window.py",
        ("what blows up sets the range", "high > FAR**2 * (", "high > 1e9 * (", CUT),
        ("the best is cut too", 'if better == "lower" and', "if", CUT),
    ),
    *of(
        "published of one's own", "results/compared/published.py",
        ("lines counted as numbers are", "{path}:{reader.line_num}: {fault}", "{path}:{count + 1}: {fault}", REFUSED),
        ("any text for a number", "if not math.isfinite(number) or (", "if (", REFUSED),
        ("columns that may be missing", "            for column in COLUMNS:", "            for column in COLUMNS[:6]:",
         REFUSED),
    ),
    *of(
        "card", "results/webpage/card.py",
        ("the bill of all others for its own", 'mine, median = float(own[name].iloc[0]), float(others[name].median())',
         'mine = median = float(others[name].max())', STANDS),
        ("behind nobody", 'own["rank_low"] > 1', 'own["rank_low"] > 99', STANDS),
        ("markup of a record", "lead=html.escape(_lead(method, own, found))", "lead=_lead(method, own, found)",
         f"{C}it_loads_nothing_and_shows_what_records_say_as_text_only"),
    ),
    *of(
        "findings", "results/tables/words.py",
        ("the worst for the best", 'reverse=info.better == "higher"', 'reverse=info.better == "lower"', MARKS),
        ("a solver's step as one evaluation", "* (found.evaluations != found.steps)", "* False", MARKS),
        ("praise for what says little", 'if each.doubt]', "if False]",
         f"{W}that_even_the_best_says_little_comes_before_who_it_is"),
        ("few seeds as a ranking", 'best["mark"] == "best",', "True,", f"{W}what_few_seeds_cannot_say_is_not_said"),
    ),
    *of(
        "the page for eyes", "results/webpage/assets/page.css",
        ("tools in print", "  #tools, #families, #panel, #tip, #range, #legend", "  #panel, #tip, #legend",
         f"{B}a_dark_page_prints_on_white_without_its_tools_and_with_its_marks"),
        ("costs always", "#board:not(.billed) .cost", "#board:not(.billed) .costs",
         f"{B}costs_stand_behind_a_switch_that_the_keyboard_reaches"),
        ("a hundred rows on paper too", "@media screen { #board-table:not(.every)", "@media all { #board-table:not(.every)",
         LONG),
        ("a hundred rows whatever the filter", "n + 101 of :not([hidden])", "n + 101", LONG),
        ("a white picture in the dark", "invert(0.92)", "invert(0)",
         f"{B}the_trainings_are_dark_on_a_dark_page_and_white_on_paper"),
        ("grids in a window", "figure { margin: 14px 0; overflow-x: auto; }", "figure { max-height: 85vh; overflow: auto; }",
         f"{B}sample_grids_are_shown_whole"),
    ),
    *of(
        "the page's charts", "results/webpage/assets/chart.js",
        ("names over one another", "    taken.push(box);\n", "", NAMES),
        ("names beyond the edge", "box[2] <= width && box[1]", "box[1]", NAMES),
        ("bands however many", "lit.length > BANDS", "false", BARS),
        ("bars on one another", "Math.min(4, 28 / lit.length)", "0", BARS),
    ),
    *of(
        "families of the page", "results/webpage/page_data.py",
        ("all costs whatever was chosen", "_sums(_chosen(columns), lines)", "_sums(BILL, lines)",
         f"{O}columns_are_those_asked_for_in_their_order_and_none_leaves_the_values"),
        ("in a small table too", "len(labels) > plots.TOGETHER", "len(labels) >= plots.TOGETHER",
         f"{P}more_methods_than_one_picture_tells_apart_are_told_by_family"),
    ),
    *of(
        "families of the page", "results/webpage/assets/families.js",
        ("the whole sweep's best stay lit", "      colour(leaders());\n", "", FAMILY),
        ("the charts stay", "      filtered();\n", "      board();\n", FAMILY),
    ),
    *of(
        "the page by keyboard", "results/webpage/assets/tables.js",
        ("a stop that is hidden", 'querySelector("tr:not([hidden]) [data-open]")', 'querySelector("[data-open]")',
         f"{B}a_number_tells_its_runs_by_click_and_by_keyboard"),
        ("the worst first", 'lower: "ascending", higher: "descending"', 'lower: "descending", higher: "ascending"',
         f"{B}the_best_stands_first_and_a_header_sorts_down_back_and_up"),
    ),
    *of(
        "two sweeps", "results/compared/sides.py",
        ("two protocols subtracted", " if protocols[0] == protocols[1] else None", "",
         f"{S}values_of_two_protocols_are_never_subtracted_those_of_one_are"),
        ("the first minus the second", "difference(other, own)", "difference(own, other)",
         f"{S}each_value_stands_beside_the_others_with_the_difference_seed_by_seed"),
        ("rounding told", "<= ROUNDING * abs", "< 0 * abs", f"{S}a_difference_of_rounding_is_not_told_as_one"),
    ),
    *of(
        "two sweeps", "results/webpage/sides.py",
        ("markup of a record", "{html.escape(name)}</th>'\n    lines", "{name}</th>'\n    lines",
         f"{S}the_page_loads_nothing_and_shows_what_records_say_as_text_only"),
    ),
    *of(
        "remarks", "results/tables/render.py",
        ("said of what is not shown", " if name in shown]", "]", R),
        ("above the table", "sections[1:1] =", "sections[0:0] =", R),
    ),
    *of(
        "remarks", "bench/planning/folder.py",
        ("of any numbers", "return not any(_shown(key)", "return True or any(_shown(key)", OTHER),
    ),
    *of(
        "remarks", "bench/scoring/leaderboard.py",
        ("not with the records", '("tuned", "remarks", "note")', '("tuned", "note")', R),
    ),
    *of(
        "report", "results/report.py",
        ("rows of another command's protocol", 'sweep["protocols"] = sorted(own)', "pass",
         "tests/results/test_results_report.py::"
         "test_a_sweep_shows_the_protocol_of_its_references_whatever_other_rows_its_runs_hold"),
        ("runs that are gone are missing", "        place = kept\n", "        pass\n",
         "tests/results/test_results_report.py::test_a_sweep_whose_runs_are_gone_is_rebuilt_from_its_archive_and_says_so"),
    ),
]  # fmt: skip
