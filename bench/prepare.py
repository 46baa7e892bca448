"""`python -m bench.prepare NAME --source PATH`: make a data set once from its official files, as mapped arrays of small images.

    python -m bench.prepare imagenet64 --source FOLDER        the batches of down-sampled ImageNet, or the zips they come in
    python -m bench.prepare imagenet64 --source FOLDER --version adm-crop --out data/imagenet64-adm
    python -m bench.prepare celeba64 --source FOLDER          img_align_celeba.zip and list_eval_partition.txt
    python -m bench.prepare afhq64 --source afhq_v2.zip
    python -m bench.prepare folder --source pictures --size 64 --out data/mine
    python -m bench.prepare --verify data/imagenet64          hash what was prepared again

Nothing is fetched. Then data=imagenet64, or of your own data=prepared data.path=data/mine.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.config import FEWEST, OFFICIAL, ConfigError, nearest
from results import terminal

OWN = ("folder", "arrays")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare or verify; returns the exit status: 0, 2 after a line that says what is wrong, 130 interrupted."""
    terminal.ready()
    asked = _parser().parse_args(arguments)
    try:
        print(_verified(asked) if asked.verify else _prepared(asked))
    except ConfigError as error:
        print("\n".join(f"error: {line}" for line in error.faults), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing was kept; the same command begins again", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    about, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(prog="python -m bench.prepare", description=about.split(": ", 1)[1], epilog=examples,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="NAME", help=f"{', '.join(OFFICIAL)}; of your own: {', '.join(OWN)}")
    parser.add_argument("--source", metavar="PATH", help="the official files: a folder, or a zip or tar archive")
    parser.add_argument("--version", help="how the images are made; default: the first that the set has")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: data/NAME")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes that read images")
    parser.add_argument("--count", type=int, metavar="N", help="a subset of so many training images; it is labelled as one")
    parser.add_argument("--heldout-count", type=int, metavar="N", help="and of so many held-out ones; default: a tenth")
    parser.add_argument("--split", choices=("all", "official"), default=None,
                        help="afhq64: train on all images, as papers do (default), or hold its test images out")
    parser.add_argument("--size", type=int, metavar="N", help="folder: crop and resize to N x N")
    parser.add_argument("--heldout", type=Path, metavar="FILE", help="arrays: a second file; default: a tenth is held out")
    parser.add_argument("--verify", action="store_true", help="NAME is a prepared folder: hash its files again")
    return parser


def _verified(asked: argparse.Namespace) -> str:
    from tqdm import tqdm

    from bench.data import existing, manifest
    from bench.preparing import prepare

    existing("FOLDER", asked.name)
    with tqdm(unit="B", unit_scale=True, desc="hashed", disable=not sys.stderr.isatty()) as bar:

        def hashed(more: int) -> None:
            bar.update(more)

        found = manifest.verify("FOLDER", asked.name, hashed)
    return f"{asked.name}: {prepare.described(found)}, as it was written (hash {found.hash[:12]})"


def _prepared(asked: argparse.Namespace) -> str:
    from bench.data import existing
    from bench.preparing import official, own, plan, prepare

    _sensible(asked)
    out = (asked.out or Path("data") / asked.name).expanduser()
    source = existing("--source", asked.source)
    if asked.name == "folder":
        planned = own.folder(source, asked.size, asked.workers)
    elif asked.name == "arrays":
        planned = own.array(source, asked.heldout)
    else:
        split = asked.split or ("all" if asked.name == "afhq64" else "official")
        wanted = plan.Wanted(asked.count, asked.heldout_count)
        planned = official.plan(official.Official(asked.name, asked.version, source, split, wanted, asked.workers))
    found = prepare.done(planned, out)
    if found is not None:
        return f"{out}: {prepare.described(found)} is prepared already; nothing was done"
    found = prepare.write(planned, out)
    use = f"data={found.name}" if found.name in OFFICIAL else "data=prepared"
    return f"{out}: {prepare.described(found)}, hash {found.hash[:12]}; use it by {use} data.path={out}"


def _sensible(asked: argparse.Namespace) -> None:
    """The options against the name; the version is then known. Raises ConfigError."""
    from bench.data import manifest

    if asked.name not in (*OFFICIAL, *OWN):
        raise nearest("NAME", asked.name, (*OFFICIAL, *OWN), "python -m bench.prepare --help")
    mine = asked.name in OWN
    only = {"version": not mine, "count": not mine, "heldout_count": asked.count is not None, "split": asked.name == "afhq64",
            "size": asked.name == "folder", "heldout": asked.name == "arrays"}
    faults = [f"--{name.replace('_', '-')} is not for {asked.name}{' without --count' * (name[0] == 'h')}; leave it out"
              for name, fits in only.items() if getattr(asked, name) is not None and not fits]
    faults += [f"--{name.replace('_', '-')}={value} must be at least {least}" for name, least in
               (("workers", 1), ("count", FEWEST), ("heldout_count", 2), ("size", 1))
               if (value := getattr(asked, name)) is not None and value < least]
    if asked.source is None:
        faults.append(f"--source has to be given: where the files of {asked.name} are")
    if faults:
        raise ConfigError(*faults)
    if not mine:
        asked.version = manifest.version("--version", asked.name, asked.version)


if __name__ == "__main__":
    sys.exit(main())
