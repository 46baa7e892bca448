"""Small archives in the layouts of official data sets."""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture in colour that small changes of a filter change a little."""
    y, x = np.mgrid[:height, :width] / 32
    a, b, c = np.random.RandomState(seed).rand(3) * 6
    planes = [np.sin(x + a) * np.cos(y), np.sin(y + b) + 0 * x, np.cos(x + y + c)]
    return (127.5 + 100 * np.stack(planes, -1) / 2).astype(np.uint8)


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **({"quality": 95} if kind == "JPEG" else {"compress_level": 1}))
    return file.getvalue()


def batches(folder: Path, side: int, count: int = 40, heldout: int = 6, files: int = 10, **odd: object) -> Path:
    """Down-sampled ImageNet as pickled: `count` training images in `files` batches, and val_data."""
    folder.mkdir(parents=True, exist_ok=True)
    data, labels = pixels(count, 3 * side * side), np.arange(count) % 1000 + 1
    for i, rows in enumerate(np.array_split(np.arange(count), files), 1):
        batch = {"data": data[rows], "labels": labels[rows].tolist(), "mean": data.mean(0), **odd}
        (folder / f"train_data_batch_{i}").write_bytes(pickle.dumps(batch, protocol=(2, 3, 4, 5)[i % 4]))
    held = {"data": pixels(heldout, 3 * side * side, seed=1), "labels": list(range(1, heldout + 1))}
    (folder / "val_data").write_bytes(pickle.dumps(held))
    return folder


def zipped(path: Path, files: Mapping[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def spilled(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def photographs(classes: int = 4, each: int = 5) -> dict[str, bytes]:
    """Full-size images of ImageNet by class, of several sizes."""
    sizes = [(150, 200), (64, 90), (300, 280), (97, 301), (130, 128)]
    return {f"n{c:08d}/n{c:08d}_{i}.JPEG": encoded(smooth(*sizes[i % 5], seed=10 * c + i), "JPEG")
            for c in range(1, classes + 1) for i in range(each)}  # fmt: skip


def ilsvrc(folder: Path) -> Path:
    """The two tars of ImageNet: of training images one of tars, of validation images a flat one."""
    inner = {}
    for name, content in photographs().items():
        inner.setdefault(name.split("/")[0], {})[name.split("/")[1]] = content
    tars = {f"{synset}.tar": tarred(folder / "x" / f"{synset}.tar", files).read_bytes() for synset, files in inner.items()}
    for made in (folder / "x").iterdir():
        made.unlink()
    (folder / "x").rmdir()
    tarred(folder / "ILSVRC2012_img_train.tar", tars)
    held = {f"ILSVRC2012_val_{i:08d}.JPEG": encoded(smooth(90, 80, i), "JPEG") for i in range(4)}
    tarred(folder / "ILSVRC2012_img_val.tar", held)
    return folder


def faces(folder: Path, parts: Iterable[int] = (0,) * 20 + (1,) * 3 + (2,) * 4) -> Path:
    """CelebA: img_align_celeba.zip and the partition."""
    parts = list(parts)
    names = [f"{i:06d}.jpg" for i in range(1, len(parts) + 1)]
    files = {f"img_align_celeba/{name}": encoded(smooth(218, 178, i), "JPEG") for i, name in enumerate(names)}
    zipped(folder / "img_align_celeba.zip", files, zipfile.ZIP_STORED)
    (folder / "list_eval_partition.txt").write_text("".join(f"{n} {p}\n" for n, p in zip(names, parts, strict=True)))
    return folder


@lru_cache
def animal(seed: int) -> bytes:
    return encoded(smooth(512, 512, seed))


def animals(train: int = 7, test: int = 2) -> dict[str, bytes]:
    """AFHQ v2's folders."""
    return {f"{part}/{kind}/{i:04d}.png": animal(100 * k + i + 50 * (part == "test"))
            for part, count in (("train", train), ("test", test)) for k, kind in enumerate(("cat", "dog", "wild"))
            for i in range(count)}  # fmt: skip
