"""What only holds of several values together, as far as it is known without data, network or device: a line for each fault."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from importlib.util import find_spec
from math import inf
from typing import TYPE_CHECKING, Any, get_args

from bench.config.choices import BACKBONES, CLASSES, EXACT, IMAGES, DiT, PlainMLP, Points, PublishedUNet, UNet
from bench.config.errors import shown, unknown
from bench.config.experiment import TRUTH, Experiment
from bench.config.schema import Precision
from results.records import LEAGUES

if TYPE_CHECKING:
    from methods.base import Method

HELD_OUT = 2**17
"""Points of an exact target that are held out."""
POINTS = 2**20
"""Training points of an exact target, where data.count says nothing."""
AVERAGES = {
    "decay": (0.0, 1.0, "a decay of one update, at least 0 and below 1"),
    "half_life": (1.0, inf, "a number of images, at least 1"),
    "power": (1e-3, 12**-0.5, "a width relative to the training, from 0.001 to 0.288: EDM2 has 0.05 and 0.1"),
}
"""Of each rule of averages the least value, the one that is too high, and what a value is."""
TRIED, SHOWN = 4096, 8
"""Numbers of sampling steps that are tried, and how many of those that a method has are told."""
TOLD = {"mild": 6, "geometric": 9}
"""How many numbers an augmentation tells the network."""


def faults(experiment: Experiment) -> list[str]:
    """Everything that cannot be."""
    if wrong := unmet(experiment.method):
        return [f"method={experiment.name}: {'; '.join(wrong)}"]  # what reads them would raise
    rules = (_budget, _recipe, _curves, _networks, _classes, _known, _evaluation, _best, _guidance, _counts, _teacher)
    return [fault for rule in rules for fault in rule(experiment)]


def unmet(method: "Method") -> list[str]:
    """What a method says of itself that nothing is: it would be read as something else, or after its training not at all."""
    needs = method.needs
    return [
        f"{name}={getattr(method if name == 'league' else needs, name)!r}, {words}" for name, fits, words in (
            ("target_ema", needs.target_ema is None or 0 < needs.target_ema < 1, "not a decay in (0, 1)"),
            ("group", isinstance(needs.group, int) and needs.group >= 1, "not a number of samples"),
            ("cost", isinstance(needs.cost, int | float) and 0 < needs.cost < inf, "not a positive number"),
            ("reaches", needs.reaches in ("any", "grid", "data"), "none of any, grid, data"),
            ("rule", needs.rule in ("hop", "renoise"), "none of hop, renoise"),
            ("precision", needs.precision in get_args(Precision), f"none of {', '.join(get_args(Precision))}"),
            ("truth", needs.truth[:1] in ("A", "B", "C"), "begins with none of A, B, C"),
            ("league", method.league in LEAGUES, f"none of {', '.join(LEAGUES)}"),
            ("weak_teacher", needs.teacher or not needs.weak_teacher, "without a teacher"),
            ("trajectories", needs.teacher or needs.trajectories is None, "without a teacher"),
            ("reaches", needs.reaches != "data" or needs.rule == "renoise", "whose samples can only be put back to noise: "
             "rule=\"renoise\""),
        ) if not fits
    ]  # fmt: skip


def unfit(e: Experiment, train: int, height: int, width: int) -> Iterator[str]:
    """What cannot be with so many training images of such a size: of one's own they are known when they have been looked at."""
    if isinstance(e.backbone, UNet | PublishedUNet):
        halvings = len(e.backbone.multipliers) - 1
        if height % 2**halvings or width % 2**halvings:
            yield (f"backbone.multipliers={shown(list(e.backbone.multipliers))} halves the sides {halvings} times, and images "
                   f"of data={e.data.name} are {height} x {width}: give fewer multipliers, or sides divisible by {2**halvings}")
    if isinstance(e.backbone, DiT) and (height % e.backbone.patch or width % e.backbone.patch):
        yield (f"backbone.patch={e.backbone.patch} does not divide the sides of images of data={e.data.name}, which are "
               f"{height} x {width}")
    size = e.evaluation.reference_count
    if size is not None and size > train:
        yield (f"evaluation.reference_count={size}: data={e.data.name} has {train} training images to compare with; lower it "
               "or leave it null for all")


