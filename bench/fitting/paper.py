"""A training on paper: the one that an experiment would be, on tensors that have shapes and no numbers."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from bench.data import Dataset
from bench.nets import Backbone
from bench.training import Recipe, Trainer
from methods.base import Method, TeacherVelocity

META = torch.device("meta")


def on_paper(method: Method, backbone: Backbone, recipe: Recipe) -> Trainer:
    """The training of a method on images of the backbone's shape; the backbone's networks are on "meta"."""
    needs, shape = method.needs, backbone.shape
    nets = [backbone.net().requires_grad_(False) for _ in range(needs.teacher + needs.weak_teacher)]
    teachers = [*(_velocity(net) for net in nets), None, None]
    with META:
        images = torch.empty((1, *shape), dtype=torch.uint8)
        paths = torch.empty((1, 1 + len(needs.trajectories.kept), *shape)) if needs.trajectories else None
    classes = int(backbone.options.get("classes", 0))
    labels = torch.tensor([classes - 1]) if classes else None
    return Trainer(
        method, method.build(backbone), Dataset("paper", "images", shape, images, images, "0" * 64, labels, flip=True),
        replace(recipe, logs=0, checkpoints=0, milestones=0), 0, META, None, teachers[0],
        {"net": nets[0]} if nets else {}, conditional=bool(classes), frozen=nets, trajectories=paths,
        weak_teacher=teachers[1] if needs.weak_teacher else None,
    )  # fmt: skip


def _velocity(net: nn.Module) -> TeacherVelocity:
    def b(x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        out: Tensor = net(x, t, t, condition=condition)
        return out

    return b
