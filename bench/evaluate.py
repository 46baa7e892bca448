"""`python -m bench.evaluate SAMPLES [key=value ...]`: score images that others made, under a protocol, against a data set.

    python -m bench.evaluate samples.npy data=cifar10 data.root=data
    python -m bench.evaluate folder/of/pngs data=arrays data.path=mine.npy evaluation.protocol=clean-fid

SAMPLES is an array file (.npy, .npz of uint8) or a folder of images of the data's size. The metrics and the protocol's id are
those of a run with as many samples, so the numbers may stand beside its rows.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.config import ConfigError, Points, request
from results import terminal

if TYPE_CHECKING:  # PyTorch is loaded where something is scored
    from torch import Tensor

    from bench.data import Dataset
    from bench.protocols import Protocol
    from bench.scoring import Scores

KEY = "SAMPLES"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the metrics; returns the exit status (0, or 2 after one line that says what is wrong)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    terminal.ready()
    if not arguments or "=" in arguments[0] or arguments[0] in ("-h", "--help"):
        print(__doc__, file=sys.stdout if arguments and "=" not in arguments[0] else sys.stderr)
        return 0 if arguments and "=" not in arguments[0] else 2
    try:
        protocol, count, scores = score(arguments[0], arguments[1:])
    except ConfigError as error:
        print("\n".join(f"error: {fault}" for fault in error.faults), file=sys.stderr)
        return 2
    print(f"{count} samples under {protocol.id}")
    for metric, (value, extra) in scores.items():
        spread = f" +- {extra['standard_error']:.2g}" if "standard_error" in extra else ""
        print(f"{metric:16s} {value:.6g}{spread}")
    return 0


def score(samples: str, options: Sequence[str]) -> "tuple[Protocol, int, Scores]":
    """(protocol, number of samples, scores) of the images at `samples` under the command line's options.

    Raises ConfigError naming the file or key at fault.
    """
    import torch
    from tqdm import tqdm

    from bench.data import compared, dataset, given
    from bench.processes import device
    from bench.protocols import planned, protocol_of
    from bench.scoring import ImageScorer, files

    experiment = request(["sweep=none", *options]).experiments[0]
    if isinstance(experiment.data, Points):
        raise ConfigError(f"{KEY}={samples} are images, and data={experiment.data.name} are points in the plane; choose an "
                          "image data set")
    pixels = given(KEY, samples)
    if len(pixels) < 2:
        raise ConfigError(f"{KEY}={samples} has {len(pixels)} images, too few to compare distributions")
    wanted = experiment.evaluation.count
    if wanted is not None and wanted > len(pixels):
        raise ConfigError(f"{KEY}={samples} has {len(pixels)} images, and evaluation.count={wanted} asks for more")
    experiment = planned(experiment.changed({"evaluation.count": len(pixels) if wanted is None else wanted}))
    data = compared(experiment, dataset(experiment))
    protocol = protocol_of(experiment, data)
    pixels = _fitting(samples, pixels[: protocol.count], data, protocol)
    with tqdm(unit="images", desc="reference features", disable=not sys.stderr.isatty(), leave=False) as bar:

        def progress(done: int, whole: int) -> None:
            bar.total, bar.n = whole, done
            bar.refresh()

        at = device.of(experiment.backend.device)
        scorer = ImageScorer(data, protocol, at, **files(experiment.evaluation), progress=progress)
    with torch.no_grad():
        return protocol, len(pixels), scorer.score(pixels)


def _fitting(samples: str, pixels: "Tensor", data: "Dataset", protocol: "Protocol") -> "Tensor":
    """The pixels, if they can be samples of these data. Raises ConfigError."""
    from bench.protocols import levels

    if tuple(pixels.shape[1:]) != data.shape:
        raise ConfigError(f"{KEY}={samples} has images (C, H, W) of {tuple(pixels.shape[1:])}, and those of data={data.name} "
                          f"are {data.shape}: sizes and channels must be equal")
    if int(pixels.max()) > (highest := levels(data, protocol.rounding)):
        raise ConfigError(f"{KEY}={samples} has values up to {int(pixels.max())}, and data={data.name} has the levels "
                          f"0..{highest}; save samples on that scale, or give evaluation.rounding=round for 0..255")
    return pixels


if __name__ == "__main__":
    sys.exit(main())
