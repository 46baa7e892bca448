"""All records of a sweep in one small file, `records.jsonl.gz`: what a table needs to be rebuilt elsewhere.

The first line describes the sweep (order of labels, published table, protocols shown), each further one is a run with its
evaluation rows. Equal records give equal bytes.
"""

from __future__ import annotations

import gzip
import json
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results.records.record import EvalRow, RecordError, RunRecord, Runs
from results.records.store import StoreError, StoreWarning, write_bytes

FILE = "records.jsonl.gz"


def write(path: Path, runs: Runs, sweep: Mapping[str, Any]) -> None:
    """Replace `path` by the archive of `runs`. Raises StoreError if that is not possible."""
    lines: list[Mapping[str, Any]] = [sweep]
    lines += [{"run": record.to_dict(), "rows": [row.to_dict() for row in rows]} for record, rows in runs]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write_bytes(path, gzip.compress(text.encode(), mtime=0))


def read(path: Path) -> tuple[list[tuple[RunRecord, list[EvalRow]]], dict[str, Any]]:
    """The runs and the sweep's description. Raises StoreError for a damaged file.

    A run whose record does not follow the schema costs a StoreWarning and is left out; RecordError if that is every one.
    """
    try:
        sweep, *lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
        found = [(line["run"], line["rows"]) for line in lines]
    except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error) as error:
        raise StoreError(f"{path}: not a whole archive of records ({error}); rebuild it from its runs") from error
    runs = []
    for number, (run, rows) in enumerate(found, 2):
        where = f"{path}:{number}"
        try:
            runs.append((RunRecord.from_dict(run, where), [EvalRow.from_dict(row, where) for row in rows]))
        except (AttributeError, RecordError) as error:
            reason = error if isinstance(error, RecordError) else RecordError(f"{where}: a line holds no record")
            if len(found) == 1:
                raise reason from error
            warnings.warn(f"run left out of the table: {reason}", StoreWarning, stacklevel=2)
    if found and not runs:
        raise RecordError(f"{path}: no run in it follows the schema; score it again with the version that wrote it")
    return runs, sweep
