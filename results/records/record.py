"""What a run leaves behind: one RunRecord (run.json) and many EvalRows (evals.jsonl), as typed, schema-checked data.

A record is plain JSON, so any tool can read it. Floats keep NaN and infinity (Python's JSON literals): a diverged
value is a result and must survive the round trip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

from results.records.names import near

SCHEMA = 1
KINDS = ("method", "reference")
LEAGUES = ("plain", "extra networks", "perceptual")
PRESET = "preset"
"""Begins the league of a paper's whole setting, its name after it."""
STATUSES = ("running", "done", "diverged", "failed", "interrupted")


class RecordError(ValueError):
    """A record that does not follow the schema; the message names the file and the field."""


class SchemaError(RecordError):
    """A record of another version or program: not damaged, and not ours to replace."""


def _allowed(value: str, among: Sequence[str]) -> bool:
    return value in among or (among is LEAGUES and value.startswith(f"{PRESET} "))


class _Record:
    """Round trip to a plain dictionary. Subclasses are frozen dataclasses with a `schema` field."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # each subclass has them from `dataclass`
    _choices: ClassVar[dict[str, tuple[str, ...]]] = {}
    schema: int

    def to_dict(self) -> dict[str, Any]:
        """The fields as a new shallow dictionary, in declaration order."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "record") -> Self:
        """The checked record. `source` is named in errors: the file, or file:line.

        Raises RecordError on another schema, a missing or unknown field, or a value of the wrong type.
        """
        # Reading a sweep is mostly this: what has the very names and types of data that passed whole passes at once.
        shape = (cls, *data, *map(type, data.values()))
        choices = cls._choices.items()
        if shape in _PASSED and data["schema"] == SCHEMA and all(_allowed(data[n], allowed) for n, allowed in choices):
            made = object.__new__(cls)
            made.__dict__.update(data)
            return made
        made = cls._checked(data, source)
        if all(made.__dict__[name] is value for name, value in data.items()) and len(data) == len(made.__dict__):
            _PASSED.add(shape)
        return made

    @classmethod
    def _checked(cls, data: Mapping[str, Any], source: str) -> Self:
        _check_schema(data.get("schema"), cls.__name__, source)
        hints = _hints(cls)
        for name in data:
            if name not in hints:
                close = near(name, hints)
                hint = f"; meant {close[0]!r}?" if close else ""
                raise RecordError(f"{source}: {cls.__name__} has no field {name!r}{hint}")
        values = {}
        for f in fields(cls):
            if f.name in data:
                values[f.name] = _checked(data[f.name], hints[f.name], f"{source}: field {f.name!r}")
            elif f.default is MISSING and f.default_factory is MISSING:
                raise RecordError(f"{source}: field {f.name!r} of {cls.__name__} is missing")
        for name, allowed in cls._choices.items():
            if name in values and not _allowed(values[name], allowed):
                raise RecordError(f"{source}: {name} is {values[name]!r}, not one of {', '.join(allowed)}")
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class RunRecord(_Record):
    """One run: what was asked, how it ended, what it cost. Change a field with `dataclasses.replace`.

    `train_seconds` and `images_seen` are this run's own; the teacher's share stands in `teacher_*`. Its trajectories,
    where a method learns from stored ones, are part of `teacher_seconds`: `trajectory_seconds` of them, for
    `trajectory_evaluations` rows through the teacher, billed to every run that uses them.
    The bill of this run's own training: one network evaluation is one call on some rows; `forward_calls` and `forward_rows`
    count every evaluation (one in forward mode too, which counts in `jvp_*` as well), `backward_rows` the rows that were
    differentiated in reverse. `teacher_forward_rows` and `teacher_backward_rows` are the full share of the teacher and its
    trajectories. Of a teacher that was trained elsewhere nothing is known: `teacher_images` is None, `teacher_seconds` NaN.
    `peak_memory` is in bytes (GPU memory on CUDA, else the process's high-water mark), `gpus` the number held
    while training (0 on a CPU). All are 0 in records written before they were counted.
    `precision` is that of the networks' products in training and sampling; float32 in records of before there was another.
    `micro_batch` counts the rows of a pass; 0 in records written before.
    `league` parts what is ranked: "plain", "extra networks" where further ones are trained beside the one that is sampled
    from, "perceptual" where a loss shares features with the metric or a GAN is used, or "preset NAME" of a paper's whole
    setting.
    `parents` maps a role (teacher, trajectories) to the run it comes from.
    `final` names the checkpoint that the training ended with, the only one that is this run's model, and `rows` counts the rows
    of its last evaluation, all of which must be there; "" and None in records written before they were kept.
    `kept`, where another checkpoint may be its model (evaluation.checkpoint=best): which one is (`checkpoint`, a file's name,
    and the `images` it had seen), by what `rule`, `of` how many that were compared, at how many `steps`, and its `value` there.
    `started` and `finished` are ISO 8601 strings, empty while unknown; `reason` says why a run is not done.
    """

    _choices: ClassVar[dict[str, tuple[str, ...]]] = {"kind": KINDS, "status": STATUSES, "league": LEAGUES}

    run_id: str
    kind: str = "method"
    label: str
    method: str
    data: str
    backbone: str
    seed: int
    config: dict[str, Any] = field(default_factory=dict)
    status: str = "running"
    reason: str = ""
    images_seen: int = 0
    images_budget: int = 0
    optimizer_steps: int = 0
    train_seconds: float = 0.0
    evaluation_seconds: float = 0.0
    params: int = 0
    teacher: str | None = None
    teacher_images: int | None = 0
    teacher_seconds: float = 0.0
    trajectory_evaluations: int = 0
    trajectory_seconds: float = 0.0
    forward_calls: int = 0
    forward_rows: int = 0
    backward_rows: int = 0
    jvp_calls: int = 0
    jvp_rows: int = 0
    teacher_forward_rows: int = 0
    teacher_backward_rows: int = 0
    peak_memory: int = 0
    gpus: int = 0
    precision: str = "float32"
    micro_batch: int = 0
    league: str = "plain"
    parents: dict[str, str] = field(default_factory=dict)
    data_hash: str = ""
    versions: dict[str, Any] = field(default_factory=dict)
    device: str = ""
    started: str = ""
    finished: str = ""
    attempts: int = 1
    final: str = ""
    rows: int | None = None
    kept: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA


