"""What a network is told of a sample besides its times: its class, what augmentation did to its image, the scale of guidance.

`condition` is None, class indices int64 (B,), or numbers (B, classes + augment): one-hot labels, and behind them what
augmentation did. Zeros are the null of both, no class and an image as it is, which samples are; None is all zeros. Of indices
the null class is the one behind the last, `classes`. A network that is told a scale of guidance (`Backbone.scaled`) has it as a
last number behind either; without numbers its scale is 1.
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


def parted(condition: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """`condition` of a network that is told a scale, without it, and the scale (B,) or None, which is 1."""
    if condition is None or not condition.is_floating_point():
        return condition, None
    of_class, scale = condition[:, :-1], condition[:, -1]
    return (of_class[:, 0].long() if of_class.shape[1] == 1 else of_class), scale


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """(B, classes), zeros for the null class."""
    return F.one_hot(labels, classes + 1)[:, :classes]
