"""CIFAR-10 as torchvision keeps it, before torchvision is there to ask: whether its files are whole."""

import hashlib
from pathlib import Path

from bench.config import ConfigError

FOLDER = "cifar-10-batches-py"
MD5 = {  # torchvision's own
    "data_batch_1": "c99cafc152244af753f735de768cd75f", "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751", "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb", "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}  # fmt: skip


def missing(root: str) -> str:
    """The first file that is not there; "" where all are. Raises ConfigError for one that is damaged."""
    for name, md5 in MD5.items():
        file = Path(root).expanduser() / FOLDER / name
        if not file.is_file():
            return str(file)
        with open(file, "rb") as content:
            if hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() != md5:
                raise refused(root, False, f"{file} is damaged")
    return ""


def refused(root: str, download: bool, why: str) -> ConfigError:
    """The error of CIFAR-10 that cannot be had."""
    what = "could not be downloaded" if download else "is not there, or not whole"
    way = "mend the network or choose another data.root" if download else "add data.download=true to fetch it (170 MB)"
    return ConfigError(f"data.root={root}: CIFAR-10 {what} ({why}); {way}, put torchvision's cifar-10-batches-py there, or "
                       "give your own images with data=arrays data.path=FILE.npy")
