"""Run folders on disk: run.json written atomically, evals.jsonl appended, both read back with suspicion.

A process may die inside any write, and a disk may change what was written. A torn last line is skipped with a warning
when read and cut off before the next append, so an interrupted and continued file equals an undisturbed one. Records and
rows end with a checksum of their own text; one that does not fit is damaged, however well it reads. Files of before there
were checksums pass. One folder never stops the others.
"""

from __future__ import annotations

import json
import os
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from results.records.record import EvalRow, RecordError, RunRecord, SchemaError

RUN_FILE = "run.json"
PROXY_FILE = "proxy.jsonl"
EVALS_FILE = "evals.jsonl"
_SEAL = re.compile(rb',\s*"sum": "([0-9a-f]{8})"(\s*})\s*$')


class StoreError(RuntimeError):
    """A file that cannot be read or written; the message names it and the way out."""


class StoreWarning(UserWarning):
    """Something on disk was damaged and has been skipped."""


def write_run(folder: Path, record: RunRecord) -> None:
    """Replace the folder's run.json by `record`, creating the folder; readers see the old or the new, never a half."""
    write_text(Path(folder) / RUN_FILE, _sealed(json.dumps(record.to_dict(), indent=1, default=_plain)) + "\n")


def read_run(folder: Path) -> RunRecord:
    """The record of a run folder. Raises StoreError (absent, not JSON) or RecordError (another schema)."""
    path = Path(folder) / RUN_FILE
    return RunRecord.from_dict(read_json(path), str(path))


def append_rows(folder: Path, rows: Iterable[EvalRow]) -> None:
    """Append evaluation rows in one write; on disk when this returns."""
    append_jsonl(Path(folder) / EVALS_FILE, (row.to_dict() for row in rows), sealed=True)


def write_rows(folder: Path, rows: Iterable[EvalRow]) -> None:
    """Replace the folder's evals.jsonl by `rows`; readers see the old or the new, never a half."""
    lines = (_sealed(json.dumps(row.to_dict(), default=_plain)) + "\n" for row in rows)
    write_text(Path(folder) / EVALS_FILE, "".join(lines))


def whole_rows(folder: Path) -> tuple[list[EvalRow], bool]:
    """The rows of evaluations that lost none, and whether any was lost.

    The lines of one evaluation stand together: a line that cannot be trusted takes those of its neighbours' with it.
    """
    path = Path(folder) / EVALS_FILE
    if not path.exists():
        return [], False
    lines, kept = path.read_bytes().split(b"\n"), list[EvalRow | None]()
    if (all_good := _parsed_whole(lines)) is not None:
        with suppress(RecordError):
            return [EvalRow.from_dict(data, f"{path}:{number}") for number, data in all_good], False
    for line in lines:
        if line.strip():
            data = _parsed(line)
            try:
                kept.append(None if data is None else EvalRow.from_dict(data))
            except SchemaError as error:
                raise SchemaError(f"{path}: {error}") from None
            except RecordError:
                kept.append(None)
    gone = set()
    for at, lost in enumerate(kept):
        if lost is None:
            before = next((row for row in reversed(kept[:at]) if row is not None), None)
            after = next((row for row in kept[at:] if row is not None), None)
            gone |= {row.evaluation for row in (before, after) if row is not None}
    return [row for row in kept if row is not None and row.evaluation not in gone], None in kept


def read_rows(folder: Path) -> list[EvalRow]:
    """All evaluation rows in file order; none if there is no file yet. Raises RecordError on another schema."""
    path = Path(folder) / EVALS_FILE
    if not path.exists():
        return []
    return [EvalRow.from_dict(data, f"{path}:{number}") for number, data in _numbered(path)]


def load_run(folder: Path) -> tuple[RunRecord, list[EvalRow]]:
    """Record and rows of one run folder; raises as `read_run` and `read_rows` do."""
    return read_run(folder), read_rows(folder)


