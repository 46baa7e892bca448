"""What a run leaves and how it is read back: records, rows, files. Nothing that averages or judges."""

from results.records.budget import At, own_compute, sharers, teacher_compute, teacher_key
from results.records.compare import ABSENT, Difference, Setting, data_name, differences, flat, settings
from results.records.curves import (
    CURVES_FILE,
    KEPT_CURVES,
    SCORE,
    CurvesFile,
    Look,
    keep_curves,
    kept_curves,
    read_curves,
)
from results.records.labels import distinct_labels, relabelled
from results.records.metric import Metric, metric_info
from results.records.names import near
from results.records.record import (
    LEAGUES,
    PRESET,
    EvalRow,
    ProtocolError,
    RecordError,
    RunRecord,
    Runs,
    SchemaError,
    short,
)
from results.records.store import (
    EVALS_FILE,
    PROXY_FILE,
    RUN_FILE,
    StoreError,
    StoreWarning,
    append_jsonl,
    append_rows,
    load_run,
    load_runs,
    proxy_scores,
    read_json,
    read_jsonl,
    read_rows,
    read_run,
    whole_rows,
    write_bytes,
    write_json,
    write_rows,
    write_run,
    write_text,
)

__all__ = [
    "ABSENT", "CURVES_FILE", "EVALS_FILE", "KEPT_CURVES", "LEAGUES", "PRESET", "PROXY_FILE", "RUN_FILE", "SCORE", "At",
    "CurvesFile", "Difference", "EvalRow", "Look", "Metric", "ProtocolError", "RecordError", "RunRecord", "Runs",
    "SchemaError", "Setting", "StoreError", "StoreWarning", "append_jsonl", "append_rows", "data_name", "differences",
    "distinct_labels", "flat", "keep_curves", "kept_curves", "load_run", "load_runs", "metric_info", "near", "own_compute",
    "proxy_scores", "read_curves", "read_json", "read_jsonl", "read_rows", "read_run", "relabelled", "settings", "sharers",
    "short", "teacher_compute", "teacher_key", "whole_rows", "write_bytes", "write_json", "write_rows", "write_run",
    "write_text",
]  # fmt: skip
