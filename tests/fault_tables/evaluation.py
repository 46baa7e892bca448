"""Faults in: What scores the samples: protocols, rounding, metrics, the reference side."""

from fault_tables.base import of

AGAIN = "tests/bench/planning/test_reopen.py::test_a_finished_run_is_scored_again_where_its_protocol_has_changed"
TIMES = "tests/bench/scoring/test_evaluation.py::test_the_protocols_rule_of_times_is_where_scored_samples_stop"
RULE = "tests/methods/test_method_contract.py::test_one_rule_says_for_all_methods_where_samples_stop"
SHARED = "tests/bench/scoring/test_rows_same.py::test_several_ranks_share_the_images_and_give_the_rows_of_one"
FEATURES, PROTOCOL = "tests/bench/metrics/test_metrics_features.py", "tests/bench/protocols/test_protocol.py"
IMAGES, REFERENCE = "tests/bench/scoring/test_score_images.py", "tests/bench/scoring/test_reference.py"
STAYS = "tests/bench/scoring/test_on_a_device.py::test_under_every_protocol_only_noise_and_numbers_pass"
MANIFOLD = f"{FEATURES}::test_manifold_metrics_are_their_definitions"

FAULTS = [
    *of(
        "kid", "bench/metrics/kid.py",
        ("biased", "(_sum(x, x) - diagonal)", "_sum(x, x)",
         f"{FEATURES}::test_kid_of_one_subset_is_torch_fidelitys_and_clean_fids"),
        ("kernel without its width", "(part.double() @ y.T / x.shape[1] + 1) ** 3", "(part.double() @ y.T + 1) ** 3",
         f"{FEATURES}::test_kid_of_one_subset_is_torch_fidelitys_and_clean_fids"),
        ("error of the subsets alone", "(1 / subsets + share / (1 - share))", "(1 / subsets)",
         f"{FEATURES}::test_kid_is_unbiased_and_its_standard_error_covers"),
        ci="biased",
    ),
    *of(
        "times", "bench/scoring/evaluation.py",
        ("rows by the untuned rule", "papers=protocol.papers, guidance", "papers=False, guidance", TIMES + "[papers]"),
    ),
    *of(
        "times", "bench/scoring/model.py",
        ("a model by the untuned rule", 'papers = evaluation.grid == "papers"', "papers = False",
         TIMES + "[papers]"),
    ),
    *of(
        "times", "methods/base.py",
        ("every number of steps stops where two do", "papers and steps == 2 and", "papers and steps > 1 and",
         RULE + "[linear-ect]"),
        ("the level whatever the rule", "if papers and steps == 2", "if steps == 2", RULE + "[linear-ect]"),
    ),
    *of(
        "scored again", "bench/planning/begun.py",
        ("whatever the version of the protocol", "(rule.version if rule else 1, asked", "(records.protocol(ran)[0], asked",
         AGAIN + "[version-1]"),
        ("whatever the rule of times", ', asked["grid"])', ", records.protocol(ran)[1])", AGAIN + "[grid-method]"),
    ),
    *of(
        "manifold", "bench/metrics/precision_recall.py",
        ("neighbour counted with itself", "largest=False).values", "largest=False).values.roll(1, 1)", MANIFOLD),
        ("density over the wrong number", "balls / (K_DENSITY * len(samples))", "balls / (K_DENSITY * len(real))", MANIFOLD),
        ("roles exchanged", "(distance <= reach[:, None]).any(0)", "(distance <= near_real[0]).any(0)", MANIFOLD),
    ),
    *of(
        "fid infinity", "bench/metrics/fid_infinity.py",
        ("line in n", "np.polyfit(1 / sizes, found, 1)[1]", "np.polyfit(sizes, found, 1)[1]",
         f"{FEATURES}::test_fid_infinity_is_the_intercept_of_the_line_in_one_over_n"),
    ),
    *of(
        "reference", "bench/scoring/reference.py",
        ("chunk not in the key", "net.resize, chunk, net.device.type)", "net.resize, net.device.type)",
         f"{REFERENCE}::test_what_changes_the_features_is_another_file[chunk]"),
        ("no second look under the lock", "if (found := _read(path, net.device, tell=True)) is not None:", "if False:",
         f"{REFERENCE}::test_of_two_processes_one_computes_and_the_other_waits"),
    ),
    *of(
        "scoring", "bench/scoring/score_images.py",
        ("held-out distance to the training part", "made.distance(self.heldout_reference.gaussian)",
         "made.distance(self.reference.gaussian)",
         f"{IMAGES}::test_the_distances_are_those_of_the_features_and_held_out_data_have_their_own"),
        ("memorised share exchanged", "memorised(train, heldout,", "memorised(heldout, train,",
         f"{IMAGES}::test_a_method_that_copies_the_training_set_is_exposed_where_its_distance_is_excellent"),
    ),
    *of(
        "ranks that score", "bench/scoring/score_images.py",
        ("every rank the features of all images", "mine = self.ranks.piece(-(-len(pixels) // chunk))",
         "mine = range(-(-len(pixels) // chunk))", SHARED),
    ),
    *of(
        "ranks that score", "bench/scoring/sample.py",
        ("every rank from the first chunk on", "have, index = 0, chunks.start", "have = index = 0", SHARED),
    ),
    *of(
        "ranks that score", "bench/processes/dist.py",
        ("parts with their padding", "found[:length] for found, length", "found for found, length", SHARED),
    ),
    *of(
        "host and device", "bench/features/resize.py",
        ("taps copied for every image", "(constant(_taps, size, part, like=x, dtype=kind) for part,",
         "(_taps(size, part).to(x.device, kind) for part,", f"{STAYS}[clean-fid]"),
    ),
    *of(
        "host and device", "bench/features/base.py",
        ("features by way of the host", "yield net(padded, levels)[: len(part)]",
         "yield net(padded, levels)[: len(part)].cpu().to(net.device)", f"{STAYS}[digits-frechet]"),
    ),
    *of(
        "host and device", "bench/metrics/kid.py",
        ("subsets on the host", "torch.stack(drawn).to(x.device)", "torch.stack(drawn)", f"{STAYS}[digits-frechet]"),
    ),
    *of(
        "host and device", "bench/scoring/score_images.py",
        ("real features copied for every score", "        real = self._real\n",
         "        real = None if self._real is None else self._real.cpu().to(self.device)\n", f"{STAYS}[digits-frechet]"),
    ),
    *of(
        "rounding", "bench/protocols/rounding.py",
        ("floor that rounds", '"floor": lambda x: (127.5 * x + 127.5).floor()', '"floor": lambda x: (127.5 * x + 128).floor()',
         f"{PROTOCOL}::test_each_rounding_rule_is_its_definition"),
    ),
]  # fmt: skip
