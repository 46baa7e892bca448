"""Published numbers stand beside ours with their own budget, and a metric with a floor is shown as excess too."""

import json
from pathlib import Path

import pandas as pd
import pytest
from fake_results import sweep

from bench.config import compose as config
from bench.config import request
from bench.config.errors import ConfigError
from results import report
from results.compared import beside
from results.records.record import LEAGUES
from results.records.store import StoreError

COLUMNS = "label,name,dataset,metric,steps,value,count,budget,params,league,protocol,checkpoint,source,status"
NAME = "self_distillation_checkerboard"


def ours(count: int = 64000) -> pd.DataFrame:
    rows = [
        {"method": method, "steps": n, "metric": metric, "value": floor + 0.01 * k + 0.001, "floor": floor, "low": low,
         "high": 0.2, "images_seen": 1024000, "sampler": "hop", "count": count, "data": "checkerboard"}
        for k, method in enumerate(("lsd", "psd_m"), 1) for n in (1, 2, 4, 8, 16)
        for metric, floor, low in (("kl_50", 0.0663, float("nan")), ("kl", 0.0062, 0.0072))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def cells(page: str, start: str) -> list[str]:
    line = next(line for line in page.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_ours_and_theirs_stand_line_by_line_with_their_excess() -> None:
    page = beside.markdown(ours(), beside.load(NAME), NAME)
    lines = [line for line in page.splitlines() if line.startswith("|")]
    first = next(i for i, line in enumerate(lines) if line.startswith("| lsd | ours"))
    mine, mine_above, theirs, theirs_above = (
        [c.strip() for c in line.strip("|").split("|")] for line in lines[first : first + 4]
    )
    assert mine[2] == "0.0773" and float(mine[-1]) == 1.02e6
    assert theirs[2:4] == ["0.0864", "0.0765"] and float(theirs[-1]) == 2.5e10
    assert mine_above[2] == "0.0110" and theirs_above[2] == "0.0201"


def test_a_published_number_of_another_sample_count_has_no_excess_over_our_floor() -> None:
    page = beside.markdown(ours(20_000), beside.load(NAME), NAME)
    assert "| lsd | ours - floor" in page and "published - floor" not in page


def test_a_method_that_was_not_run_leaves_its_published_line() -> None:
    page = beside.markdown(ours(), beside.load(NAME), NAME)
    assert cells(page, "| esd | ours")[2] == "–"
    assert "0.0983" in page


def test_the_aligned_grid_shows_the_excess_with_its_interval() -> None:
    page = beside.markdown(ours(), beside.load(NAME), NAME)
    aligned = page.split("## kl: ")[1]
    assert cells(aligned, "| lsd")[1] == "0.0110 [0.0010, 0.1938]"


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(StoreError, match=NAME):
        beside.load("self_distilation")


def test_the_report_of_a_sweep_writes_the_page_that_its_file_names(tmp_path: Path) -> None:
    runs = [path.name for path in sweep(tmp_path, data="checkerboard")]
    place = tmp_path / "sweeps" / "board"
    place.mkdir(parents=True)
    (place / "runs.json").write_text(json.dumps({"runs": runs, "order": ["lsd", "cd"], "published": NAME}))
    assert report.main([str(place)]) == 0
    assert "0.0864" in (place / "published.md").read_text()


def test_every_table_has_its_columns_and_labels_that_exist() -> None:
    """Each number keeps its source and status; a label is a method of ours."""
    for path in beside.FOLDER.glob("*.csv"):
        table = beside.load(path.stem)
        assert ",".join(table.columns) == COLUMNS
        assert set(table["label"]) <= {"", *config.names("method")}
        assert set(table["status"]) <= {"READ-P", "READ-S", "RECALLED"} and (table["value"] > 0).all()
        assert set(table["league"]) <= set(LEAGUES)


def fid(**changes: object) -> pd.DataFrame:
    row = {"method": "ect", "steps": 1, "metric": "fid", "value": 4.0, "floor": float("nan"), "low": 3.9, "high": 4.1,
           "images_seen": 12_800_000, "params": 55_700_000, "sampler": "hop", "count": 50_000, "league": "plain",
           "protocol": "legacy-tensorflow-v1-0123abcd", "data": "cifar10"}  # fmt: skip
    return pd.DataFrame([row | changes])


def test_a_number_is_comparable_only_where_everything_is_known_and_agrees() -> None:
    table = beside.marked(fid(), beside.load("cifar10")).set_index(["name", "steps"])
    assert table.loc[("ECT 100k bs128", 1), "comparable"] == "yes" and table.loc[("ECT 100k bs128", 1), "ours"] == 4.0
    assert table.loc[("ECT 400k bs128", 1), "because"] == "training images 51.2M, ours 12.8M"
    assert table.loc[("ECT 100k bs128", 2), "because"] == "not measured here"
    assert (table["comparable"] == "yes").sum() == 1


def test_a_protocol_may_be_named_by_its_id_as_our_tables_print_it() -> None:
    named = beside.load("cifar10").assign(protocol="legacy-tensorflow-v1-0123abcd").set_index(["name", "steps"], drop=False)
    table = beside.marked(fid(), named.loc[[("ECT 100k bs128", 1)]])
    assert list(table["comparable"]) == ["yes"]
    other = beside.marked(fid(), named.loc[[("ECT 100k bs128", 1)]].assign(protocol="legacy-tensorflow-v1-0123abce"))
    assert other["because"].iloc[0].startswith("protocol legacy-tensorflow-v1-0123abce, ours legacy-tensorflow-v1-0123abcd")


@pytest.mark.parametrize(("ours", "asked", "reason"), [
    ({"method": "ect q=4"}, {}, "not measured here: rows are labelled 'ect q=4'"),
    ({"metric": "sliced_w2"}, {"metric": "sliced-w2"}, "not measured here: there is 'sliced_w2', and no 'sliced-w2'"),
    ({"method": "cd"}, {}, "not measured here"),
])  # fmt: skip
def test_what_may_be_meant_is_named_where_no_number_is_found(
    ours: dict[str, str], asked: dict[str, str], reason: str
) -> None:
    published = beside.load("cifar10")
    table = beside.marked(fid(**ours), published[published["label"] == "ect"].assign(**asked))
    assert set(table["because"]) == {reason}


def test_a_row_of_the_very_label_is_meant_and_none_that_begins_with_it() -> None:
    ours = pd.concat([fid(steps=4), fid(method="ect guided 2", steps=4)])
    table = beside.marked(ours, beside.load("cifar10")).set_index(["name", "steps"])
    assert table.loc[("ECT 100k bs128", 1), "because"] == "not measured here"


@pytest.mark.parametrize(("changes", "reason"), [
    ({"protocol": "clean-fid-v1-0123abcd"}, "protocol legacy-tensorflow, ours clean-fid-v1-0123abcd"),
    ({"count": 10_000}, "samples 50k, ours 10k"),
    ({"images_seen": 1_000_000}, "training images 12.8M, ours 1M"),
    ({"params": 1_000_000}, "network 55.7M, ours 1M"),
    ({"league": "perceptual"}, "league plain"),
])  # fmt: skip
def test_what_differs_is_the_reason(changes: dict[str, object], reason: str) -> None:
    table = beside.marked(fid(**changes), beside.load("cifar10")).set_index(["name", "steps"])
    assert table.loc[("ECT 100k bs128", 1), "because"] == reason


def test_an_unknown_league_is_called_so() -> None:
    table = beside.marked(fid(), beside.load("cifar10").assign(league="")).set_index(["name", "steps"])
    assert table.loc[("ECT 100k bs128", 1), "because"] == "league unknown"


def test_a_number_of_the_best_checkpoint_is_never_comparable() -> None:
    ours = fid(method="lsd", protocol="flow-maps-jax-v1-0123abcd", league="preset self_distillation/cifar10",
               images_seen=204_800_000, params=54_700_000)
    theirs = beside.load("cifar10").assign(budget=204_800_000)
    table = beside.marked(ours, theirs).set_index(["label", "steps"])
    assert table.loc[("lsd", 1), "because"] == "checkpoint best per step count, ours the last"
    last = beside.marked(ours, theirs.assign(checkpoint="")).set_index(["label", "steps"])
    assert last.loc[("lsd", 1), "comparable"] == "yes"


def test_network_evaluations_are_what_is_compared() -> None:
    ours = fid(method="edm", steps=18, nfe=35)
    table = beside.marked(ours, beside.load("cifar10")).set_index(["name", "steps"])
    assert table.loc[("EDM (Heun)", 35), "ours"].eq(4.0).all()


def test_the_page_of_images_lists_each_number_with_its_provenance() -> None:
    page = beside.markdown(fid(), beside.load("cifar10"), "cifar10")
    assert cells(page, "| ect | ours")[2] == "4.00"
    assert "| ect | published: ECT 100k bs128 | 4.54 |" in page
    listed = page.split(f"## {beside.LIST}")[1]
    assert len([line for line in listed.splitlines() if line.startswith("| ")]) == 2 + len(beside.load("cifar10"))
    assert "not measured here" in listed and "READ-P" in listed


@pytest.mark.parametrize(("data", "dataset", "stands"), [
    ("checkerboard", "cifar10-uncond", False), ("cifar10", "cifar10-uncond", True), ("cifar10", "cifar10-cond", True),
    ("imagenet32", "imagenet64-cond", False), ("cifar10", "", True), ("arrays faces.v2.npz", "faces.v2", True),
    ("arrays faces.v2.npz", "arrays", True), ("arrays faces.v2.npz", "faces", False), ("folder cats", "cats-uncond", True),
])  # fmt: skip
def test_a_number_of_other_data_stands_beside_none_of_ours(data: str, dataset: str, stands: bool) -> None:
    published = beside.load("cifar10")
    published = published[published["name"] == "ECT 100k bs128"].assign(dataset=dataset)
    ours = fid(data=data)
    first = beside.marked(ours, published).set_index("steps").loc[1]
    page, line = beside.markdown(ours, published, "x"), beside.left_out(ours, published)
    assert ("| ect | published |" in page) is stands and ("4.54" in page) is stands
    assert pd.notna(first["ours"]) is stands
    assert (first["comparable"] == "yes") is (stands and dataset not in ("", "cifar10-cond"))
    assert stands or first["because"] == f"data {dataset}, ours {data}"
    assert bool(line) is not stands and (stands or f"\n\n{line}\n" in page)
    assert stands or line.startswith(f"2 published numbers of {dataset} left out: the data here is {data}")
    assert ("in the column dataset: faces.v2)" in line) is (data.startswith("arrays") and not stands)


def test_of_a_sweep_over_several_data_each_method_has_the_numbers_of_its_own() -> None:
    ours = pd.concat([fid(), fid(method="ect data=mixture", data="mixture")])
    published = beside.load("cifar10")
    asked = published[published["name"] == "ECT 100k bs128"].assign(label="ect data=mixture")
    assert set(beside.marked(ours, asked)["because"]) == {"data cifar10-uncond, ours mixture"}
    assert beside.of_data(ours, asked).empty and len(beside.of_data(ours, asked.assign(dataset="mixture"))) == 2


def test_the_command_and_the_page_say_in_one_line_what_is_of_other_data_and_are_without_it(tmp_path: Path, capsys) -> None:
    sweep(tmp_path, ("lsd",), seeds=1)
    line = "\nwarning: 20 published numbers of checkerboard left out: the data here is digits.\n"
    assert report.main([str(tmp_path / "runs"), "--published", NAME, "--out", str(tmp_path / "o")]) == 0
    page = (tmp_path / "o/index.html").read_text()
    assert line in "\n" + capsys.readouterr().err and '"published":null' in page and line[len("\nwarning: "):-1] in page
    assert "0.0864" not in (tmp_path / "o/published.md").read_text() and "0.0864" in (tmp_path / "o/published.csv").read_text()


LINE = "lsd,LSD,digits,fd_digits8,1,8.5,2048,2e5,412345,plain,mine,,our lab,READ-P"


def file(folder: Path, *lines: str, head: str = COLUMNS) -> Path:
    path = folder / "ours.csv"
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_file_of_ones_own_stands_beside_ours_wherever_it_lies_and_when_it_is_gone(tmp_path: Path, capsys) -> None:
    sweep(tmp_path, ("lsd", "cd"))
    (tmp_path / "elsewhere").mkdir()
    path = file(tmp_path / "elsewhere", LINE, ',"Their, method",digits,fd_digits8,,7.25,,,,,,,,', head=f"\ufeff{COLUMNS}")
    assert report.main([str(tmp_path / "runs"), "--published", str(path), "--out", str(tmp_path / "o")]) == 0
    page = (tmp_path / "o/published.md").read_text()
    assert "| lsd | published |" in page and "8.50" in page and "Their, method" in page and "ours.csv" not in page
    place = tmp_path / "sweeps" / "mine"
    place.mkdir(parents=True)
    told = {"runs": [p.name for p in (tmp_path / "runs").iterdir()], "order": ["lsd", "cd"], "published": str(path)}
    (place / "runs.json").write_text(json.dumps(told))
    assert report.main([str(place)]) == 0
    first = (place / "published.md").read_text()
    path.unlink()
    assert report.main([str(place)]) == 0 and "8.50" in (place / "published.md").read_text()
    assert first.split("\n", 1)[1] == (place / "published.md").read_text().split("\n", 1)[1]
    (place / "published.csv").unlink()
    capsys.readouterr()
    assert report.main([str(place)]) == 0
    assert f"published numbers left out: {path}" in capsys.readouterr().err


def test_a_label_that_is_almost_one_of_ours_is_told(tmp_path: Path, capsys) -> None:
    sweep(tmp_path, ("meanflow", "psd_m"), seeds=1)
    labels = ("meanflw", "meanflow", "psd_u", "mine", "")  # psd_u: shipped, and not trained here
    path = file(tmp_path, *(LINE.replace("lsd", label, 1) for label in labels))
    assert report.main([str(tmp_path / "runs"), "--published", str(path), "--out", str(tmp_path / "o")]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "nearest method" in line]
    assert told == ["warning: published numbers of 'meanflw' stand beside none of ours; nearest method here: 'meanflow'"]


def test_what_an_earlier_report_left_is_said_to_be_of_it(tmp_path: Path, capsys) -> None:
    sweep(tmp_path, ("lsd", "cd"))
    words = [str(tmp_path / "runs"), "--out", str(tmp_path / "o")]
    assert report.main([*words, "--published", str(file(tmp_path, LINE)), "--against", "cd"]) == 0
    assert "earlier report" not in capsys.readouterr().err
    assert report.main(words) == 0
    told = capsys.readouterr().err
    assert f"{tmp_path / 'o/published.md'} is of an earlier report; --published NAME writes it anew" in told
    assert f"{tmp_path / 'o/paired.md'} is of an earlier report; --against METHOD writes it anew" in told


@pytest.mark.parametrize(("lines", "head", "said"), [
    ([LINE], COLUMNS.replace("budget", "bugdet"), ":1: there is no column 'budget' (nearest: bugdet)"),
    ([LINE, LINE.replace("8.5", "8,5")], COLUMNS, ":3: another number of fields than columns"),
    ([LINE, "", LINE.replace("8.5", "eight")], COLUMNS, ":4: value='eight' is no number"),
    ([LINE.replace("8.5", "nan")], COLUMNS, ":2: value='nan' is no number"),
    ([LINE.replace("8.5", "")], COLUMNS, ":2: value='' is no number"),
    ([LINE.replace(",1,", ",-1,")], COLUMNS, ":2: steps='-1' is no number above 0"),
    ([LINE.replace("READ-P", "SEEN")], COLUMNS, ":2: there is no status='SEEN'; nearest: "),
    ([LINE.replace("READ-P", "RECALED")], COLUMNS,
     ":2: there is no status='RECALED'; nearest: RECALLED, all: READ-P, READ-S, RECALLED, or none"),
    ([LINE.replace("fd_digits8", "")], COLUMNS, ":2: a number needs its metric"),
    (['lsd,"two\nlines",digits,fd_digits8,1,x,,,,,,,,'], COLUMNS, ":3: value='x' is no number"),
    ([], COLUMNS, ":1: holds no number"),
])  # fmt: skip
def test_a_file_with_a_fault_is_refused_in_one_line_with_its_place(tmp_path: Path, capsys, lines, head, said) -> None:
    path = file(tmp_path, *lines, head=head)
    sweep(tmp_path, ("lsd",), seeds=1)
    assert report.main([str(tmp_path / "runs"), "--published", str(path), "--out", str(tmp_path / "o")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{path}{said}" in error and not (tmp_path / "o").exists()


def test_a_sweep_refuses_such_a_file_before_anything_runs(tmp_path: Path) -> None:
    good, gone = file(tmp_path, LINE), tmp_path / "gone.csv"
    assert request([f"sweep.published={good}"]).sweep.published == str(good)
    with pytest.raises(ConfigError, match=r"gone\.csv: published numbers cannot be read"):
        request([f"sweep.published={gone}"])
    with pytest.raises(ConfigError, match=r"nearest.*cifar10"):
        request(["sweep.published=cifar11"])
    file(tmp_path, LINE.replace("8.5", "many"))
    with pytest.raises(ConfigError, match=r"ours\.csv:2: value='many'"):
        request([f"sweep.published={good}"])
