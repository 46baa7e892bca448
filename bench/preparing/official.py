"""The official sets as they are published: which file belongs to which part, and its label."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.config import IMAGES, ConfigError
from bench.data import manifest
from bench.preparing import pickles
from bench.preparing.entries import Entry, listed, read
from bench.preparing.plan import Part, Plan, Wanted, exactly, images, spread
from bench.preparing.recipes import EXACT, RECIPES

CLASSES = 1000
AFHQ_TEST = 1467
PICTURES = (".png", ".jpg", ".jpeg")
KINDS = ("cat", "dog", "wild")
PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv")
_WORD = re.compile(r"(?:^|[^a-z])(train|val|valid|validation|test)(?:$|[^a-z])")
_SYNSET = re.compile(r"n\d{8}")
_NAMES_KEPT = 20
BOX = "box filter, aspect ratio not kept, as published"


@dataclass(frozen=True)
class Official:
    """An official set whose files lie at `source`, and how much of it is wanted; split "all" trains on AFHQ's test images."""

    name: str
    version: str
    source: Path
    split: str
    wanted: Wanted
    workers: int

    @cached_property
    def found(self) -> list[Entry]:
        """All files."""
        return listed(self.source)

    @property
    def pictures(self) -> list[Entry]:
        """All image files."""
        return [entry for entry in self.found if entry.name.lower().endswith(PICTURES)]

    @property
    def side(self) -> int:
        """Of what is made."""
        return IMAGES[self.name].side

    @property
    def counts(self) -> manifest.Counts:
        """The official ones."""
        whole, apart = manifest.COUNTS[self.name][self.version], self.name == "afhq64" and self.split == "official"
        return manifest.Counts(whole.train - AFHQ_TEST, AFHQ_TEST) if apart else whole

    def part(self, name: str, entries: Sequence[Entry], label: Callable[[Entry], int | None]) -> Part:
        """Those of the files that are wanted. Raises ConfigError where they are not as many as they should be."""
        official = self.counts[name == "heldout"]
        chosen = [entries[i] for i in spread(entries, name, self.wanted, official, str(self.source))]
        numbers = [number for entry in chosen if (number := label(entry)) is not None]
        labels = numbers if len(numbers) == len(chosen) else None
        return images(self.version, self.side, chosen, labels, self.workers, str(self.source))

    def by_word(self, words: Mapping[str, str]) -> dict[str, list[Entry]]:
        """Image files by the part that the outermost telling folder or archive above them names; words: name -> part.

        Raises ConfigError for a part without any.
        """
        parts: dict[str, list[Entry]] = {part: [] for part in words.values()}
        for entry in self.pictures:
            told = (m[1] for above in entry.name.lower().split("/")[:-1] if (m := _WORD.search(above)) and m[1] in words)
            if word := next(told, ""):
                parts[words[word]].append(entry)
        for part, entries in parts.items():
            if not entries:
                called = " or ".join(word for word, kind in words.items() if kind == part)
                raise ConfigError(f"{self.source} has no image ({', '.join(PICTURES)}) in a folder or archive that is called "
                                  f"{called}; give the folder that holds both of {' and '.join(list(words)[:2])}")
        return parts


def plan(asked: Official) -> Plan:
    """Raises ConfigError for what is not there, not whole, or another set."""
    if any(entry.name.endswith(".parquet") for entry in asked.found):
        raise ConfigError(f"{asked.source} holds parquet files, which are not read; write their images into folders first: for "
                          "each row of datasets.load_dataset(PATH)['train'], row['image'].save(f'train/{KIND}/{i:06d}.png')")
    reader = _batches if asked.version == "box" else _READERS[asked.name.rstrip("0123456789")]
    train, heldout = reader(asked)
    recipe = RECIPES.get(asked.version)
    how, rounding = (recipe.how, recipe.rounding) if recipe else (BOX, EXACT)
    files = tuple(sorted({Path(entry.file).name for entry in asked.found})[:_NAMES_KEPT])
    shape = (3, asked.side, asked.side)
    return Plan(asked.name, asked.version, asked.split, asked.wanted.train is not None, how, rounding, shape, train, heldout,
                files)  # fmt: skip


