"""index.html in headless Chromium: it sorts, switches metrics, explains its numbers, and asks the network for nothing."""

import os
import shutil
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from fake_results import record, row, sweep
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from places import ROOT

from results.pictures import COLOURS, families, gallery, plots
from results.pictures.families import FAMILIES
from results.records import archive
from results.records.store import load_runs
from results.tables import table
from results.webpage import page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'fewstep[test]'")
CHROMIUM = os.environ.get("FEWSTEP_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH or named by FEWSTEP_CHROMIUM")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
PATIENCE = 300_000  # milliseconds
REFERENCE = ROOT / "results" / "reference"
MANY, CROWDED = REFERENCE / "digits_all_methods", REFERENCE / "mixture_all_methods"
OWN_BOXES = "all => all.map(text => (({ x, y, width, height }) => ({ x, y, width, height }))(text.getBBox()))"  # without halos
EVIL = "<script>document.title='x'</script></script><b>"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=PATIENCE)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    """Open a page at a size; afterwards no error, console message or request may have been left behind."""
    contexts, complaints, requests = [], [], []

    def go(path, width=1280, height=900, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        contexts[-1].set_default_timeout(PATIENCE)
        tab = contexts[-1].new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(path.as_uri())
        return tab

    yield go
    for context in contexts:
        context.close()
    assert complaints == []
    asked = [url for url in requests if not url.startswith("data:")]
    assert len(asked) == len(contexts) and all(url.startswith("file:") for url in asked), "the page itself, and no more"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Nine made-up methods, one of them diverged, one named like markup."""
    folder = tmp_path_factory.mktemp("small")
    runs = load_runs(sweep(folder))
    evil, dead = record(EVIL, run_id="evil"), record("dead", status="diverged", reason="loss is NaN")
    runs += [(evil, [row(evil, 1, 50.0), row(evil, 4, float("inf"))]), (dead, [])]
    published = pd.DataFrame({"label": "lsd", "metric": "fd_digits8", "steps": [1, 3], "value": [0.5, 0.4],
                              "paper": "one paper", "status": [EVIL, "read"]})  # fmt: skip
    return page.write(folder, table.leaderboard(runs), runs, "small", published=published)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """The recorded sweep of all methods, with its samples."""
    return recorded(MANY, tmp_path_factory.mktemp("many"))


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A recorded sweep whose fronts have their points close together."""
    return recorded(CROWDED, tmp_path_factory.mktemp("crowded"))


def recorded(sweep, folder):
    runs, about = archive.read(sweep / archive.FILE)
    frame = table.leaderboard(runs, about["order"], about["protocols"])
    return page.write(folder, frame, runs, sweep.name, page.pictures(sweep))


def column(tab, index):
    """The first line of text in each method's cell of a column, without references and empty cells."""
    cells = tab.locator(f"#board-table tbody:first-of-type tr > :nth-child({index + 1})").all_inner_texts()
    return [text.split("\n")[0] for text in cells if text]


def test_the_best_stands_first_and_a_header_sorts_down_back_and_up(visit, small):
    tab = visit(small)
    head = tab.locator("#board-table thead th").nth(1)
    up = column(tab, 1)
    assert head.get_attribute("aria-sort") == "ascending"
    assert up[-1] == "diverged" and [float(x.strip("§ ≈")) for x in up[:-1]] == sorted(float(x.strip("§ ≈")) for x in up[:-1])
    head.locator("button").click()
    down = column(tab, 1)
    assert head.get_attribute("aria-sort") == "descending"
    assert down[-1] == "diverged" and down[:-1] == up[-2::-1]
    head.locator("button").press("Enter")
    given = column(tab, 0)
    assert head.get_attribute("aria-sort") == "none" and given == sorted(given), "as the sweep has them"
    head.locator("button").press("Space")
    assert head.get_attribute("aria-sort") == "ascending" and column(tab, 1) == up
    tab.locator("#board-table thead th button").first.click()
    assert [name for name in column(tab, 0) if name != EVIL] == sorted(name for name in given if name != EVIL)
    references = tab.locator("#board-table tbody").nth(1).locator("th").all_inner_texts()
    assert references == ["noise", "gaussian fit", "held-out data"], "references stay below"


def test_another_metric_brings_its_own_numbers(visit, many):
    tab = visit(many)
    title, cells, curves = (tab.locator(s) for s in ("#board-title", "#board-table tbody:first-of-type", "#curve-chart"))
    before = title.inner_text(), cells.inner_text(), curves.inner_html()
    tab.locator("#metrics button", has_text="nn_train").click()
    after = title.inner_text(), cells.inner_text(), curves.inner_html()
    assert tab.locator("#board-table th[aria-sort=none]").count() == tab.locator("#board-table thead th").count()
    assert "nearest-neighbour" in after[0] and all(a != b for a, b in zip(before, after, strict=True))
    assert not tab.locator("#pareto").is_visible(), "no front where no direction is better"


def test_a_number_tells_its_runs_by_click_and_by_keyboard(visit, many):
    tab = visit(many)
    panel, cell = tab.locator("#panel"), tab.locator("#board-table [data-open]").first
    tab.locator("#board-table thead button", has_text="1 step").click(click_count=2)  # down, then as the sweep has them
    cell.click()
    text = panel.inner_text()
    runs, about = archive.read(MANY / archive.FILE)
    run = next(record for record, _ in runs if (record.label, record.seed) == ("flow_matching", 2))
    value = cell.inner_text().split("\n")[0].strip("§")
    for fact in ("flow_matching · 1 step", value, *about["protocols"], "597", "0, 1, 2", "training seed 2", run.run_id,
                 run.final, f"{run.images_seen:,}", "config hash", f"torch {run.versions['torch']}", "cpu x 1", "hop:euler"):
        assert fact in text, fact
    tab.keyboard.press("Escape")
    assert not panel.is_visible()
    cell.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    assert "edm · 2 steps" in panel.inner_text()
    tab.keyboard.press("Escape")
    assert "edm, 2 steps" in tab.evaluate("document.activeElement.getAttribute('aria-label')")
    stop = tab.locator("#board-table [data-open][tabindex='0']")
    assert stop.count() == 1 and "edm, 2" in stop.get_attribute("aria-label"), "one tab stop, however many numbers"
    tab.locator("#filter").fill("lmd")
    assert stop.count() == 1 and stop.is_visible() and "lmd, 1" in stop.get_attribute("aria-label"), "and never a hidden one"


def test_a_point_of_a_curve_tells_where_it_comes_from(visit, many):
    tab = visit(many)
    tab.locator("#curve-chart .series circle").first.scroll_into_view_if_needed()
    box = tab.locator("#curve-chart .series circle").last.bounding_box()
    tab.mouse.move(box["x"] + 3, box["y"] + 3)
    assert tab.locator("#tip").is_visible() and tab.locator("#board-table tr.hot").count() == 1
    tab.mouse.click(box["x"] + 3, box["y"] + 3)
    assert "training seed 0" in tab.locator("#panel").inner_text()
    assert tab.locator("#board-table tr.hot th").inner_text() in tab.locator("#panel h2").inner_text()


def test_the_filter_leaves_matching_rows_and_lines(visit, many):
    tab = visit(many)
    tab.locator("#filter").fill("LMD")
    shown = tab.locator("#board-table tbody tr:visible th").all_inner_texts()
    assert shown == ["lmd", "ayf_lmd"] and tab.locator("#curve-chart .series").count() == 2
    tab.locator("#filter").fill("nothing like it")
    assert tab.locator("#board-table tr[data-row]:visible").count() == 0
    tab.locator("#filter").fill("")
    assert tab.locator("#curve-chart .series").count() == 48


def test_a_family_narrows_tables_and_charts_and_what_is_lit_are_its_best(visit, many):
    tab = visit(many)
    rows, lines = tab.locator("#board-table tr[data-row]:visible:not(.reference)"), tab.locator("#curve-chart .series")
    families = tab.locator("#families button")
    assert rows.count() + tab.locator("#leagues tr[data-row]:visible:not(.reference)").count() == lines.count() == 48
    counts = [int(text.split()[-1]) for text in families.all_inner_texts()]
    assert sum(counts) == 48 and not tab.locator("#narrowed").inner_text()
    consistency = families.filter(has_text="consistency models")
    consistency.press("Enter")
    shown = rows.locator("th").all_inner_texts()
    assert sorted(shown) == sorted(FAMILIES["the map to data"].split()) and shown[0] == "gaf", "its best first"
    assert lines.count() == 10 and tab.locator("#curve-chart .series[class*=' c']").count() == 7
    assert tab.locator("#pareto-nfe .series").count() == 10 and tab.locator("#legend .name").count() == 10
    assert tab.locator("#board-table tr.reference:visible").count() == 3 and not tab.locator("#leagues h3").first.is_visible()
    assert tab.locator("#narrowed").inner_text() == "10 of 48 methods shown; bold and ≈ compare all of them."
    tab.locator("#filter").fill("ct")
    assert rows.locator("th").all_inner_texts() == ["sct", "ict", "ect", "ct"], "both narrow"
    tab.locator("#filter").fill("")
    distribution = families.filter(has_text="distribution matching")
    distribution.press("Space")
    tab.locator("#metrics button", has_text="recall").click()
    assert lines.count() == 14 and tab.locator("#leagues h3").first.inner_text() == "extra networks", "another metric, the same"
    for each in (consistency, distribution):
        assert each.get_attribute("aria-pressed") == "true"
        each.click()
        assert each.get_attribute("aria-pressed") == "false"
    assert lines.count() == 48 and not tab.locator("#narrowed").inner_text()


def test_few_methods_have_no_families(visit, small):
    tab = visit(small)
    assert not tab.locator("#families").is_visible() and tab.locator("#families button").count() == 0


def sweep_of(folder, labels):
    """A page of these methods, one training each, their values in the order of a fixed shuffle."""
    values = np.random.default_rng(0).permutation(len(labels)) + 1.0
    runs = [(run := record(label), [row(run, n, value / n) for n in (1, 4)])
            for label, value in zip(labels, values, strict=True)]  # fmt: skip
    return page.write(folder, table.leaderboard(runs), runs, "made up")


def test_of_a_long_table_a_hundred_rows_are_laid_out_and_sorting_moves_them_all(visit, tmp_path):
    tab = visit(sweep_of(tmp_path, [f"m{k:03d}" for k in range(150)]))
    rows, every = tab.locator("#board-table tbody").first.locator("tr:visible"), tab.locator("#every")

    tab.evaluate("window.kept = new Set(document.querySelectorAll('#board-table tr'))")
    assert rows.count() == 100 and rows.first.locator("td").first.inner_text() == "1.00"
    head = tab.locator("#board-table thead button", has_text="1 step")
    head.click()
    assert rows.count() == 100 and rows.first.locator("td").first.inner_text() == "150", "the hundred that now stand first"
    assert rows.last.locator("td").first.inner_text() == "51.0"
    assert tab.evaluate("[...document.querySelectorAll('#board-table tr')].every(row => kept.has(row))"), "moved, not made"
    tab.locator("#filter").fill("m14")
    assert rows.count() == 10, "the filter finds those that were not laid out"
    tab.locator("#filter").fill("")
    every.press("Enter")
    assert rows.count() == 150 and every.inner_text() == "all 150 methods" and every.get_attribute("aria-pressed") == "true"
    every.click()
    tab.emulate_media(media="print")
    assert rows.count() == 150, "paper has them all"


CONTROLS = "button, select, input, summary, figure, [tabindex='0']"


def test_every_control_is_reached_by_tab_and_answers_to_keys(visit, tmp_path):
    tab = visit(sweep_of(tmp_path, [*FAMILIES["the map to data"].split(), "lmd", "emd", "lsd", "flow_matching"]))
    count = tab.evaluate(f"""[...document.querySelectorAll("{CONTROLS}")]
      .filter(node => node.checkVisibility() && node.tabIndex >= 0)
      .map((node, place) => {{ node.dataset.place = place; }}).length""")
    reached = set()
    for _ in range(count):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.dataset.place"))
    assert count > 40 and reached == {str(place) for place in range(count)}
    for name in ("#bill", "#families button", "#board-table button.name", "#legend .name"):
        button = tab.locator(name).first
        for key in ("Enter", "Space"):
            before = button.get_attribute("aria-pressed")
            button.press(key)
            assert {before, button.get_attribute("aria-pressed")} == {"true", "false"}, (name, key)
    for key in ("Enter", "Space"):
        tab.locator("#board-table [data-open][tabindex='0']").press(key)
        assert tab.locator("#panel").is_visible()
        tab.locator("#panel .close").press(key)
        assert not tab.locator("#panel").is_visible()


def test_sample_grids_are_shown_whole(visit, many):
    for width in (390, 1280):
        tab = visit(many, width)
        figure, image = (tab.locator(f"#samples {name}").bounding_box() for name in ("figure", "img"))
        assert image["height"] <= figure["height"] and image["width"] <= figure["width"], "nothing to scroll to"


def test_the_legend_gives_and_takes_colour(visit, many):
    tab = visit(many)
    chip = tab.locator("#legend .name", has_text="tcm")
    line = tab.locator(f"#curve-chart .series[data-m='{chip.get_attribute('data-m')}']")
    assert line.get_attribute("class").strip() == "series"
    chip.click()
    assert chip.get_attribute("aria-pressed") == "true" and " c" in line.get_attribute("class")
    tab.locator("#legend .choice", has_text="none").click()
    assert tab.locator("#curve-chart .series[class*=' c']").count() == 0
    tab.locator("#legend .choice", has_text="all").click()
    assert len({line.get_attribute("class") for line in tab.locator("#curve-chart .series").all()}) >= 21


def test_intervals_are_bands_of_a_few_lines_and_bars_side_by_side_of_more(visit, many):
    tab = visit(many)
    bands, bars = (tab.locator(f"#curve-chart .series[class*=' c'] .{name}") for name in ("band", "bar"))
    assert bands.count() == 0 and bars.count() > 7
    places = {line.get_attribute("x1") for line in tab.locator("#curve-chart .series[class*=' c'] .bar:first-of-type").all()}
    assert len(places) > 3, "side by side"
    for chip in tab.locator("#legend .name[aria-pressed='true']").all()[:4]:
        chip.click()
    assert bands.count() == 3 and bars.count() == 0


def test_values_beyond_the_edge_are_told_over_their_marks(visit, tmp_path):
    values = {f"m{k}": (10 + k, 9 + k) for k in range(9)} | {"bad": (500.0, 12.0), "worse": (700.0, 300.0)}
    runs = [(run := record(label), [row(run, 1, one), row(run, 4, four)]) for label, (one, four) in values.items()]
    tab = visit(page.write(tmp_path, table.leaderboard(runs), runs, "far"))
    for chart in ("#curve-chart", "#pareto-nfe"):
        assert tab.locator(f"{chart} .number").all_text_contents() == ["500 – 700", "300"]
        marks, boxes = (tab.locator(f"{chart} {name}").evaluate_all(OWN_BOXES) for name in ("polygon", ".number"))
        for box in boxes:
            assert any(abs(box["x"] + box["width"] / 2 - mark["x"] - mark["width"] / 2) < 12 for mark in marks)
            assert all(box["y"] + box["height"] <= mark["y"] + 2 for mark in marks), box
    tab.locator("#range").click()
    assert tab.locator(".number").count() == 0, "the whole range has none beyond it"


@pytest.mark.parametrize("width", [390, 1440])
def test_numbers_beyond_the_edge_never_touch_and_leave_none_out(visit, many, width):
    tab = visit(many, width)
    cells = tab.evaluate("JSON.parse(document.getElementById('data').textContent).metrics[0].cells.map(cell => cell[4])")
    for chart in ("#curve-chart", "#pareto-nfe", "#pareto-cost"):
        texts = tab.locator(f"{chart} .number")
        told = [float(part) for text in texts.all_text_contents() for part in text.split(" – ")]
        boxes = sorted(texts.evaluate_all(OWN_BOXES), key=lambda box: box["x"])
        assert len(told) > 2 and max(told) == round(max(value for value in cells if value and value < 2000))
        assert all(a["x"] + a["width"] < b["x"] for a, b in pairwise(boxes)) and boxes[0]["x"] >= 0


def look(tab):
    """{method: (colour, class of its dashes)} of the lit lines."""
    found = tab.locator("#curve-chart .series[class*=' c']").evaluate_all("""all => all.map(group => [Number(group.dataset.m),
        getComputedStyle(group.querySelector(".line")).stroke, group.getAttribute("class").split(" ").at(-1)])""")
    names = tab.evaluate("JSON.parse(document.getElementById('data').textContent).methods")
    return {names[method]: (colour, dashes) for method, colour, dashes in found}


def in_pictures(sweep):
    """The same, as the pictures beside the table have them."""
    runs, about = archive.read(sweep / archive.FILE)
    frame = table.leaderboard(runs, about["order"], about["protocols"])
    own = frame[(frame["metric"] == frame["metric"].iloc[0]) & (frame["sampler"] != "reference")]
    colours = [f"rgb({', '.join(str(round(255 * part)) for part in to_rgb(colour))})" for colour in COLOURS]
    return {label: (colours[slot % 7], f"d{slot // 7}") for label, slot in plots.slots(own, "lower").items()}


def test_a_method_has_one_colour_on_the_page_and_in_the_pictures(visit, many, tmp_path):
    few = visit(recorded(REFERENCE / "digits_quickstart", tmp_path))
    told = in_pictures(REFERENCE / "digits_quickstart")
    assert len(told) == 6 and look(few) == told
    chip = few.locator("#legend .name", has_text="lmd")
    chip.click()
    assert look(few) == {name: own for name, own in told.items() if name != "lmd"}
    chip.click()
    assert look(few) == told, "and back"
    few.locator("#metrics button", has_text="recall").click()
    assert look(few) == told, "whatever leads"
    tab, told = visit(many), in_pictures(MANY)
    tab.locator("#families button", has_text="consistency models").click()
    found = look(tab)
    assert len(found) == 7 and found == {name: told[name] for name in found}, "as in its panel"
    tab.locator("#families button", has_text="consistency models").click()
    found = look(tab)
    assert len(set(found.values())) == 7 and sum(own == told[name] for name, own in found.items()) > 3
    for (one, (colour, _)), (other, (its, _)) in combinations(found.items(), 2):
        assert colour != its or families.OF[one] == families.OF[other], "of several families each has a colour of its own"
    tab = visit(sweep_of(tmp_path, [f"lsd w={k}" for k in range(14)]))  # a family of two panels
    tab.locator("#legend .choice", has_text="all").click()
    assert len(look(tab)) == len(set(look(tab).values())) == 14


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_names_on_the_fronts_touch_neither_one_another_nor_the_charts_edge(width, visit, crowded):
    tab = visit(crowded, width)
    for chart in ("#pareto-nfe", "#pareto-cost"):
        room = tab.locator(f"{chart} svg").bounding_box()["width"]
        names = tab.locator(f"{chart} .front text, {chart} .number").evaluate_all(OWN_BOXES)
        assert len(names) > 2 and all(box["x"] >= 0 and box["x"] + box["width"] <= room for box in names)
        for a, b in combinations(names, 2):
            along, across = (min(a[k] + a[d], b[k] + b[d]) - max(a[k], b[k]) for k, d in (("x", "width"), ("y", "height")))
            assert along <= 0 or across <= 1, (a, b)


def test_text_from_records_is_text_and_what_failed_says_so(visit, small):
    tab = visit(small)
    assert tab.title() == "small"
    line = tab.locator("#board-table tr", has_text=EVIL)
    assert line.locator("b, script").count() == 0 and "∞" in line.inner_text()
    tab.locator("#board-table tr", has_text="dead").locator("[data-open]").first.click()
    assert "diverged" in tab.locator("#panel").inner_text() and "loss is NaN" in tab.locator("#panel").inner_text()
    tab.locator("#runs details").evaluate("node => node.open = true")
    assert "loss is NaN" in tab.locator("#runs-table tr.undone").inner_text()


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_never_scrolls_sideways(visit, many, width, scheme):
    tab = visit(many, width, color_scheme=scheme, has_touch=width < 500)
    for name in ("nn_train", "fd_digits8"):
        tab.locator("#metrics button", has_text=name).click()
    tab.locator("#runs summary").click()
    tab.locator("#board-table [data-open]").first.click()
    assert tab.locator("#panel").is_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("document.body.scrollWidth") <= width
    ink, paper = (tab.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    light = [sum(map(int, colour[4:-1].split(","))) for colour in (ink, paper)]
    assert (light[0] < light[1]) == (scheme == "light")


def test_published_values_stand_beside_ours(visit, small):
    tab = visit(small)
    lines = tab.locator("#published-table tbody tr")
    assert tab.locator("#published-table thead th").all_inner_texts() == ["label", "metric", "steps", "value", "ours", "status"]
    assert "0.500" in lines.nth(0).inner_text() and EVIL in lines.nth(0).inner_text()
    assert [line.locator("[data-open]").count() for line in lines.all()] == [1, 0], "ours where the step count was scored"
    assert "paper: one paper" in tab.locator("#published-caption").inner_text()
    lines.nth(0).locator("[data-open]").click()
    assert "lsd · 1 step" in tab.locator("#panel").inner_text()


@pytest.fixture(scope="module")
def leagues(tmp_path_factory):
    """Two plain methods and a far better one with perceptual losses, three trainings each, with other papers' rules."""
    values, runs = {"lsd": (3.0, 2.0), "cd": (4.0, 2.5), "ctm": (0.5, 0.4)}, []
    for label, curve in values.items():
        for seed in range(3):
            config = {"seed": seed, "train": {"lr": 1e-3, "betas": [0.9, 0.99]}, "teacher": {"run": f"fm-s{seed}"}}
            run = record(label, seed, config=config, league="perceptual" if label == "ctm" else "plain")
            rows = [row(run, n, v + seed / 100 + draw / 10, evaluation_seed=draw) for n, v in zip((1, 4), curve, strict=True)
                    for draw in range(2)]  # fmt: skip
            runs.append((run, rows))
    reference = record("references", run_id="references", kind="reference")
    runs.append((reference, [row(reference, 0, 90.0, label="noise", sampler="reference")]))
    return page.write(tmp_path_factory.mktemp("leagues"), table.leaderboard(runs, compatible=True), runs, "leagues")


def test_a_league_of_its_own_has_a_table_a_rank_and_a_front_of_its_own(visit, leagues):
    tab = visit(leagues)
    assert column(tab, 0) == ["lsd", "cd"], "not in the main table"
    own = tab.locator("#leagues [data-league=perceptual]")
    assert own.locator("tbody").first.locator("th").all_inner_texts() == ["ctm\nperceptual"]
    assert own.locator(".best").count() == 2 and tab.locator("#board-table .best").count() == 2, "each has its first"
    assert tab.locator("#leagues h3").inner_text() == "perceptual losses"
    assert "GAN" in tab.locator("#leagues .caption").inner_text()
    for chart in ("#pareto-nfe", "#pareto-cost"):
        fronts = [tab.locator(f"{chart} .front{kind} text") for kind in (":not(.apart)", ".apart")]
        named = [set(front.all_text_contents()) - {""} for front in fronts]
        assert named == [{"lsd"}, {"ctm"}], "a far better method of another league takes no place on the front"
    assert "Dashed" in tab.locator("#front-caption").inner_text()
    assert tab.locator("#legend .name[aria-pressed=true]").all_inner_texts() == ["cd", "lsd"], "nor among the leaders"
    tab.locator("#filter").fill("lsd")
    assert not own.locator("h3").is_visible(), "nothing of it is left"
    tab.locator("#filter").fill("")
    own.locator("[data-open]").first.click()
    assert "ctm · 1 step" in tab.locator("#panel").inner_text()


def test_without_other_leagues_or_rules_nothing_speaks_of_them(visit, small):
    tab = visit(small)
    assert tab.locator("#leagues *").count() == 0 and not tab.locator("#rules").is_visible()
    assert "Dashed" not in tab.locator("#front-caption").inner_text()


def test_other_papers_rules_stand_in_tables_of_their_own(visit, leagues):
    tab = visit(leagues)
    tab.locator("#rules summary").click()
    assert tab.locator("#rules h3").all_inner_texts() == ["compatibility: min of 2 evaluation seeds",
                                                          "compatibility: best checkpoint per step count"]  # fmt: skip
    least, best = (tab.locator("#rules table").nth(k).locator("tr", has_text="lsd").inner_text() for k in range(2))
    assert "3.01" in least and "3.06" in best and "3.06" in tab.locator("#board-table tr", has_text="lsd").inner_text()
    assert "hence too good" in tab.locator("#rules .caption").inner_text() and tab.locator("#rules .best").count() == 0


def test_the_panel_tells_the_configuration_once_and_what_differs_with_each_run(visit, leagues):
    tab = visit(leagues)
    panel = tab.locator("#panel")
    tab.locator("#board-table tr", has_text="lsd").locator("[data-open]").first.click()
    assert not panel.get_by_text("train.lr").is_visible(), "folded at first"
    panel.locator("summary").click()
    text = panel.inner_text()
    for fact in ("train.lr", "0.001", "train.betas", "[0.9, 0.99]"):
        assert text.count(fact) == 1, fact
    cards = panel.locator(".card").all_inner_texts()
    assert [f"fm-s{seed}" in cards[seed] and "teacher.run" in cards[seed] for seed in range(3)] == [True] * 3
    assert not any("train.lr" in card for card in cards)
    tab.keyboard.press("Escape")
    tab.locator("#runs details").evaluate("node => node.open = true")
    tab.locator("#runs-table [data-open]").first.click()
    panel.locator("summary").click()
    assert "train.lr" in panel.inner_text() and "teacher.run" in panel.inner_text()


def test_a_table_that_fits_has_no_bar_to_scroll_it(visit, tmp_path):
    runs, _ = archive.read(REFERENCE / "digits_quickstart" / archive.FILE)
    tab = visit(page.write(tmp_path, table.leaderboard(runs), runs, "fits"), 1440)
    assert tab.locator("#board-table").evaluate("box => box.scrollWidth - box.clientWidth") == 0


def test_an_empty_sweep_opens(visit, tmp_path):
    tab = visit(page.write(tmp_path, table.leaderboard([]), [], "empty"))
    assert "nothing scored yet" in tab.locator("#board-title").inner_text()


def test_the_page_opens_with_what_was_found_and_each_metric_has_its_own(visit, many):
    tab = visit(many)
    found = tab.locator("#found")
    assert found.bounding_box()["y"] < tab.locator("#metrics").bounding_box()["y"]
    lines = found.locator("> dl > dt, > dl > dd").all_inner_texts()
    assert not found.locator("details dl").first.is_visible(), "other leagues are folded"
    assert lines[::2] == ["1 step", "2 steps", "4 steps", "8 steps", "16 steps"]
    best = [tab.locator(f"#board-table tbody tr:has(td:nth-child({n + 2}) .best) th").inner_text() for n in range(5)]
    assert [text.split()[0] for text in lines[1::2]] == best
    tied = tab.locator("#board-table tbody tr:has(td:nth-child(3) .tied) th").all_inner_texts()
    assert set(lines[3].split("cannot be told from it: ")[1].split(", ")) == set(tied)
    before = found.inner_text()
    tab.locator("#metrics button", has_text="coverage").click()
    assert found.inner_text().startswith("Highest mean coverage: ") and found.inner_text() != before
    for name in ("nn_train", "precision"):
        tab.locator("#metrics button", has_text=name).click()
        assert found.inner_text() == "", "what ranks nobody has no best"
        assert tab.locator("#board-table .best").count() == 0 and not tab.locator("#pareto").is_visible()
        assert tab.locator("#board-table th[aria-sort=none]").count() == tab.locator("#board-table thead th").count()


def test_costs_stand_behind_a_switch_that_the_keyboard_reaches(visit, many):
    tab = visit(many)
    switch, head = tab.locator("#bill"), tab.locator("#board-table thead th:visible")
    seen = head.all_inner_texts
    assert "compute" not in seen() and seen()[-1] == "NFE" and switch.get_attribute("aria-pressed") == "false"
    switch.press("Enter")
    assert set(seen()) >= {"images", "compute", "teacher time"} and switch.get_attribute("aria-pressed") == "true"
    tab.locator("#metrics button", has_text="precision").click()
    assert "compute" in seen(), "another metric leaves the switch as it is"
    cells = {row.locator(":scope > :visible").count() for row in tab.locator("#board-table tbody").first.locator("tr").all()}
    assert cells == {len(seen())}
    switch.click()
    assert "compute" not in seen()


def test_without_any_bill_there_is_no_switch(visit, tmp_path):
    run = record("lsd", images_seen=0, images_budget=0, train_seconds=0.0, params=0)
    runs = [(run, [row(run, 1, 2.0)])]
    assert not visit(page.write(tmp_path, table.leaderboard(runs), runs, "free")).locator("#bill").is_visible()


def test_what_never_trained_has_no_costs_and_no_evaluations(visit, tmp_path):
    runs = [(run := record("lsd", steps), [row(run, 1, 2.0)]) for steps in range(3)]
    tab = visit(page.write(tmp_path, table.leaderboard(runs, ["lsd", "gone"]), runs, "begun"))
    tab.locator("#bill").click()
    cells = tab.locator("#board-table tr", has_text="gone").locator("td.cost").all_inner_texts()
    assert len(cells) == 3 and set(cells) == {"–"}
    assert "NFE" not in tab.locator("#board-table thead th").all_inner_texts(), "one each step, of all that was sampled"


def test_a_phone_shows_the_first_step_counts_without_scrolling(visit, many):
    tab = visit(many, 390, 844, has_touch=True)
    heads = [tab.locator("#board-table thead th").nth(n).bounding_box() for n in range(4)]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in heads), "the method, 1, 2 and 4 steps"
    assert tab.locator("#found dd").nth(4).bounding_box()["y"] < 844 and heads[0]["y"] < 844


def test_a_dark_page_prints_on_white_without_its_tools_and_with_its_marks(visit, many):
    tab = visit(many, color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    soft = tab.locator("#board-caption").evaluate("node => getComputedStyle(node).color")
    assert max(map(int, soft[4:-1].split(","))) < 110, "dark letters"
    assert not any(tab.locator(name).is_visible() for name in ("#tools", "#bill", "#range"))
    assert tab.locator("#board-table .best").first.is_visible() and "≈" in tab.locator("#board-table").inner_text()


def test_samples_have_no_ground_of_their_own_so_that_a_dark_page_shows_through(visit, tmp_path, many):
    gallery.samples_grid({"lsd": {1: np.ones((4, 1, 8, 8))}, "cd": {1: np.full((4, 3, 8, 8), 0.5)}}, tmp_path / "samples.png")
    picture = imread(tmp_path / "samples.png")
    white = (picture[..., :3] > 0.99).all(-1) & (picture[..., 3] == 1)
    assert picture[0, 0, 3] == 0 and white.any(), "clear around the images, and white where they are"
    run = record("lsd")
    runs = [(run, [row(run, 1, 2.0)])]
    path = page.write(tmp_path, table.leaderboard(runs), runs, "dark", page.pictures(tmp_path))
    figure = visit(path, color_scheme="dark").locator("#samples figure")
    ground = figure.evaluate("node => getComputedStyle(node).backgroundColor")
    assert sum(map(int, ground[4:-1].split(","))) < 150


def test_the_trainings_are_dark_on_a_dark_page_and_white_on_paper(visit, crowded, tmp_path):
    tab = visit(crowded, color_scheme="dark")

    def ground():
        tab.locator("#training img").screenshot(path=tmp_path / "seen.png")
        return np.median(imread(tmp_path / "seen.png")[..., :3])

    assert ground() < 0.15
    tab.emulate_media(media="print", color_scheme="dark")
    assert ground() > 0.99
