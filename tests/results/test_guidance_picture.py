"""What guidance does is drawn where samples were guided at several scales, and accuracy stands beside distance."""

from pathlib import Path
from typing import Any

import pytest
from fake_results import record, row

from results import report
from results.pictures import guidance
from results.statistics import scores
from results.tables import plain
from results.tables.table import leaderboard
from results.tables.wide import ACCURATE, tables

SCALES = (1.0, 1.5, 3.0)


def run(label: str, seed: int = 0, scales: tuple[float, ...] = SCALES) -> Any:
    """Distance scale + steps + seed, accuracy scale / 10 + seed / 100, at 4 and 16 steps."""
    made, rows = record(label, seed), []
    for scale in scales:
        sampler = "hop:euler" if scale == 1 else f"hop:euler guided {scale:g}"
        for steps in (4, 16):
            shared = {"sampler": sampler, "steps": steps, "nfe_rows": steps * (1 + (scale != 1))}
            rows.append(row(made, value=scale + steps + seed, extra={"primary": True, "guidance": scale}, **shared))
            rows += [row(made, value=scale / 10 + seed / 100, metric=metric, extra={"guidance": scale}, **shared)
                     for metric in ("precision", "recall", "label_accuracy")]
    return made, rows


def references() -> Any:
    made = record("references", run_id="references", kind="reference", images_seen=0)
    of = {"sampler": "reference", "steps": 0, "label": "held-out data"}
    return made, [row(made, value=0.9, extra={"primary": True}, **of), row(made, value=0.978, metric="label_accuracy", **of)]


RUNS = [run("a", 0), run("a", 1), run("b", 0, (1.0, 2.0)), run("c", 0, (1.0,)), references()]
OF = {r.sampler: float(r.extra["guidance"]) for _, rows in RUNS for r in rows if "guidance" in r.extra}


@pytest.mark.parametrize(("metric", "at"), [("fd_digits8", 4 + 0.5), ("recall", 0.005)])
def test_a_line_is_the_mean_over_seeds_at_each_scale_of_one_method_and_step_count(metric: str, at: float) -> None:
    found = guidance.lines([score for score in scores(RUNS) if score.metric == metric], OF)
    assert sorted(found) == [("a", 4), ("a", 16), ("b", 4), ("b", 16)]  # one scale is no line
    unit = 1 if metric == "fd_digits8" else 0.1
    assert found["a", 4] == pytest.approx({scale: unit * scale + at for scale in SCALES})


def test_a_reference_is_the_mean_over_its_draws_as_in_the_table() -> None:
    made, rows = references()
    rows += [row(made, value=1.1, evaluation_seed=1, sampler="reference", steps=0, label="held-out data")]
    of = [score for score in scores([*RUNS[:-1], (made, rows)]) if score.metric == "fd_digits8"]
    assert guidance.references(of) == {"held-out data": pytest.approx(1.0)}


def test_the_picture_is_drawn_where_there_are_several_scales_alone(tmp_path: Path) -> None:
    assert guidance.draw(RUNS, tmp_path / "all.png") and (tmp_path / "all.png").stat().st_size > 10_000
    assert not guidance.draw([run("c", 0, (1.0,))], tmp_path / "one.png") and not (tmp_path / "one.png").exists()
    report.write(RUNS, tmp_path / "report")
    assert (tmp_path / "report" / guidance.FILE).exists()


def test_accuracy_stands_beside_distance_at_each_step_count_and_only_where_it_was_measured() -> None:
    frame = leaderboard(RUNS)
    first, *others = tables(frame)
    column = first.head.index(ACCURATE)
    said = {line[0].text: line[column].text for line in first.body}
    assert said["a"] == "10.5, 10.5" and said["a (hop:euler guided 3)"] == "30.5, 30.5" and said["held-out data"] == "97.8"
    assert all(ACCURATE not in table.head for table in others) and ACCURATE in plain(frame)
    assert all(len(line) == len(first.head) for line in first.body)
    bare = [(made, [r for r in rows if r.metric != "label_accuracy"]) for made, rows in RUNS]
    assert ACCURATE not in tables(leaderboard(bare))[0].head and ACCURATE not in plain(leaderboard(bare))
