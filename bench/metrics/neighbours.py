"""Nearest neighbours in the training set and in held-out data: what was memorised shows.

A training set is mostly larger than the held-out one, and in the larger of two sets the nearest image is nearer by chance.
Of N training and M held-out images from one distribution, all N + M have the same chance of being nearest to an image
that was made without looking at either, whatever that image is like: it is nearest to a held-out one with probability
q_0 = M / (N + M). A copy never is. If a share c of the samples are copies, the share nearest to held-out images is
q = (1 - c) q_0 in expectation, so c = 1 - q / q_0, and (1 + c) / 2 is .5 for new images and 1 for copies of any part. With
N = M it is the share of samples that are nearer to the training set.

The three-sample test of Meehan et al. (arXiv 2004.05675) compares the same distances, those of samples against those of
held-out data; the comparison within one sample keeps .5 for blurred or noisy images too, which are near to, or far from,
everything.
"""

import torch
from torch import Tensor

from bench.metrics.distances import CHUNK

BLOCK = 8192  # references at a time: memory is CHUNK x BLOCK numbers, however many there are


def nearest(samples: Tensor, references: Tensor, mirrored: bool = False) -> Tensor:
    """(n,) float64: the root-mean-square distance of each of samples (n, ...) to its nearest of references (m, ...).

    Of one shape, scale and dtype, pixels or floats; all references are searched, and need not be where the samples are: they
    are read once, a block at a time. mirrored: the mirror
    images of the samples, last axis reversed, are searched for too. The search is in float32, and the distance of what it
    found exact, so that a copy is at 0 and a tie is one. Raises ValueError on shapes that do not fit.
    """
    if samples.shape[1:] != references.shape[1:]:
        raise ValueError(f"samples of shape {tuple(samples.shape[1:])} against {tuple(references.shape[1:])}")
    rows, all_samples = references.flatten(1), samples.flatten(1)
    middle = rows[:CHUNK].to(samples.device).float().mean().round()  # the rounding of squares grows with their size
    index = _nearest(all_samples, rows, middle)
    found = torch.cat([_distance(part, rows[where.to(rows.device)].to(part.device))
                       for part, where in zip(torch.split(all_samples, CHUNK), torch.split(index, CHUNK), strict=True)])
    return torch.minimum(found, nearest(samples.flip(-1), references)) if mirrored else found


def _nearest(samples: Tensor, references: Tensor, middle: Tensor) -> Tensor:
    """(n,) which reference is the nearest."""
    least = torch.full((len(samples),), torch.inf, device=samples.device)
    index = torch.zeros(len(samples), dtype=torch.long, device=samples.device)
    for start in range(0, len(references), BLOCK):
        block = references[start:start + BLOCK].to(samples.device).float() - middle
        sizes = block.square().sum(1)
        for first in range(0, len(samples), CHUNK):
            part = slice(first, first + CHUNK)
            near, where = torch.addmm(sizes, samples[part].float() - middle, block.T, alpha=-2).min(1)
            index[part] = torch.where(near < least[part], where + start, index[part])
            least[part] = torch.minimum(near, least[part])
    return index


def _distance(samples: Tensor, references: Tensor) -> Tensor:
    return (samples.double() - references.double()).square().mean(1).sqrt()


def memorised(to_train: Tensor, to_heldout: Tensor, sizes: tuple[int, int]) -> tuple[float, float]:
    """(1 - q / 2 q_0, its standard error): .5 in expectation where nothing is memorised, 1 where every sample is a copy.

    to_train, to_heldout (n,): `nearest` of the same samples in the two whole sets; sizes: of these, N and M. A tie counts
    half, which is right for an image that stands once in either set. An estimate: chance takes it to either side of .5, and
    below 0 where held-out data were copied. The error is that of n independent new samples; where few held-out images are
    nearest to many samples the true one is larger.
    """
    of_train, of_heldout = sizes
    chance = of_heldout / (of_train + of_heldout)
    share = float(((to_heldout < to_train).double() + 0.5 * (to_heldout == to_train).double()).mean())
    error = (chance * (1 - chance) / len(to_train)) ** 0.5
    return 1 - share / (2 * chance), error / (2 * chance)
