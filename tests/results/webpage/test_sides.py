"""Two sweeps side by side: values and differences seed by seed, what differs, and never a difference of two protocols."""

import pytest
from fake_results import record, row, write
from html_text import Text

from results import diff

EVIL = '</td><script>alert("1")</script>&'


def made(folder, values, protocol="one", seeds=(0, 1, 2), spread=0.1, **changes):
    """A folder of runs: for each method its value at one step, a quarter of it at four, and kid under a protocol of its own."""
    for label, value in values.items():
        for seed in seeds:
            run = record(label, seed, run_id=f"run{list(values).index(label)}-s{seed}", **changes)
            rows = [row(run, n, (value + spread * seed) / n, protocol=protocol, extra={"primary": True}) for n in (1, 4)]
            write(folder / "runs", run, [*rows, row(run, 1, 2.0, metric="kid", protocol="kernel")])
    return folder / "runs"


def compared(a, b, out, *options):
    status = diff.main([str(a), str(b), "--out", str(out), *options])
    (path,) = out.glob("*.html")
    return status, Text(path.read_text(encoding="utf-8"))


def texts(table):
    return [[cell.strip() for cell in line] for line in table]


def test_each_value_stands_beside_the_others_with_the_difference_seed_by_seed(tmp_path, capsys):
    first = made(tmp_path / "a", {"lsd": 2.0, "cd": 4.06, "only": 1.0})
    second = made(tmp_path / "b", {"cd": 3.0, "lsd": 2.0}, spread=0.2, images_budget=300_000,
                  config={"seed": 0, "batch": 256, "optimizer": {"lr": 0.01}})  # fmt: skip
    status, text = compared(first, second, tmp_path / "out")
    facts, settings, distance, kernel = map(texts, text.tables)
    assert status == 1 and distance == [
        ["method", "", "1 step", "4 steps"],
        ["cd", "A", "4.16 3.91 – 4.41", "1.04 0.98 – 1.10"],
        ["B", "3.20 2.70 – 3.70", "0.800 0.676 – 0.924"],
        ["B − A", "−0.960 better −1.208 – −0.712", "−0.240 better −0.302 – −0.178"],
        ["lsd", "A", "2.10 1.85 – 2.35", "0.525 0.463 – 0.587"],
        ["B", "2.20 1.70 – 2.70", "0.550 0.426 – 0.674"],
        ["B − A", "+0.100 −0.148 – +0.348", "+0.0250 −0.0371 – +0.0871"],
    ]
    assert kernel[3] == ["B − A", "0.000"], "equal on every seed"
    assert ["training images", "200,000", "300,000", "differs"] in facts and ["data", "digits", "digits", "same"] in facts
    assert ["methods", "3, only here: only", "2", "differs"] in facts
    assert settings[1:] == [["optimizer.lr", "0.001", "0.01", ""]]
    said = capsys.readouterr().out
    assert "training images: A 200,000; B 300,000" in said and "B is better in 2 and worse in 0 of 4 differences" in said


def test_values_of_two_protocols_are_never_subtracted_those_of_one_are(tmp_path):
    first, second = made(tmp_path / "a", {"lsd": 2.0}), made(tmp_path / "b", {"lsd": 1.0}, protocol="another")
    _, text = compared(first, second, tmp_path / "out")
    distance, kernel = (texts(table) for table in text.tables[-2:])
    assert [line[-2] for line in distance[1:]] == ["2.10 1.85 – 2.35", "1.10 0.85 – 1.35"], "both, and no third line"
    assert "numbers of two protocols cannot be subtracted: A one; B another." in text.words
    assert kernel[-1] == ["B − A", "0.000"]


def test_without_a_common_seed_there_is_no_difference_and_with_few_no_interval(tmp_path):
    first = made(tmp_path / "a", {"lsd": 2.0, "cd": 4.0}, seeds=(0, 1, 2))
    _, text = compared(first, made(tmp_path / "b", {"lsd": 1.0}, seeds=(3, 4, 5)), tmp_path / "x")
    assert "no method has a training seed in common" in text.words and "No run of one has the label" in text.words
    assert "B − A" not in [line[0] for line in text.tables[1]]
    _, text = compared(first, made(tmp_path / "c", {"lsd": 1.0}, seeds=(1, 2, 3)), tmp_path / "y")
    assert texts(text.tables[-2])[3] == ["B − A", "−1.000", "−0.2500"] and "that takes three training seeds" in text.words


def test_a_difference_of_rounding_is_not_told_as_one(tmp_path):
    first, second = made(tmp_path / "a", {"lsd": 2.0}), made(tmp_path / "b", {"lsd": 2.0005})
    status, text = compared(first, second, tmp_path / "out")
    assert status == 1 and "B is better in 0 and worse in 0 of 2" in text.words


def test_the_same_sweep_twice_does_not_differ(tmp_path):
    first = made(tmp_path / "a", {"lsd": 2.0}, finished="2026-01-01T00:00:00+00:00")
    again = made(tmp_path / "b", {"lsd": 2.0}, finished="2026-02-01T00:00:00+00:00")
    status, text = compared(first, again, tmp_path / "out")
    assert status == 0 and "have the same settings" in text.words


def test_the_page_loads_nothing_and_shows_what_records_say_as_text_only(tmp_path):
    first = made(tmp_path / "a", {EVIL: 2.0}, backbone=EVIL)
    _, text = compared(first, made(tmp_path / EVIL.replace("/", ""), {EVIL: 1.0}), tmp_path / "out")
    assert EVIL in text.words and not {"script", "iframe", "object", "img"} & {tag for tag, _ in text.tags}
    assert all(a.get("href", "data:").startswith("data:") and "src" not in a for _, a in text.tags)
    assert any(a.get("content", "").startswith("default-src 'none'") for _, a in text.tags)


@pytest.mark.parametrize(("places", "said"), [
    (["runs/run0-s0", "runs"], "runs/run0-s0 is a run and"), (["runs", "gone"], "gone"), (["empty", "runs"], "holds no run"),
])  # fmt: skip
def test_what_cannot_be_compared_is_one_clear_line(tmp_path, capsys, places, said):
    made(tmp_path, {"lsd": 2.0})
    (tmp_path / "empty").mkdir()
    assert diff.main([str(tmp_path / place) for place in places]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_one_training_seed_in_common_tells_nothing_of_the_methods(tmp_path, capsys):
    def scored(folder, value):
        run = record("lsd", 0)
        rows = [row(run, 1, value + 0.01 * draw, evaluation_seed=draw, extra={"primary": True}) for draw in range(3)]
        write(folder / "runs", run, rows)
        return folder / "runs"

    _, text = compared(scored(tmp_path / "a", 2.0), scored(tmp_path / "b", 4.0), tmp_path / "out")
    assert texts(text.tables[-1])[-1][-1] == "+2.000 +2.000 – +2.000†" and "† one training seed" in text.words
    assert "No difference has an interval over independent trainings" in text.words


def test_each_side_keeps_what_it_has_of_the_protocols_that_are_named(tmp_path, capsys):
    first, second = made(tmp_path / "a", {"lsd": 2.0}), made(tmp_path / "b", {"lsd": 2.0}, protocol="two")
    _, text = compared(first, second, tmp_path / "out", "--protocol", "one", "--protocol", "two")
    assert "cannot be subtracted: A one; B two" in text.words
    assert diff.main([str(first), str(second), "--out", str(tmp_path / "no"), "--protocol", "tow"]) == 2
    assert "--protocol: neither has 'tow'; nearest: 'two'" in capsys.readouterr().err
