"""What a network is told of a sample besides its times: its class, and what augmentation did to its image.

`condition` is None, class indices int64 (B,), or numbers (B, classes + augment): one-hot labels, and behind them what
augmentation did. Zeros are the null of both, no class and an image as it is, which samples are; None is all zeros. Of indices
the null class is the one behind the last, `classes`.
"""

import torch.nn.functional as F
from torch import Tensor


def told(condition: Tensor | None, classes: int, augment: int, like: Tensor) -> Tensor:
    """`condition` as numbers (B, classes + augment); rows, dtype and device of `like` (B,).

    Raises ValueError for labels that the network was not built for.
    """
    if condition is None:
        return like.new_zeros(len(like), classes + augment)
    if not condition.is_floating_point():
        if not classes:
            raise ValueError("the network was built without classes (backbone.classes=0) and got class labels")
        return F.pad(one_hot(condition, classes), (0, augment)).to(like.dtype)
    if tuple(condition.shape) != (len(like), classes + augment):
        raise ValueError(
            f"condition must be (B, classes + augment) = ({len(like)}, {classes} + {augment}) for this network, "
            f"and has shape {tuple(condition.shape)}: see backbone.classes and backbone.augment"
        )
    return condition.to(like.dtype)


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """(B, classes), zeros for the null class."""
    return F.one_hot(labels, classes + 1)[:, :classes]