def load_runs(folders: Iterable[Path]) -> list[tuple[RunRecord, list[EvalRow]]]:
    """Every readable run, in the order given; each broken folder costs one StoreWarning and is left out."""
    loaded = []
    for folder in folders:
        try:
            loaded.append(load_run(folder))
        except (RecordError, StoreError, OSError) as error:
            warnings.warn(f"run left out of the table: {error}", StoreWarning, stacklevel=2)
    return loaded


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises StoreError if it is absent, unreadable or not an object."""
    try:
        content = Path(path).read_bytes()
        data = _opened(content, json.loads(content))
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file; is {Path(path).parent} a run folder?") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    except _Unsealed:
        raise StoreError(f"{path}: damaged: it is not what was written (its checksum does not fit)") from None
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(data, dict):
        raise StoreError(f"{path}: holds a {type(data).__name__}, expected a JSON object")
    return data


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` as indented JSON, atomically and durably. Raises StoreError if the folder cannot be written."""
    write_text(path, json.dumps(value, indent=1, default=_plain) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` in UTF-8, as `write_bytes` does; names of files in it stay the bytes that they are."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: temporary file beside it, fsync, rename. Raises StoreError if that is not possible."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise _unwritable(path, error) from error


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The objects of a jsonl file in order; unreadable lines are skipped, each with a StoreWarning and its number."""
    return [data for _, data in _numbered(Path(path))]


def proxy_scores(folder: Path) -> dict[int, float]:
    """The scores of a trial of a search so far by images seen; none where it has not come to a rung yet."""
    file = Path(folder) / PROXY_FILE
    return {int(row["images"]): float(row["value"]) for row in read_jsonl(file)} if file.exists() else {}


def append_jsonl(path: Path, rows: Iterable[Mapping[str, Any]], sync: bool = True, sealed: bool = False) -> None:
    """Append `rows`, one JSON object per line, after cutting off a torn last line. The caller is the only writer.

    `sealed`: each with its checksum, for results. `sync=False` skips the fsync (progress lines may be lost with the machine,
    not with the process). Where they do not all fit (a full disk), none is left behind: some rows of an evaluation would pass
    for all of them. Raises StoreError then.
    """
    texts = (json.dumps(row, default=_plain) for row in rows)
    lines = "".join((_sealed(text) if sealed else text) + "\n" for text in texts).encode()
    if not lines:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "r+b" if path.exists() else "w+b", buffering=0) as file:
            file.seek(0, os.SEEK_END)
            lines = _mend(path, file) + lines
            end = file.tell()
            try:
                while lines:
                    lines = lines[file.write(lines) :]
                if sync:
                    os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise _unwritable(path, error) from error


def _mend(path: Path, file: Any) -> bytes:
    """Leave `file` at the end of its last whole line; returns the newline that a whole last line still lacks."""
    if file.tell() == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    if file.read(1) == b"\n":
        return b""
    file.seek(0)
    content = file.read()
    start = content.rfind(b"\n") + 1
    if _parsed(content[start:]) is not None:
        return b"\n"
    warnings.warn(f"{path}: torn last line cut off before appending", StoreWarning, stacklevel=3)
    file.seek(start)
    file.truncate()
    return b""


def _numbered(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of every readable line; blank lines pass silently."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    lines = content.split(b"\n")
    if (whole := _parsed_whole(lines)) is not None:
        yield from whole
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        data = _parsed(line)
        if data is not None:
            yield number, data
        else:
            what = "torn last line" if number == len(lines) else "unreadable line"
            warnings.warn(f"{path}:{number}: {what} skipped", StoreWarning, stacklevel=3)


def _parsed_whole(lines: list[bytes]) -> list[tuple[int, dict[str, Any]]] | None:
    """All lines parsed at once, several times as fast; None if anything is unusual and each must be looked at."""
    if lines and not lines[-1]:
        lines = lines[:-1]
    try:
        found = json.loads(b"[" + b",".join(lines) + b"]")
        if len(found) != len(lines) or not all(type(data) is dict for data in found):
            return None
        return list(enumerate(map(_opened, lines, found), 1))
    except (ValueError, RecursionError):
        return None


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        data = _opened(line, json.loads(line))
    except (ValueError, RecursionError):  # covers bad JSON, a wrong checksum, and bytes that are not UTF-8
        return None
    return data if isinstance(data, dict) else None


class _Unsealed(ValueError):
    """The checksum is not that of the text."""


def _sealed(text: str) -> str:
    """The text of a JSON object with, as its last key, the checksum of what stands before it."""
    body = text[:-1].rstrip()
    end = text[len(body) :]
    return f'{body},{end[:-1]} "sum": "{zlib.crc32(body.encode()):08x}"{end}'


def _opened(content: bytes, data: Any) -> Any:
    """`data`, as parsed from `content`, without its checksum. Raises _Unsealed where that does not fit."""
    if isinstance(data, dict) and "sum" in data:
        seal = _SEAL.search(content)
        if seal is None or int(seal[1], 16) != zlib.crc32(content[: seal.start()]):
            raise _Unsealed("its checksum does not fit")
        del data["sum"]
    return data


def _plain(value: Any) -> Any:
    """JSON form of what Python's encoder does not know: array scalars and paths."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a record holds a {type(value).__name__}, which is not plain data: {value!r}")


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path}: cannot be written ({error.strerror}); free it or choose another folder with out=")
