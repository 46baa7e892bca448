"""Run folders survive interrupted writes, other schemas and each other's damage."""

import json
import math
import os
import resource
import warnings

import pytest
from fake_results import record, row, write

from results.records.record import EvalRow, RecordError, RunRecord
from results.records.store import (
    StoreError,
    StoreWarning,
    append_jsonl,
    append_rows,
    load_runs,
    read_jsonl,
    read_rows,
    read_run,
    write_json,
    write_run,
)


def test_records_round_trip_with_nan_and_numpy_scalars(tmp_path):
    import numpy as np

    run = record(teacher="fm-s0", status="diverged", reason="loss is NaN")
    write_run(tmp_path, run)
    append_rows(tmp_path, [row(run, value=float("nan"), count=np.int64(5), extra={"floor": np.float32(0.5)})])
    assert read_run(tmp_path) == run
    (back,) = read_rows(tmp_path)
    assert math.isnan(back.value) and back.count == 5 and back.extra == {"floor": 0.5}


def test_null_reads_as_nan_where_a_number_is_due():
    data = row(record()).to_dict() | {"value": None}
    assert math.isnan(EvalRow.from_dict(data).value)


def test_a_torn_last_line_is_skipped_with_its_number(tmp_path):
    run = record()
    append_rows(tmp_path, [row(run, 1), row(run, 2)])
    path = tmp_path / "evals.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(StoreWarning, match=r"evals\.jsonl:2: torn last line"):
        assert [r.steps for r in read_rows(tmp_path)] == [1]


@pytest.mark.parametrize("damage", [b'{"steps": 4', b"\xff\xfe", b"[1, 2]", b"\0" * 4096])
def test_appending_after_a_torn_line_equals_an_undisturbed_file(tmp_path, damage):
    run = record()
    for name in ("torn", "whole"):
        append_rows(tmp_path / name, [row(run, 1)])
    with open(tmp_path / "torn/evals.jsonl", "ab") as file:
        file.write(damage)
    with pytest.warns(StoreWarning, match="cut off"):
        append_rows(tmp_path / "torn", [row(run, 2)])
    append_rows(tmp_path / "whole", [row(run, 2)])
    assert (tmp_path / "torn/evals.jsonl").read_bytes() == (tmp_path / "whole/evals.jsonl").read_bytes()


def test_rows_that_do_not_all_fit_leave_none_behind(tmp_path):
    """A disk that is full after some rows of an evaluation: the next call must not take them for all."""
    run = record()
    append_rows(tmp_path, [row(run, 1)])
    before = (tmp_path / "evals.jsonl").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 500, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"evals\.jsonl: cannot be written"):
            append_rows(tmp_path, [row(run, steps) for steps in (2, 4, 8)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "evals.jsonl").read_bytes() == before


def test_a_whole_last_line_without_newline_is_kept(tmp_path):
    path = tmp_path / "progress.jsonl"
    path.write_text('{"images": 1}')
    append_jsonl(path, [{"images": 2}], sync=False)
    assert read_jsonl(path) == [{"images": 1}, {"images": 2}]


def test_a_bad_line_in_the_middle_costs_only_itself(tmp_path):
    path = tmp_path / "progress.jsonl"
    path.write_text('{"images": 1}\n{"ima\n\n{"images": 3}\n')
    with pytest.warns(StoreWarning, match=r":2: unreadable line"):
        assert read_jsonl(path) == [{"images": 1}, {"images": 3}]


def test_older_newer_and_absent_schema_name_the_file(tmp_path):
    for schema, word in ((0, "older"), (2, "newer"), (None, "older")):
        write_json(tmp_path / "run.json", record().to_dict() | {"schema": schema})
        with pytest.raises(RecordError, match=rf"run\.json: .*{word}"):
            read_run(tmp_path)


def test_a_row_of_another_schema_names_file_and_line(tmp_path):
    append_rows(tmp_path, [row(record())])
    append_jsonl(tmp_path / "evals.jsonl", [row(record()).to_dict() | {"schema": 0}])
    with pytest.raises(RecordError, match=r"evals\.jsonl:2"):
        read_rows(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sed": 1}, "no field 'sed'; meant 'seed'"),
        ({"seed": "three"}, "field 'seed' is 'three', expected int"),
        ({"seed": True}, "field 'seed'"),
        ({"status": "finished"}, "status is 'finished', not one of running, done"),
        ({"teacher": 3}, "field 'teacher' is 3, expected str or NoneType"),
        ({"config": []}, "field 'config'"),
    ],
)
def test_a_malformed_record_names_field_and_remedy(change, message):
    with pytest.raises(RecordError, match=message):
        RunRecord.from_dict(record().to_dict() | change, "run.json")


def test_a_missing_field_is_named():
    data = record().to_dict()
    del data["run_id"]
    with pytest.raises(RecordError, match=r"run\.json: field 'run_id' of RunRecord is missing"):
        RunRecord.from_dict(data, "run.json")


def test_broken_folders_cost_one_warning_each_and_nothing_else(tmp_path):
    good = write(tmp_path, record(), [row(record())])
    (tmp_path / "empty").mkdir()
    (tmp_path / "garbled").mkdir()
    (tmp_path / "garbled/run.json").write_text('{"run_id":')
    old = write(tmp_path, record(seed=1), [])
    write_json(old / "run.json", record(seed=1).to_dict() | {"schema": 0})
    with pytest.warns(StoreWarning) as caught:
        runs = load_runs([tmp_path / "empty", good, tmp_path / "garbled", old, tmp_path / "gone"])
    assert [run.run_id for run, _ in runs] == ["lsd-s0"]
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == 4
    assert all(name in text for name, text in zip(("empty", "garbled", "lsd-s1", "gone"), texts, strict=True))


def test_run_json_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    write_run(tmp_path, record())

    def die(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(StoreError, match="No space left"):
        write_run(tmp_path, record(status="failed"))
    assert read_run(tmp_path).status == "done"


def test_an_unwritable_place_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    for action in (
        lambda: write_run(tmp_path / "file/run", record()),
        lambda: append_rows(tmp_path / "file/run", [row(record())]),
    ):
        with pytest.raises(StoreError, match="cannot be written"):
            action()


def test_no_rows_yet_is_an_empty_list_without_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_rows(tmp_path) == []
        append_rows(tmp_path, [])
    assert not (tmp_path / "evals.jsonl").exists()


def test_what_is_not_plain_data_is_refused_by_name(tmp_path):
    with pytest.raises(TypeError, match="set"):
        write_json(tmp_path / "x.json", {"a": {1, 2}})
    assert json.dumps(record().to_dict())