def unserved(experiments: Sequence[Experiment]) -> tuple[int, ...]:
    """Numbers of sampling steps in which no method of a command defines a sample: columns without a number. They are told and
    not refused: a command that narrows a sweep keeps its columns."""
    wanted = sorted({n for e in experiments for n in e.evaluation.steps})
    return tuple(n for n in wanted if not any(n in e.evaluation.steps and e.method.supports(n) for e in experiments))


def served(e: Experiment) -> bool:
    """Whether the method defines a sample in any of the numbers of steps that are asked for: without one it has no row."""
    return any(e.method.supports(n) for n in e.evaluation.steps)


def counts(method: "Method") -> str:
    """The numbers of steps in which a method samples: "1 step", "2, 4, 8, 16 steps"."""
    found = [n for n in range(1, TRIED + 1) if method.supports(n)]
    more = ", ..." if len(found) > SHOWN else ""
    return f"{', '.join(map(str, found[:SHOWN]))}{more} step{'' if found == [1] else 's'}"


def _known(e: Experiment) -> Iterator[str]:
    if known := IMAGES.get(e.data.name):
        yield from unfit(e, known.train, known.side, known.side)


def _budget(e: Experiment) -> Iterator[str]:
    budget, group, sharing = e.budget, e.method.needs.group, e.backend.sharing
    if budget.images < budget.batch:
        yield f"budget.images={budget.images} must hold at least one batch (budget.batch={budget.batch})"
        return
    rows = None if budget.micro_batch == "auto" else budget.micro_batch
    if rows is not None and rows > budget.batch:
        yield f"budget.micro_batch={budget.micro_batch} must lie between 1 and budget.batch={budget.batch}"
    for key, size in (("budget.batch", budget.batch), ("budget.micro_batch", rows)):
        if size is not None and size % group:
            yield f"{key}={size} must be a multiple of {group}, the particles that {e.label} groups"
    if (fault := unshared(budget.batch, group, sharing)) is not None:
        yield fault
    stages = list(e.method.stages(budget.images))
    if min(stage.images for stage in stages) < budget.batch:
        yield (f"budget.images={budget.images} leaves no step for one of the {len(stages)} stages of {e.label}; raise it or "
               "lower the number of stages")


