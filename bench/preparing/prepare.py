"""From a plan to a folder: every image counted and hashed on its way, and nothing kept of what went wrong."""

import sys
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Never

import numpy as np
from tqdm import tqdm

from bench.config import ConfigError
from bench.data import manifest
from bench.preparing import writer
from bench.preparing.plan import Part, Plan, miscounted
from bench.preparing.writer import Array


def done(plan: Plan, out: Path) -> manifest.Manifest | None:
    """What was prepared at `out` before, if it is what is planned; None where there is nothing. Raises ConfigError for
    anything else that lies there."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if manifest.missing(plan.name, out):
        raise ConfigError(f"--out={out} is there and is no prepared set; give another, or remove it")
    found = manifest.read("--out", out)
    have = (found.name, found.version, found.split, found.train, found.heldout, found.shape, found.writer)
    if have != (plan.name, plan.version, plan.split, plan.train.count, plan.heldout.count, plan.shape, manifest.WRITER):
        raise ConfigError(f"--out={out} holds {described(found)}; give another folder to {plan.name} {plan.version}, or "
                          "remove it")
    return found


def write(plan: Plan, out: Path) -> manifest.Manifest:
    """The prepared folder. Raises ConfigError for a source that is not what it should be, and for a disk that is full."""
    if out.exists():
        out.rmdir()  # `done` found it empty
    files = dict[str, manifest.Written]()
    with writer.folder(out, plan.bytes) as aside, _bar(plan) as bar:
        for name, part in plan.parts.items():
            files |= _part(plan, name, part, aside, bar)
        said = manifest.Manifest(
            plan.name, plan.version, plan.split, plan.subset, plan.how, plan.rounding, plan.shape, plan.train.count,
            plan.heldout.count, files, {"pillow": version("pillow"), "numpy": np.__version__, "from": ", ".join(plan.sources)},
        )  # fmt: skip
        writer.finish(aside, said)
    return said


def described(found: manifest.Manifest) -> str:
    """In a few words."""
    few = ", a subset" if found.subset else ""
    return f"{found.name} {found.version} ({found.train:,} to train on, {found.heldout:,} held out{few})"


def _part(plan: Plan, name: str, part: Part, aside: Path, bar: "tqdm[Never]") -> dict[str, manifest.Written]:
    labels: list[np.ndarray] | None = []
    with ExitStack() as stack:
        images = stack.enter_context(Array(aside / f"{name}.npy", part.count, plan.shape, "uint8"))
        for pixels, own in part.blocks:
            images.add(pixels)
            labels = None if own is None or labels is None else [*labels, own]
            bar.update(len(pixels))
            if images.written > part.count:
                break
        if images.written != part.count:
            more = " or more" if images.written > part.count else ""
            raise miscounted(part.source, name, f"{images.written:,}{more}", part.count, plan.subset)
        files = {f"{name}.npy": images.close()}
        if labels:
            numbers = stack.enter_context(Array(aside / f"{name}_labels.npy", part.count, (), "int16"))
            numbers.add(np.concatenate(labels))
            files[f"{name}_labels.npy"] = numbers.close()
    return files


def _bar(plan: Plan) -> "tqdm[Never]":
    total = plan.train.count + plan.heldout.count
    return tqdm(total=total, desc=plan.name, unit="images", unit_scale=True, disable=not sys.stderr.isatty())
