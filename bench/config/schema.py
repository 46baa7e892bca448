"""What an experiment is made of, section by section: names, types and ranges. What a key means, its YAML file says."""

import re
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AfterValidator, Strict, create_model

from bench.config.types import (
    Averaged,
    Count,
    Decay,
    NotNegative,
    Place,
    Positive,
    Says,
    Section,
    Seed,
    Seeds,
    Share,
    Steps,
    Text,
    Unit,
    Whole,
    checked,
    distinct,
)

Protocol = Literal["clean-fid", "legacy-tensorflow", "legacy-pytorch", "flow-maps-jax", "digits-frechet", "cifar-frechet"]
Features = Literal["inception", "digits8", "cifar32"]
Precision = Literal["float32", "tf32", "bf16"]  # the safest first
Rounding = Literal["round", "edm", "floor", "floats", "levels"]
FIRST_PROXY_SEED = 1000
"""Evaluation seeds from here on belong to tuning and to the choice of a checkpoint; smaller ones to reported numbers."""


def _names_a_folder(value: str) -> bool:
    return re.fullmatch(r"[\w-][\w.-]{0,99}", value) is not None


class Seeded(Section):
    """The training seed."""

    seed: Seed


class Labelled(Section):
    """Whether the networks are told classes."""

    conditional: bool = False


class Command(Section):
    """What holds for a whole command."""

    out: Place
    plan: bool
    detach: bool
    plugins: Place | None


class Budget(Section):
    """How much every method sees."""

    images: Count
    batch: Count
    micro_batch: Annotated[Literal["auto"] | Count | None, Says("auto, or a whole number, at least 1")] = None
    halvings: Whole = 0  # of the slice that "auto" chooses: the engine's, after a run that was out of memory


class Train(Section):
    """The common recipe."""

    optimizer: Literal["adam", "adamw", "radam"]
    lr: Positive
    betas: Annotated[tuple[Decay, Decay], Strict(False)]
    weight_decay: Annotated[float, Ge(0)]
    schedule: Literal["constant", "cosine", "linear", "sqrt", "sqrt_late"]
    decay_after: Annotated[int, Ge(1), Unit("images")] | None = None
    warmup: Annotated[float, Ge(0), Lt(1)]
    warmup_images: Annotated[int, Ge(1), Unit("images")] | None = None
    clip: Annotated[float, Ge(0)]
    ema: Averaged
    ema_rule: Literal["decay", "half_life", "power"] = "decay"
    ema_rise: bool = True
    ema_every: Count = 1
    augment: Literal["none", "geometric", "mild"] = "none"
    augment_share: Share = 0.12
    label_drop: Annotated[float, Ge(0), Lt(1)] = 0.1
    dropout: bool = True
    precision: Precision = "float32"
    compile: bool = False
    channels_last: bool = False
    checkpoints: Whole = 10
    milestones: Whole = 0
    logs: Count = 100
    log: Annotated[tuple[Literal["csv", "tensorboard", "wandb"], ...], Strict(False), AfterValidator(distinct)] = ("csv",)


_FIELDS: dict[str, Any] = {"import": (Place | None, None)}  # a reserved word
_Importing: Any = create_model("_Importing", __base__=Section, **_FIELDS)


class Teacher(_Importing):  # type: ignore[misc]  # a class that was made, for the name of its field
    """Whom a student learns from. The last four are known when its own run is: they are planned, not asked for."""

    method: Text
    preset: Text | None = None
    seed: Seed | None = None
    weak_share: Annotated[float, Gt(0), Lt(1)] = 0.25
    run: str | None = None
    weak_run: str | None = None
    made_by: dict[str, Any] | None = None
    imported: str | None = None

    @property
    def file(self) -> str | None:
        """`teacher.import`."""
        found: str | None = getattr(self, "import")
        return found