@dataclass(frozen=True, kw_only=True)
class EvalRow(_Record):
    """One number: a metric of one checkpoint at one step count, with everything needed to know what it means.

    `seed` is the training seed, `nfe` counts network calls per batch of samples, `nfe_rows` network rows per sample.
    `extra` may hold `floor`, `excess`, `primary` (this metric leads the table), `grid` (name of the time grid) and, of a
    checkpoint that was chosen among others, `kept` (by what rule) and `kept_images` (what it had seen). Its `images_seen` are
    those of the whole training, which the choice took.
    """

    run_id: str
    label: str
    seed: int
    checkpoint: str
    images_seen: int
    ema: str
    sampler: str
    steps: int
    nfe: int
    nfe_rows: int
    evaluation_seed: int
    count: int
    metric: str
    value: float
    protocol: str
    extra: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def evaluation(self) -> tuple[str, str, int, str, int, int, int]:
        """What was scored at once: protocol, label, seed, sampler, images seen and steps, and with which evaluation seed."""
        return self.protocol, self.label, self.seed, self.sampler, self.images_seen, self.steps, self.evaluation_seed


_HINTS: dict[type, dict[str, Any]] = {}
_PASSED: set[tuple[Any, ...]] = set()  # (record class, field names, types of the values)


def _hints(cls: type) -> dict[str, Any]:
    """Resolved field types, once per class: a sweep reads hundreds of thousands of rows."""
    if cls not in _HINTS:
        hints = get_type_hints(cls)
        _HINTS[cls] = {f.name: hints[f.name] for f in fields(cls)}
    return _HINTS[cls]


def _check_schema(found: Any, name: str, source: str) -> None:
    if found == SCHEMA:
        return
    if isinstance(found, int) and found > SCHEMA:
        raise SchemaError(f"{source}: {name} schema {found} is newer than {SCHEMA}, which this version reads; update")
    kind = SchemaError if isinstance(found, int) else RecordError  # without a number it is no version's: damaged
    raise kind(
        f"{source}: {name} schema {found!r} is not {SCHEMA}: written by an older or another program; "
        "move the folder away and run the same command again"
    )


def _checked(value: Any, hint: Any, where: str) -> Any:
    """`value` if it has the type `hint`; integers pass as floats, null passes as NaN where a float is due."""
    if hint is float and (value is None or (isinstance(value, int) and not isinstance(value, bool))):
        return float("nan") if value is None else float(value)
    kinds = get_args(hint) if get_args(hint) and get_origin(hint) is not dict else (get_origin(hint) or hint,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise RecordError(f"{where} is {value!r}, expected {names}")
    return value


def short(reason: str) -> str:
    """What a table has room for of a run's reason: what happened, without the circumstances after the first semicolon."""
    return reason.split("; ")[0]


class ProtocolError(ValueError):
    """Rows of one metric that were scored under different protocols cannot stand in one table."""


Runs = Sequence[tuple[RunRecord, list[EvalRow]]]
