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

    Both on one device, of one shape, scale and dtype, pixels or floats; all references are searched. mirrored: the mirror
    images of the samples, last axis reversed, are searched for too. The search is in float32, and the distance of what it
    found exact, so that a copy is at 0 and a tie is one. Raises ValueError on shapes that do not fit.
    """
    if samples.shape[1:] != references.shape[1:]:
        raise ValueError(f"samples of shape {tuple(samples.shape[1:])} against {tuple(references.shape[1:])}")
    rows = references.flatten(1)
    middle = rows[:CHUNK].float().mean().round()  # the rounding of squares grows with their size
    found = torch.cat([_nearest(part.flatten(1), rows, middle) for part in torch.split(samples, CHUNK)])
    return torch.minimum(found, nearest(samples.flip(-1), references)) if mirrored else found


def _nearest(samples: Tensor, references: Tensor, middle: Tensor) -> Tensor:
    part = samples.float() - middle
    least = torch.full((len(part),), torch.inf, device=part.device)
    index = torch.zeros(len(part), dtype=torch.long, device=part.device)
    for start in range(0, len(references), BLOCK):
        block = references[start:start + BLOCK].float() - middle
        near, where = torch.addmm(block.square().sum(1), part, block.T, alpha=-2).min(1)
        index = torch.where(near < least, where + start, index)
        least = torch.minimum(near, least)
    return (samples.double() - references[index].double()).square().mean(1).sqrt()


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
