"""How much of the samples is realistic, and how much of the data they reach, by balls around nearest neighbours.

A ball around each point reaches to its k-th nearest neighbour in its own set, closed. With R_k(real) those of the data:

    precision  share of samples in some ball of the data, k = 3        recall    the same with the roles exchanged
    density    mean over samples of (balls they lie in) / k, k = 5     coverage  share of the data's balls with a sample, k = 5

References: Kynkäänniemi et al. (arXiv 1904.06991); Naeem et al. (arXiv 2002.09797). All depend on the numbers of samples:
compare them at equal ones.
"""

import torch
from torch import Tensor

from bench.metrics.distances import CHUNK, squared

K_PRECISION, K_DENSITY = 3, 5


def precision_recall_density_coverage(samples: Tensor, real: Tensor) -> dict[str, float]:
    """The four, by name, of features (n, d) and (m, d), more than K_DENSITY of each. One pass over the n x m distances."""
    if samples.shape[1] != real.shape[1]:
        raise ValueError(f"the two sides have {samples.shape[1]} and {real.shape[1]} features; compare the same feature set")
    if min(len(samples), len(real)) <= K_DENSITY:
        raise ValueError(f"{len(samples)} samples and {len(real)} real ones: a {K_DENSITY}th neighbour needs more of each")
    near_real = radii(real, (K_PRECISION, K_DENSITY))
    (near_sample,) = radii(samples, (K_PRECISION,))
    precise, balls = (torch.zeros((), dtype=torch.float64, device=real.device) for _ in range(2))
    recalled, covered = (torch.zeros(len(real), dtype=torch.bool, device=real.device) for _ in range(2))
    for part, reach in zip(torch.split(samples, CHUNK), torch.split(near_sample, CHUNK), strict=True):
        distance = squared(part, real)
        inside = distance <= near_real[1]
        precise += (distance <= near_real[0]).any(1).sum()
        balls += inside.sum()
        covered |= inside.any(0)
        recalled |= (distance <= reach[:, None]).any(0)
    found = {
        "precision": precise / len(samples), "recall": recalled.double().mean(),
        "density": balls / (K_DENSITY * len(samples)), "coverage": covered.double().mean(),
    }  # fmt: skip
    return dict(zip(found, torch.stack(list(found.values())).cpu().tolist(), strict=True))


def radii(x: Tensor, ks: tuple[int, ...]) -> list[Tensor]:
    """For each k the squared distances (n,) from the rows of x (n, d) to their k-th nearest other row."""
    near = torch.cat([squared(part, x).topk(max(ks) + 1, dim=1, largest=False).values for part in torch.split(x, CHUNK)])
    return [near[:, k] for k in ks]
