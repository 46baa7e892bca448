"""Statistics files of others, in clean-fid's convention: mu (width,) and sigma (width, width), a mean and a covariance."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from bench.config import ConfigError
from bench.data import DAMAGED, file_hash

KEY = "evaluation.statistics"
ROUNDED = 1e-5  # of the largest variance: what float32 and other people's summing leave of symmetry and of zeros


def moments(path: str | Path, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(mu, sigma) in float64 of a .npz file. Each content is checked once in a process.

    Raises ConfigError naming the file for another number of features than `width`, and for what is no mean and covariance:
    other shapes, NaN, a sigma that is not symmetric or has a negative variance in some direction.
    """
    return _checked(Path(path).expanduser(), file_hash(KEY, path), width)


@lru_cache(maxsize=2)
def _checked(path: Path, content: str, width: int) -> tuple[np.ndarray, np.ndarray]:
    mean, cov = _read(path)
    where, again = f"{KEY}={path}", "fetch it again, or make it from features with np.cov(features, rowvar=False)"
    for name, array, ndim in (("mu", mean, 1), ("sigma", cov, 2)):
        if array.dtype.kind not in "iuf" or array.ndim != ndim:
            raise ConfigError(f"{where}: {name} is {array.dtype} {array.shape}, and statistics are numbers, mu (width,) and "
                              f"sigma (width, width); {again}")
    if cov.shape != (len(mean), len(mean)):
        raise ConfigError(f"{where}: mu has {len(mean)} features, and sigma is {cov.shape}; {again}")
    if len(mean) != width:
        raise ConfigError(f"{where} was made from {len(mean)} features, and this protocol's are {width}: statistics of "
                          "another network; choose the protocol that they belong to")
    mean, cov = mean.astype(np.float64), cov.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(cov).all()):
        raise ConfigError(f"{where} holds NaN or infinity; {again}")
    slack = ROUNDED * float(np.abs(cov).max())
    if (gap := float(np.abs(cov - cov.T).max())) > slack:
        raise ConfigError(f"{where}: sigma is not symmetric (entries differ by up to {gap:.3g}) and no covariance; {again}")
    if (least := float(np.linalg.eigvalsh(cov)[0])) < -slack:
        raise ConfigError(f"{where}: sigma is no covariance, its least eigenvalue is {least:.3g}; {again}")
    return mean, cov


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    where = f"{KEY}={path}"
    try:
        with np.load(path, allow_pickle=False) as stored:
            if missing := [name for name in ("mu", "sigma") if name not in stored]:
                raise ConfigError(f"{where} has no {' and no '.join(missing)}; it holds {', '.join(stored.files)}, and "
                                  "statistics are mu (width,) and sigma (width, width)")
            return stored["mu"], stored["sigma"]
    except ConfigError:
        raise
    except (*DAMAGED, AttributeError, TypeError) as error:
        why = str(error).split("\n")[0]
        raise ConfigError(f"{where} is not a readable .npz file ({why}); fetch it again") from error
