"""index.html stands alone, shows what records say as text only, and every number in it names the runs behind it."""

import hashlib
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from fake_results import record, row, sweep, write
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT

from results import report
from results.pictures import families
from results.records import archive
from results.records.compare import flat
from results.records.store import StoreError, load_runs
from results.tables import costs, facts, table
from results.webpage import page
from results.webpage.page_data import AS_FACT, BILL, number, payload

REFERENCE = ROOT / "results" / "reference"
ARCHIVES = sorted(REFERENCE.glob("*/records.jsonl.gz"))
EVIL = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>&\u2028"


class Outline(HTMLParser):
    """Tags with their attributes, and the text of each script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, text):
        if self.inside:
            self.scripts[-1] += text


def made(folder, runs, **more):
    frame = table.leaderboard(runs)
    text = page.write(folder, frame, runs, "a sweep", **more).read_text()
    return text, json.loads(Outline(text).scripts[0]), frame


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return load_runs(sweep(tmp_path_factory.mktemp("sweep")))


def test_the_page_refers_to_nothing_outside_itself(tmp_path, runs):
    text, _, _ = made(tmp_path, runs, samples={"samples": b"\x89PNG"})
    for tag, attributes in Outline(text).tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, attributes)
    assert not re.search(r"@import|url\(|sourceMappingURL|fetch\(|XMLHttpRequest|import\(", text)
    assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}, "a namespace, not an address"


def test_the_content_policy_allows_exactly_the_styles_and_scripts_of_the_page(tmp_path, runs):
    text, _, _ = made(tmp_path, runs)
    outline = Outline(text)
    policy = next(a["content"] for tag, a in outline.tags if a.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy
    assert f"style-src {page._digest(style)}" in policy and f"script-src {page._digest(outline.scripts[1])}" in policy


def test_what_records_say_cannot_become_markup(tmp_path):
    run = record(EVIL, run_id="evil", method="lsd", reason=EVIL, device=EVIL)
    frame = table.leaderboard([(run, [row(run, 1, 2.0)])])
    text = page.write(tmp_path, frame, [(run, [row(run, 1, 2.0)])], EVIL, {EVIL: b"png"}, note=EVIL).read_text()
    outline = Outline(text)
    assert [tag for tag, _ in outline.tags].count("script") == 2
    assert not any("onerror" in attributes for _, attributes in outline.tags)
    data = json.loads(outline.scripts[0])
    assert data["title"] == data["note"] == data["methods"][0] == EVIL


@settings(max_examples=30)
@given(st.text(), st.text())
def test_any_text_survives_inside_the_script(label, reason):
    data = {"a": label, "b": [reason]}
    inside = page._inline(data)
    assert "<" not in inside and json.loads(inside) == data


def test_equal_records_give_equal_bytes(tmp_path, runs):
    first, _, _ = made(tmp_path / "a", runs)
    second, _, _ = made(tmp_path / "b", runs)
    assert first == second


@pytest.mark.parametrize("path", ARCHIVES, ids=lambda path: path.parent.name)
def test_the_runs_behind_a_number_give_that_number(path):
    runs, about = archive.read(path)
    frame = table.leaderboard(runs, about["order"], about["protocols"])
    data = payload(frame, runs, "t")
    cells = [cell for metric in data["metrics"] for cell in metric["cells"]]
    assert len(cells) == len(frame)
    for cell, expected in zip(cells, frame.to_dict("records"), strict=True):
        values = cell[12]
        assert len(values) == expected["seeds"]
        if not values:  # a method that lacks this metric has its line all the same
            assert cell[4] is None and math.isnan(expected["value"]) and cell[11] is not None
            continue
        assert cell[4] == pytest.approx(np.mean(values), rel=1e-5) == pytest.approx(expected["value"], rel=1e-5), expected
        for source in data["groups"][cell[11]]:
            run, seed, checkpoint, images, count, seeds = data["sources"][source]
            record, rows = runs[run]
            place = expected["metric"], expected["steps"], seed, expected["sampler"], expected["protocol"]
            behind = [r for r in rows if (r.metric, r.steps, r.seed, r.sampler, r.protocol) == place
                      and expected["method"] in (r.label, f"{r.label} ({r.sampler})")]
            assert {r.checkpoint for r in behind} == {checkpoint} and {r.evaluation_seed for r in behind} == set(seeds)
            assert {r.images_seen for r in behind} == {images} and {r.count for r in behind} == {count}
            assert record.run_id == _field(data, "run_id", run)


def _field(data, name, run):
    values, *index = data["runs"]["fields"][name]
    return values[index[0][run] if index else run if len(values) > 1 else 0]


def test_variants_of_a_run_keep_their_own_numbers():
    run = record("lsd")
    rows = [row(run, 1, value, sampler=sampler, ema=ema, extra={"grid": grid})
            for value, sampler, ema, grid in ((1.0, "hop", "0.99", ""), (2.0, "solver:heun", "0.99", ""),
                                              (3.0, "hop", "0.9", ""), (4.0, "hop", "0.99", "late"))]  # fmt: skip
    data = payload(table.leaderboard([(run, rows)]), [(run, rows)], "t")
    cells = data["metrics"][0]["cells"]
    assert [(data["methods"][cell[0]], cell[4], cell[12]) for cell in cells] == [
        ("lsd", 1, [1]), ("lsd (ema 0.9)", 3, [3]), ("lsd (grid late)", 4, [4]), ("lsd (solver:heun)", 2, [2])]  # fmt: skip
    assert data["runs_of"] == [[0]] * 4, "each of them was trained by the same run"


def test_only_the_last_checkpoint_and_the_later_of_repeated_rows_stand_behind_a_number():
    run = record("lsd")
    rows = [row(run, 1, 9.0, images_seen=50, checkpoint="early"), row(run, 1, 5.0, checkpoint="late"),
            row(run, 1, 2.0, checkpoint="late"), row(run, 1, 4.0, evaluation_seed=1, checkpoint="late")]  # fmt: skip
    data = payload(table.leaderboard([(run, rows)]), [(run, rows)], "t")
    assert data["metrics"][0]["cells"][0][12] == [3] and data["sources"] == [(0, 0, "late", 200_000, 2048, (0, 1))]


def test_what_did_not_finish_is_told_with_its_runs(tmp_path):
    broken = record("cd", status="diverged", reason="loss is NaN at step 40")
    running, fine = record("psd", status="running"), record("lsd")
    rows = ((broken, []), (running, []), (fine, [row(fine, 1, math.nan)]))
    runs = load_runs([write(tmp_path, *each) for each in rows])
    _, data, _ = made(tmp_path / "out", runs)
    told = {data["methods"][cell[0]]: (cell[4], data["statuses"][cell[9]]) for cell in data["metrics"][0]["cells"]}
    assert told == {"cd": (None, "diverged 1 of 1 (loss is NaN at step 40)"), "psd": (None, "running"), "lsd": (None, "done")}
    reasons = [_field(data, "reason", run) for run in data["runs_of"][data["methods"].index("cd")]]
    assert reasons == ["loss is NaN at step 40"]


@pytest.mark.parametrize("count", [12, 13])
def test_more_methods_than_one_picture_tells_apart_are_told_by_family(count):
    labels = [*list(families.OF)[: count - 1], "mine"]
    runs = [(run := record(label, method="lsd"), [row(run)]) for label in labels]
    data = payload(table.leaderboard(runs), runs, "t")
    assert (data["families"] == []) == (count == 12)
    told = {name for _, _, own in data["families"] for name in own}
    assert told == (set(labels) if count == 13 else set())
    assert all(family in families.KNOWN or family == families.OTHERS for family, _, _ in data["families"])


def test_nothing_scored_still_gives_a_page(tmp_path):
    _, data, _ = made(tmp_path, [])
    assert data["metrics"] == [] and data["runs"]["count"] == 0


@pytest.mark.parametrize(("value", "shown"), [(math.nan, None), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (0.0, 0),
                                              (7, 7), (1 / 3, 0.333333), (1e300, 1e300), (-2.0, -2)])  # fmt: skip
def test_numbers_keep_six_digits_and_what_is_not_finite(value, shown):
    assert number(value) == shown and type(number(value)) is type(shown)


def test_costs_count_the_teacher_and_skip_runs_that_did_not_finish():
    paid = record("cd", 0, train_seconds=10.0, teacher_seconds=5.0, teacher_images=7)
    dead = record("cd", 1, train_seconds=99.0, status="failed")
    runs = [(paid, [row(paid)]), (dead, [])]
    frame = table.leaderboard(runs)
    data = payload(frame, runs, "t")
    assert {column["title"]: column["values"] for column in data["costs"]}["training time with the teacher's"] == [15]
    assert "peak memory" not in {column["title"] for column in data["bill"]}, "what nobody measured has no column"


def test_chosen_facts_stand_alone_in_their_order_behind_the_switch_and_without_any_there_is_none(runs):
    frame = table.leaderboard(runs)

    def told(*names):
        return [column["title"] for column in payload(frame, runs, "t", columns=facts(names))["bill"]]

    assert told("params", "seconds", "teacher_seconds") == ["params", "time", "teacher time"]
    assert told("none") == [] and told("NFE", "status") == [], "those stand in the table in any case"
    assert {AS_FACT.get(title, title) for title, *_ in BILL} == set(costs.FACTS) - {"NFE", "status"}, "no cost is out of reach"
    assert payload(frame, runs, "t", columns=[])["costs"] == payload(frame, runs, "t")["costs"], "pictures of cost stay"


def test_a_column_of_a_later_table_does_not_disturb(runs):
    frame = table.leaderboard(runs)
    assert payload(frame.assign(of_tomorrow=1), runs, "t") == payload(frame, runs, "t")


def test_the_best_and_those_that_tie_are_marked(runs):
    frame = table.leaderboard(runs)
    frame["mark"] = [{"lsd": "best", "lmd": "tied"}.get(method, "") for method in frame["method"]]
    data = payload(frame, runs, "t")
    marked = {(data["methods"][cell[0]], cell[8]) for metric in data["metrics"] for cell in metric["cells"] if cell[8]}
    assert marked == {("lsd", 2), ("lmd", 1)} and data["mark_words"][0] == ""


def test_a_number_that_says_little_bears_its_sign_and_the_metric_the_sentence(tmp_path):
    runs = [(record("lsd", 0, optimizer_steps=15), [row(record("lsd", 0), 1, 2.0)])]
    data = payload(table.leaderboard(runs), runs, "t")
    assert data["metrics"][0]["cells"][0][15] == 1 and "15 optimizer steps" in data["metrics"][0]["marks"][-1]


def test_a_table_drawn_at_a_budget_names_the_checkpoint_of_that_budget():
    run = record("lsd")
    rows = [row(run, 1, 9.0, images_seen=50, checkpoint="early"), row(run, 1, 5.0, checkpoint="late")]
    data = payload(table.leaderboard([(run, rows[:1])]), [(run, rows)], "t")
    assert [source[2] for source in data["sources"]] == ["early"] and data["metrics"][0]["cells"][0][12] == [9]


def config_of(data, run):
    """As the page puts it together."""
    found = {}
    for base, changes, *index in data["configs"]:
        changed, gone = changes[index[0][run] if index else 0]
        found |= {key: text for key, text in (base | changed).items() if key not in gone}
    return found


VALUES = (st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3)
          | st.lists(st.integers(0, 2), max_size=2))
CONFIGS = st.dictionaries(st.sampled_from("abcd"), VALUES | st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3))


@settings(max_examples=60)
@given(st.lists(CONFIGS, max_size=5))
def test_every_configuration_comes_back_from_what_is_shared_and_what_differs(found):
    runs = [(record("lsd", seed, config=config), []) for seed, config in enumerate(found)]
    data = json.loads(page._inline(payload(table.leaderboard(runs), runs, "t")))
    for run, config in enumerate(found):
        expected = {key: value if isinstance(value, str) else json.dumps(value) for key, value in flat(config).items()}
        assert config_of(data, run) == expected
        whole = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]
        assert _field(data, "config_hash", run) == whole


def test_many_runs_of_nearly_one_configuration_cost_little_more_than_one():
    def size(count):
        common = {f"part{k}": {f"key{j}": f"a rather long value {j}" for j in range(10)} for k in range(12)}
        runs = [(record("lsd", seed, config={**common, "seed": seed, "train": {"lr": seed % 5, "clip": 1.0}}), [])
                for seed in range(count)]  # fmt: skip
        return len(page._inline({"configs": payload(table.leaderboard(runs), runs, "t")["configs"]}))

    assert size(1000) < size(1) + 40 * 1000


def test_a_league_of_its_own_is_marked_with_its_reason_and_other_papers_rules_come_when_asked_for():
    ours, theirs = record("lsd"), record("ctm", league="perceptual")
    runs = [(run, [row(run, 1, value, evaluation_seed=k) for k, value in enumerate(values)])
            for run, values in ((ours, (3.0, 1.0, 2.0)), (theirs, (0.3, 0.1, 0.2)))]  # fmt: skip
    plain = payload(table.leaderboard(runs), runs, "t")
    assert plain["methods"] == ["ctm", "lsd"] and plain["leagues"] == ["perceptual", ""]
    assert "GAN" in plain["league_notes"]["perceptual"] and plain["rules"] == []
    data = payload(table.leaderboard(runs, compatible=True), runs, "t")
    assert data["rules"] == ["min of 3 evaluation seeds", "best checkpoint per step count"]
    assert [cell[14] for cell in data["metrics"][0]["cells"]] == [[0.1, 0.2], [1, 2]]
    assert [cell[4] for cell in data["metrics"][0]["cells"]] == [cell[4] for cell in plain["metrics"][0]["cells"]] == [0.2, 2]


def test_the_published_table_travels_with_its_columns(tmp_path, runs):
    published = pd.DataFrame({"label": ["lsd"], "metric": ["fd_digits8"], "steps": [4], "value": [np.nan], "paper": [EVIL]})
    _, data, _ = made(tmp_path, runs, published=published)
    assert data["published"] == {"columns": list(published.columns), "rows": [["lsd", "fd_digits8", 4, None, EVIL]]}


def test_a_report_shows_the_note_of_the_archive_and_the_samples_of_its_folder(tmp_path, runs):
    archive.write(tmp_path / archive.FILE, runs, {"note": "one recipe for all"})
    (tmp_path / "samples.png").write_bytes(b"\x89PNG made by an earlier report")
    assert report.main([str(tmp_path / archive.FILE)]) == 0
    text = (tmp_path / page.FILE).read_text()
    assert "one recipe for all" in text and text.count('src="data:image/png;base64,') == 1


def test_an_unwritable_folder_is_one_clear_error(tmp_path, runs):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        page.write(tmp_path / "file/out", table.leaderboard(runs), runs, "t")


@pytest.mark.parametrize(("name", "net"), [("digits_quickstart", ["digits8"]), ("cifar_smoke", ["inception"]),
                                           ("mixture_all_methods", [])])
def test_a_metric_says_on_which_nets_features_it_was_taken_and_of_points_on_none(name, net, tmp_path):
    _, data, _ = made(tmp_path, archive.read(REFERENCE / name / archive.FILE)[0])
    assert data["metrics"] and all(metric["features"] == net for metric in data["metrics"])