def _batches(asked: Official) -> tuple[Part, Part]:
    """Down-sampled ImageNet's pickles: train_data_batch_1 to _10 and val_data. One process reads: the disk takes its time."""
    named = {Path(entry.name).name: entry for entry in asked.found}
    batches = [f"train_data_batch_{i}" for i in range(1, 11)]
    here = [each for each in batches if each in named]
    missing = [each for each in (*batches, "val_data") if each not in named]
    if missing and (asked.wanted.train is None or not here or "val_data" not in named):
        other = f", and has {', '.join(sorted(named)[:3])}" if named else ""
        raise ConfigError(f"{asked.source} has no {missing[0]}{other}; give the folder with all batches of {asked.name}, or "
                          "with the zips that they come in")

    def part(kind: str, files: Sequence[str], official: int) -> Part:
        count = asked.wanted.of(kind, official)
        stream = pickles.blocks([named[each] for each in files], asked.side, CLASSES)
        return Part(count, stream if asked.wanted.train is None else exactly(stream, count), f"{asked.source} ({files[0]} ...)")

    return part("train", here, asked.counts.train), part("heldout", ["val_data"], asked.counts.heldout)


def _imagenet(asked: Official) -> tuple[Part, Part]:
    """Images in folders or archives whose names say train or val; of full-size ones in folders named by their synsets."""
    parts = asked.by_word({"train": "train", "val": "heldout", "valid": "heldout", "validation": "heldout"})
    synsets = sorted({synset for entry in parts["train"] if (synset := _synset(entry))})
    if asked.version != "oord" and (len(synsets) != CLASSES if asked.wanted.train is None else not synsets):
        raise ConfigError(f"{asked.source} has {len(synsets):,} classes (folders n01440764, ...) to train on, and ImageNet has "
                          f"{CLASSES:,}; give ILSVRC2012_img_train.tar as it is, or the folders of its classes")
    number = {synset: i for i, synset in enumerate(synsets)}
    train, heldout = (asked.part(part, parts[part], lambda entry: number.get(_synset(entry))) for part in ("train", "heldout"))
    return train, heldout  # the validation tar alone comes without classes


def _celeba(asked: Official) -> tuple[Part, Part]:
    """Aligned images by name, and the file that says of each name 0 (train), 1 (valid) or 2 (test)."""
    by_name = {Path(entry.name).name: entry for entry in asked.pictures}
    table = next((entry for entry in asked.found if Path(entry.name).name in PARTITION), None)
    if table is None:
        raise ConfigError(f"{asked.source} has no {PARTITION[0]}; give the folder with it and img_align_celeba.zip")
    parts: dict[str, list[Entry]] = {"0": [], "1": [], "2": []}
    for line in read(table).decode("utf-8", "replace").splitlines():
        file, part = [*line.replace(",", " ").split(), "", ""][:2]
        if not file.endswith(".jpg"):  # the heading
            continue
        if part not in parts:
            raise ConfigError(f"{table.place} says {line.strip()!r}, and a part is 0, 1 or 2; fetch it again")
        if file in by_name:
            parts[part].append(by_name[file])
        elif asked.wanted.train is None:
            raise ConfigError(f"{asked.source} has no {file}, which {PARTITION[0]} names; give all of img_align_celeba")
    return asked.part("train", parts["0"], _no_label), asked.part("heldout", parts["2"], _no_label)


def _afhq(asked: Official) -> tuple[Part, Part]:
    """AFHQ v2's folders train and test, in each cat, dog and wild. As papers use it, all of them are trained on."""
    parts = asked.by_word({"train": "train", "test": "heldout"})
    if asked.split == "official":
        return asked.part("train", parts["train"], _kind), asked.part("heldout", parts["heldout"], _kind)
    return asked.part("train", sorted([*parts["train"], *parts["heldout"]]), _kind), Part(0, iter(()), "")


_READERS = {"imagenet": _imagenet, "celeba": _celeba, "afhq": _afhq}


def _kind(entry: Entry) -> int:
    kind = Path(entry.name).parent.name
    if kind not in KINDS:
        raise ConfigError(f"{entry.place} lies in the folder {kind}, and AFHQ has {', '.join(KINDS)}; give its own folders")
    return KINDS.index(kind)


def _synset(entry: Entry) -> str:
    above = Path(entry.name).parent.name
    return above if _SYNSET.fullmatch(above) else ""


def _no_label(entry: Entry) -> None:
    return None