def unshared(batch: int, group: int, processes: int) -> str | None:
    """Why so many processes cannot share a batch whose groups stay whole; None if they can."""
    if (groups := batch // group) >= processes:
        return None
    return (f"budget.batch={batch} holds {groups} groups of samples and cannot be shared by {processes} processes; raise it to "
            f"{processes * group} or use fewer (backend.processes)")


def _recipe(e: Experiment) -> Iterator[str]:
    train = e.train
    if train.decay_after is not None and train.schedule != "sqrt":
        yield (f"train.decay_after={train.decay_after} is where train.schedule=sqrt begins to fall, and this schedule is "
               f"{train.schedule}; leave it null")
    low, high, words = AVERAGES[train.ema_rule]
    for value in train.ema:
        if not low <= value < high:
            yield f"train.ema={shown(list(train.ema))}: with train.ema_rule={train.ema_rule} each is {words}"
            break
    if train.augment != "none":
        told, takes = TOLD[train.augment], getattr(e.backbone, "augment", None)
        if isinstance(e.data, Points):
            yield f"train.augment={train.augment} is for images, and data={e.data.name} are points in the plane; leave it none"
        elif takes is None:
            able = ", ".join(name for name, cls in BACKBONES.items() if "augment" in cls.model_fields)
            yield (f"train.augment={train.augment} tells the network what was done to an image, and backbone={e.backbone.name} "
                   f"has no input for that: use one of {able}, or leave it none")
        elif takes != told:
            yield (f"train.augment={train.augment} tells the network {told} values, and backbone.augment={takes}: set it to "
                   f"{told}")


def _curves(e: Experiment) -> Iterator[str]:
    """Of packages that are installed where they are wanted."""
    for name in e.train.log:
        spec = find_spec(name) if name != "csv" else None
        if name != "csv" and (spec is None or spec.origin is None):  # a folder of its name, such as runs leave, is no package
            yield (f"train.log={shown(list(e.train.log))} needs the package {name}, which is not installed: "
                   f"pip install 'fewstep[{name}]', or leave {name} out")


def _networks(e: Experiment) -> Iterator[str]:
    if e.method.needs.operator and e.backbone.name == "mlp_plain":
        able = ", ".join(name for name in BACKBONES if name != "mlp_plain")
        yield f"backbone={e.backbone.name} has no blocks for the neural operator of {e.label} to mix between: use one of {able}"
    if isinstance(e.backbone, DiT) and (e.backbone.width % e.backbone.heads or e.backbone.width % 4):
        yield f"backbone.width={e.backbone.width} must be a multiple of 4 and of backbone.heads={e.backbone.heads}"
    if isinstance(e.backbone, UNet | PublishedUNet | DiT) and isinstance(e.data, Points):
        yield f"backbone={e.backbone.name} is for images, and data={e.data.name} are points in the plane: use backbone=mlp"


def _classes(e: Experiment) -> Iterator[str]:
    """What a run that is told classes, or is not, cannot have."""
    if not e.conditional:
        if not isinstance(e.backbone, PlainMLP) and e.backbone.classes:
            yield (f"backbone.classes={e.backbone.classes} follows from the data: leave it 0, and set conditional=true for "
                   "networks that are told classes")
        if e.method.needs.labels:
            yield f"{_guiding(e)}: {e.label} guides its targets from class to class; set conditional=true"
        return
    if isinstance(e.backbone, PlainMLP):
        able = ", ".join(name for name in BACKBONES if name != "mlp_plain")
        yield f"conditional=true: backbone={e.backbone.name} has no input for a class: use one of {able}"
    if e.method.needs.trajectories is not None:
        yield (f"conditional=true: {e.label} learns from stored trajectories, which have no classes; leave it out, or set "
               "conditional=false")
    if e.method.needs.labels and not e.train.label_drop:
        yield f"train.label_drop=0: {e.label} guides its targets away from the null class, which is then never trained"
    if e.data.name in EXACT or (e.data.name in IMAGES and e.data.name not in CLASSES):
        yield f"conditional=true: data={e.data.name} has no classes; choose one of {', '.join(CLASSES)}, or images of your own"
    elif (known := CLASSES.get(e.data.name)) is not None:
        yield from unlabelled(e, known)


def _guiding(e: Experiment) -> str:
    """The knobs for which a method needs classes, or its name where it always does."""
    plain = type(e.method)(interpolant=e.method.interpolant)
    own = {f.name: getattr(e.method, f.name) for f in fields(plain) if f.init}
    asking = [] if plain.needs.labels else [name for name, value in own.items() if _needs_labels(plain, name, value)]
    return ", ".join(f"method.{name}={shown(own[name])}" for name in asking) or f"method={e.name}"


def _needs_labels(plain: "Method", name: str, value: Any) -> bool:
    try:
        return replace(plain, **{name: value}).needs.labels
    except ValueError:  # the value is only for another one beside it
        return False


def unlabelled(e: Experiment, classes: int, why: str = "") -> Iterator[str]:
    """What a conditional run cannot have with so many classes; of one's own data they are known when it has been looked at. 0
    where there are none, and `why`."""
    if not e.conditional:
        return
    if not classes:
        yield f"conditional=true: {why}"
        return
    asked, chosen = getattr(e.backbone, "classes", 0), e.evaluation.one_class
    if asked not in (0, classes):
        yield f"backbone.classes={asked}: data={e.data.name} has {classes} classes; leave it 0, it follows from the data"
    if chosen is not None and chosen >= classes:
        yield f"evaluation.one_class={chosen}: data={e.data.name} has the classes 0 to {classes - 1}"


def _guidance(e: Experiment) -> Iterator[str]:
    scales, (low, high) = e.evaluation.guidance, e.evaluation.guidance_interval
    if e.evaluation.one_class is not None and not e.conditional:
        yield f"evaluation.one_class={e.evaluation.one_class}: this run is not told classes; set conditional=true"
    if not low < high:
        yield f"evaluation.guidance_interval={shown([low, high])} must be two times that rise, in [0, 1]"
    guided, trained = f"evaluation.guidance={shown(list(scales))}", e.method.needs.scale
    if trained is not None:
        if out := [w for w in scales if not trained[0] <= w <= trained[1]]:
            yield (f"{guided}: the network of {e.label} is told scales from {trained[0]} to {trained[1]} (method.scale), and "
                   f"{shown(out[0])} is none of them; ask for scales within, or widen method.scale")
        return
    if scales == (1.0,):
        return
    if not e.method.velocity_model:
        yield (f"{guided}: {e.label} samples by a map that it has learned, and only the velocity of a velocity model is guided "
               "while sampling; leave it [1]")
    elif not e.conditional:
        yield f"{guided}: a class is guided to, and this run is not told classes; set conditional=true"
    elif not e.train.label_drop:
        yield f"{guided}: train.label_drop=0 never trains the null class, which guidance leads away from; raise it, as to 0.1"


def _evaluation(e: Experiment) -> Iterator[str]:
    ema, decays = e.evaluation.ema, e.train.ema
    if ema is not None and ema not in decays:
        yield unknown("evaluation.ema", ema, decays) + " (train.ema)"
    elif ema not in (None, decays[0]) and len(e.method.stages(e.budget.images)) > 1:
        yield (f"evaluation.ema={ema}: {e.label} hands its first average ({decays[0]}) from stage to stage and must be "
               "evaluated with it; put the wanted decay first in train.ema")
    stop, start = e.method.two_step_sigma, getattr(e.method, "sigma_max", inf)
    if e.evaluation.grid == "papers" and stop is not None and stop >= start:
        yield (f"evaluation.grid=papers: in two steps {e.label} stops at the noise level {stop}, and method.sigma_max={start} "
               "starts below it; raise that or leave evaluation.grid=untuned")


def _best(e: Experiment) -> Iterator[str]:
    """Where the best of a run's checkpoints cannot be found."""
    asked, train, best = e.evaluation, e.train, "evaluation.checkpoint=best"
    if asked.checkpoint != "best":
        if asked.best_at is not None:
            yield f"evaluation.best_at={asked.best_at} is for {best}, and the last is scored; set that too, or leave it null"
        return
    if train.milestones < 2:
        yield (f"{best}: train.milestones={train.milestones} leaves nothing to choose from; set train.milestones=10, or leave "
               "evaluation.checkpoint=last")
    if not train.checkpoints:
        yield f"{best}: train.checkpoints=0 does not keep the end of a run, which is compared too; set train.checkpoints=1"
    if asked.milestones:
        yield (f"{best} with evaluation.milestones=true: a curve has the reported metric of every milestone, which who chooses "
               "one must not look at; leave one of the two out (either way finished runs are scored again and not trained)")
    if asked.best_at is not None and not any(e.method.supports(n) for n in range(asked.best_at, max(TRIED, asked.best_at) + 1)):
        yield f"evaluation.best_at={asked.best_at}: {e.label} samples in {counts(e.method)} only; choose one of these numbers"


def unheld(e: Experiment, heldout: int) -> Iterator[str]:
    """Why none of its checkpoints can be called the best with so many samples held out: known when data have been looked at."""
    if e.evaluation.checkpoint == "best" and heldout < 2:
        yield (f"evaluation.checkpoint=best: checkpoints are compared with held-out images, and data={e.data.name} holds "
               f"{heldout} out; leave evaluation.checkpoint=last, or take data that hold some out")


def _counts(e: Experiment) -> Iterator[str]:
    evaluation, name = e.evaluation, e.data.name
    if not isinstance(e.data, Points):
        return
    for key in ("protocol", "rounding", "statistics", "reference_count"):
        if (value := getattr(evaluation, key)) is not None:
            yield (f"evaluation.{key}={shown(value)} is for images, and data={name} are points in the plane with metrics of "
                   "their own; leave it null")
    if evaluation.also:
        yield (f"evaluation.also={shown(list(evaluation.also))} is for images, and data={name} are points in the plane; "
               "leave it []")
    train = POINTS if e.data.count is None else e.data.count
    if evaluation.count is not None and evaluation.count > train:
        yield (f"evaluation.count={evaluation.count} samples are compared with as many training points, and there are {train} "
               "(data.count)")
    elif evaluation.count is not None and evaluation.count > HELD_OUT:
        yield (f"evaluation.count={evaluation.count}: only {HELD_OUT} held-out samples can stand beside it at the same count; "
               "lower it or leave it null")


def _teacher(e: Experiment) -> Iterator[str]:
    teacher, needs = e.teacher, e.method.needs
    if teacher.file is not None:
        yield from _imported_teacher(e)
    elif teacher.method == TRUTH:
        yield from _exact_teacher(e)
    images, batch = e.budget.images, e.budget.batch
    if needs.weak_teacher and round(teacher.weak_share * images) < batch <= images:
        yield (f"teacher.weak_share={teacher.weak_share} of budget.images={images} is less than one batch; it must be at least "
               f"{batch / images:.3g}")


def _imported_teacher(e: Experiment) -> Iterator[str]:
    """Where a file is not all that is asked of a teacher, or there are two of them."""
    teacher, needs = e.teacher, e.method.needs
    if needs.weak_teacher:
        yield f"teacher.import={teacher.file}: {e.label} needs a weaker teacher besides, trained here; leave it null"
    if not needs.teacher:
        return
    if teacher.preset is not None:
        yield f"teacher.import={teacher.file}: teacher.preset={teacher.preset} trains another teacher; give one of the two"
    if teacher.method == TRUTH:
        yield f"teacher.import={teacher.file}: teacher.method={TRUTH} is another teacher; give one of the two"


def untaught(experiments: Sequence[Experiment]) -> str | None:
    """Why an imported teacher is of no use to a command; None where one of its methods learns from it."""
    file = next((e.teacher.file for e in experiments if e.teacher.file is not None), None)
    if file is None or any(e.method.needs.teacher for e in experiments):
        return None
    labels = sorted({e.label for e in experiments})
    who = f"{labels[0]} learns" if len(labels) == 1 else f"none of the {len(labels)} methods learns"
    return f"teacher.import={file}: {who} from a teacher; leave it null, or choose a method that does: cd, lmd, ..."


def _exact_teacher(e: Experiment) -> Iterator[str]:
    """Where there is no exact velocity, or where the method wants more of its teacher than that."""
    needs = e.method.needs
    if needs.teacher and e.data.name not in EXACT:
        yield f"teacher.method={TRUTH}: the velocity of data={e.data.name} is not known; it is for {', '.join(EXACT)}"
    if needs.weak_teacher or needs.trajectories:
        yield f"teacher.method={TRUTH}: {e.label} needs a trained teacher, to run it ahead or to guide it"
    elif needs.teacher and e.method.stages(e.budget.images)[0].prepare is not None:
        yield (f"teacher.method={TRUTH}: {e.label} starts from its teacher's weights, and an exact velocity has none; set "
               "method.initialise=false where it has that knob")
