"""`python -m bench.perf [key=value ...]`: how fast the methods of a sweep train on this device, without its data.

    python -m bench.perf                                            the quickstart's methods, on this device
    python -m bench.perf sweep=cifar_all_methods                    all methods at the sweep's own setting
    python -m bench.perf sweep=cifar_all_methods method=lsd,sct     some of them
    python -m bench.perf sweep=none method=lsd backbone=unet_small --profile

Each method takes some steps on made-up images with made-up teachers. What was measured is also appended to perf.jsonl in the
output folder, and plan=true prices runs by it.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from bench.config import ConfigError, Request, request
from results import terminal
from results.records import StoreError, append_jsonl

if TYPE_CHECKING:  # PyTorch is loaded where something is measured
    from bench.measuring import Entry, Tour

MINUTES = 9.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; returns the exit status.

    0 measured, 1 some method failed or none was measured, 2 a wrong command, 130 interrupted.
    """
    terminal.ready()
    try:
        return _main(_parser().parse_intermixed_args(arguments))
    except (ConfigError, StoreError) as error:
        print("\n".join(f"error: {line}" for line in str(error).split("\n")), file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; python -m bench.perf --help")


def _parser() -> argparse.ArgumentParser:
    text = __doc__ or ""
    parser = _Parser(prog="python -m bench.perf", description=text.partition(": ")[2], allow_abbrev=False,
                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="key=value", help="as of python -m bench.run")
    parser.add_argument("--profile", action="store_true", help="also show where the time goes, by kind of operation")
    parser.add_argument("--against", choices=["bare", "compiled", "channels_last"],
                        help="also compare the step, in turns, with one written by hand, compiled or in that layout")
    parser.add_argument("--sweep", action="store_true", help="also show what the whole sweep would cost at these rates")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="to be done within (default: %(default)g)")
    return parser


def _main(options: argparse.Namespace) -> int:
    if not options.minutes > 0:
        raise ConfigError(f"--minutes {options.minutes:g} must be above 0")
    wanted = request(options.settings)
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # the profiler's library tells of its own coming and going
    import torch

    from bench.measuring import Asked, Tour, cases, costs, shares, speeds
    from bench.processes import device

    begin = time.perf_counter()
    at = device.of(wanted.backend.device)
    torch.set_num_threads(wanted.backend.threads)
    chosen = cases(wanted.experiments)
    spent = (time.perf_counter() - begin) / 60
    tour = Tour(chosen, at, Asked(options.minutes - spent, options.profile, options.against or ""), time.perf_counter)
    entries, stopped = _toured(tour, wanted)
    if entries:
        print("\n".join([*speeds(entries, tour.peaks, at), *shares(entries)]))
    if options.sweep and not stopped:
        print("\n".join(costs(wanted.experiments, wanted.out, at.type)))
    failed = any(not each.found and not each.left for each in entries)
    return 130 if stopped else 1 if failed or not any(each.found for each in entries) else 0


def _toured(tour: "Tour", wanted: Request) -> "tuple[list[Entry], bool]":
    """What came of each case, written down as it came; and whether Ctrl-C ended it."""
    from tqdm import tqdm

    from bench.measuring import line
    from bench.planning import rates

    entries: list[Entry] = []
    with tqdm(total=len(tour.cases), unit="methods", disable=not sys.stderr.isatty(), leave=False) as bar:
        bar.set_description(tour.cases[0].label)
        try:
            for entry in tour:
                entries.append(entry)
                if entry.found:
                    append_jsonl(wanted.out / rates.PERF_FILE, [line(entry.case, entry.found, tour.device)])
                bar.update()
                bar.set_description(tour.cases[min(len(entries), len(tour.cases) - 1)].label)
        except KeyboardInterrupt:
            return entries, True
    return entries, False


if __name__ == "__main__":
    sys.exit(main())
