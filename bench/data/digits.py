"""scikit-learn's 1,797 real handwritten digits, 8 x 8 in 17 grey levels: they come with the library, no network needed."""

import torch

from bench.data.dataset import Dataset, content_hash
from bench.data.split import held_out_split

HELD_OUT = 597


def load(name: str = "digits") -> Dataset:
    """1,200 for training and 597 held out, split by a fixed shuffle."""
    from sklearn.datasets import load_digits

    stored = load_digits()
    images = torch.from_numpy(stored.images).to(torch.uint8)[:, None]
    labels = torch.from_numpy(stored.target).long()
    train, held = (torch.from_numpy(i) for i in held_out_split(len(images), HELD_OUT))
    return Dataset(
        name, "images", (1, 8, 8), images[train], images[held], content_hash(images[train], images[held]),
        labels[train], labels[held], levels=16,
    )