class Evaluation(Section):
    """By what models are scored."""

    steps: Steps
    solvers: Annotated[tuple[Literal["euler", "heun", "midpoint", "rk4"], ...], Strict(False), AfterValidator(distinct)] = ()
    guidance: Annotated[tuple[NotNegative, ...], Strict(False), MinLen(1), AfterValidator(distinct)] = (1.0,)
    guidance_interval: Annotated[tuple[Share, Share], Strict(False)] = (0.0, 1.0)
    one_class: Whole | None = None
    seeds: Seeds
    protocol: Protocol | None = None
    count: Annotated[int, Ge(2)] | None = None
    reference_count: Annotated[int, Ge(2)] | None = None
    also: Annotated[tuple[Features, ...], Strict(False), AfterValidator(distinct)] = ()
    rounding: Rounding | None = None
    statistics: Place | None = None
    weights: Place | None = None
    milestones: bool = False
    checkpoint: Literal["last", "best"] = "last"
    best_at: Annotated[int, Ge(1), Le(10**6)] | None = None
    grid: Literal["untuned", "papers"] = "untuned"
    chunk: Count
    batch: Count = 4096
    ema: NotNegative | None = None


class Scoring(Evaluation):
    """An evaluation with its names and hashes filled in by planning: "NAME:HASH" of every feature set."""

    protocol: str | None = None  # type: ignore[assignment]  # one that has gone since is still readable
    also: Annotated[tuple[str, ...], Strict(False)] = ()  # type: ignore[assignment]
    rounding: str | None = None  # type: ignore[assignment]
    count: Count | None = None
    features: str = "none"
    statistics_hash: str | None = None
    best_of: Count | None = None
    ema: NotNegative


class Path(Section):
    """The pair of schedules and the standard deviation of the noise."""

    name: Literal["linear", "trigonometric"]
    base_scale: Positive = 1.0


class Proxy(Section):
    """What a trial of a search is judged by; never what is reported."""

    validation: Annotated[float, Gt(0), Lt(1)]
    count: Annotated[int, Ge(2)]
    seeds: Annotated[tuple[Annotated[int, Ge(FIRST_PROXY_SEED)], ...], Strict(False), MinLen(1), AfterValidator(distinct)]
    steps: Steps
    features: Features | None
    ema: NotNegative | None = None
    rungs: Annotated[tuple[Count, ...], Strict(False)] = ()


class Tuning(Section):
    """`sweep.search`: see bench/conf/sweep/digits_tuned.yaml, which explains every key."""

    space: dict[str, Any]
    proxy: Proxy
    trials: Count = 20
    equal: Literal["trials", "compute"] = "trials"
    sampler: Literal["tpe", "random"] = "tpe"
    seed: Seed = 0
    startup: Count = 5
    rungs: Annotated[tuple[Annotated[float, Gt(0), Lt(1)], ...], Strict(False), AfterValidator(distinct)] = (0.25, 0.5)
    reduction: Annotated[int, Ge(2)] = 3
    prunable_from: dict[str, Annotated[float, Ge(0), Le(1)]] = {}
    spaces: dict[str, dict[str, Any]] = {}
    train_seed: Seed = 1000
    parallel: Count | None = None
    storage: Text | None = None
    patience: Positive = 86_400.0
    finals: bool = True


class Sweep(Section):
    """A sweep file: what is varied, how, and under which name."""

    name: Annotated[str, checked(_names_a_folder), Says("a name for a folder, of at most 100 letters, digits, _, - and .")]
    axes: dict[str, list[Any]] = {}
    also: list[dict[str, Any]] = []
    only: dict[str, list[str]] = {}
    one_at_a_time: dict[str, list[Any]] = {}
    knobs: dict[str, dict[str, Any]] = {}
    note: str = ""
    remarks: dict[str, Text] = {}  # method -> a line under the table on what its number comes from
    preset: Text | None = None
    published: Text | None = None
    smaller: list[Text] = []  # sweeps that a plan names where this one would take too long here
    search: Tuning | None = None
