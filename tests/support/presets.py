"""The published settings behind each preset, key by key, each with its source.

`PUBLISHED[preset]`: what the authors' paper or code states. `OURS[preset]`: settings that no source states, or that differ
knowingly, with the reason. The two together hold every key that a preset's file sets.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where values are from, and the values by their dotted keys."""

    source: str
    values: dict[str, Any]


def train(**values: Any) -> dict[str, Any]:
    return {f"train.{key}": value for key, value in values.items()}


SELF_CODE = "Boffi et al. 2025, code regularized-loss-flow-maps: py/configs, py/common/edm2_net.py"
SELF = train(
    optimizer="radam", lr=1e-2, betas=[0.9, 0.999], schedule="sqrt", warmup=0.0, clip=1.0, ema=[0.9999, 0.999], ema_rise=False,
    augment="none",
) | {"data.flip": False, "interpolant.base_scale": 0.5, "backbone.time_scale": 1.0, "backbone.data_scale": 0.5}  # fmt: skip
SELF_RULE = Source("the paper's Table 1 and its code: 50,000 samples of one key, floats; best checkpoint of each step count", {
    "evaluation.protocol": "flow-maps-jax", "evaluation.count": 50_000, "evaluation.steps": [1, 2, 4, 8, 16],
    "evaluation.seeds": [0],
})
WIDE = {"backbone.channels": 128, "backbone.multipliers": [1, 2, 3, 4], "backbone.blocks": 3, "backbone.attention": [16, 8],
        "backbone.dropout": 0.0, "train.precision": "bf16"}
CIFAR_NET = {"backbone.channels": 128, "backbone.multipliers": [2, 2, 2], "backbone.blocks": 4, "backbone.attention": [16]}
EDM_CODE = "Karras et al. 2022, code NVlabs/edm: train.py, training/training_loop.py, training/augment.py; README"
EDM = CIFAR_NET | train(
    optimizer="adam", lr=1e-3, betas=[0.9, 0.999], schedule="constant", warmup_images=10_000_000, ema=[500_000],
    ema_rule="half_life", ema_rise=True, augment="geometric", augment_share=0.12, precision="float32",
) | {"backbone.dropout": 0.13, "backbone.augment": 9, "budget.images": 200_000_000, "budget.batch": 512}  # fmt: skip
EDM_RULE = Source("the paper: 50,000 samples of each of three draws, 18 steps of Heun", {
    "evaluation.protocol": "legacy-tensorflow", "evaluation.count": 50_000, "evaluation.steps": [18],
    "evaluation.seeds": [0, 1, 2],
})
UNCLIPPED = Source("the code replaces gradients that are no numbers, and clips none by their norm", {"train.clip": 0.0})
FAMILY = Source("FID of 50,000 samples by EDM's code, one and two steps", {
    "evaluation.protocol": "legacy-tensorflow", "evaluation.count": 50_000, "evaluation.steps": [1, 2], "evaluation.seeds": [0],
})
TUNED = Source("two steps stop at the paper's noise level", {"evaluation.grid": "papers"})
FROM_EDM = {"teacher.method": "edm", "teacher.preset": "edm", "backbone.augment": 9}
SCM_CODE = "Lu & Song 2024, Appendices F and G, CIFAR-10"
SCM = CIFAR_NET | train(
    optimizer="radam", lr=1e-4, betas=[0.9, 0.99], schedule="constant", warmup=0.0, ema=[500_000], ema_rule="half_life",
) | {"budget.images": 204_800_000, "budget.batch": 512}  # fmt: skip
PLAIN = train(schedule="constant", warmup=0.0, ema_rise=False)

PUBLISHED: dict[str, list[Source]] = {
    "self_distillation/cifar10": [SELF_RULE, Source(SELF_CODE, SELF | CIFAR_NET | {
        "backbone.dropout": 0.13, "budget.images": 204_800_000, "budget.batch": 512, "train.decay_after": 35_000 * 512,
        "train.precision": "float32",
    })],
    "self_distillation/celeba64": [SELF_RULE, Source(SELF_CODE, SELF | WIDE | {
        "budget.images": 204_800_000, "budget.batch": 512, "train.decay_after": 35_000 * 512,
    })],
    "self_distillation/afhq64": [SELF_RULE, Source(SELF_CODE, SELF | WIDE | {
        "budget.images": 204_800_000, "budget.batch": 256, "train.decay_after": 35_000 * 256,
    })],
    "flow_map_matching/cifar10": [Source("Boffi et al. 2024, code flow_map_matching_public: its optimiser and average", train(
        optimizer="radam", clip=1.0, ema=[0.9999], ema_rise=False,
    ) | {"backbone.dropout": 0.0})],
    "edm": [Source(EDM_CODE, EDM), EDM_RULE, UNCLIPPED],
    "edm_ncsnpp": [Source(EDM_CODE, EDM | {"backbone.fourier_scale": 16.0}), EDM_RULE, UNCLIPPED],
    "ect": [FAMILY, TUNED, UNCLIPPED, Source("Geng et al. 2024, code ect: README, run_ecm.sh", CIFAR_NET | PLAIN | train(
        optimizer="radam", lr=1e-4, betas=[0.9, 0.999], ema=[0.9999], augment="none",
    ) | {"budget.images": 25_600_000, "budget.batch": 128, "backbone.dropout": 0.2, "data.flip": False, **FROM_EDM,
         "method.pretrained": True})],
    "ict": [FAMILY, TUNED, Source("Song & Dhariwal 2023; dropout, average and batch recalled, Fourier scale from others' code",
        CIFAR_NET | PLAIN | train(optimizer="radam", lr=1e-4, ema=[0.99993])
        | {"budget.images": 409_600_000, "budget.batch": 1024, "backbone.dropout": 0.3, "backbone.fourier_scale": 0.02})],
    "cm": [FAMILY, Source("Song et al. 2023, code consistency_models_cifar10: configs, launch.sh", CIFAR_NET | PLAIN | train(
        optimizer="radam", lr=4e-4, ema=[0.9999],
    ) | {"budget.images": 409_600_000, "budget.batch": 512, "backbone.dropout": 0.0, "backbone.fourier_scale": 16.0})],
    "ctm": [Source("Kim et al. 2023, code sony/ctm", CIFAR_NET | PLAIN | train(lr=4e-4) | FROM_EDM | {
        "budget.batch": 256, "backbone.dropout": 0.0,
    })],
    "meanflow": [FAMILY, Source("Geng et al. 2025, code py-meanflow: its CIFAR-10 script", CIFAR_NET | train(
        optimizer="adam", lr=6e-4, betas=[0.9, 0.999], schedule="constant", warmup_images=200 * 50_000,
        ema=[0.9999, 0.99995, 0.9996], ema_rise=False, ema_every=16, augment="mild", augment_share=0.12, precision="tf32",
    ) | {"budget.images": 819_200_000, "budget.batch": 1024, "backbone.dropout": 0.2, "backbone.augment": 6,
         "backbone.resampling": "binomial", "evaluation.rounding": "floor"})],
    "sct": [FAMILY, TUNED, Source(SCM_CODE, SCM | {"backbone.dropout": 0.2, "method.pretrained": True})],
    "scd": [FAMILY, TUNED, Source(SCM_CODE, SCM | {"backbone.dropout": 0.0})],
    "tcm": [FAMILY, TUNED, Source("Lee et al. 2024, code NVlabs/TCM: second stage", CIFAR_NET | PLAIN | train(
        optimizer="radam", lr=5e-5,
    ) | {"budget.batch": 1024, "method.pretrained": True, **FROM_EDM})],
    "imm": [FAMILY, TUNED, Source("Zhou et al. 2025, Table of settings, CIFAR-10", CIFAR_NET | train(
        optimizer="radam", lr=1e-4, ema=[0.9999], augment="geometric", precision="tf32",
    ) | {"budget.images": 1_638_400_000, "budget.batch": 4096, "backbone.dropout": 0.2, "interpolant.base_scale": 0.5})],
}  # fmt: skip

CHUNK = Source("rows of a sampler's call: a matter of memory", {"evaluation.chunk": 500})
OURS: dict[str, list[Source]] = {
    "self_distillation/cifar10": [CHUNK],
    "self_distillation/celeba64": [CHUNK],
    "self_distillation/afhq64": [CHUNK],
    "flow_map_matching/cifar10": [CHUNK, Source("no public source", train(
        lr=1e-3, schedule="cosine", warmup_images=1_280_000,
    ) | {"budget.images": 51_200_000, "budget.batch": 256, "evaluation.protocol": "legacy-pytorch", "evaluation.count": 50_000,
         "evaluation.steps": [1, 2, 4, 8, 16], "evaluation.seeds": [0]})],
    "edm": [CHUNK],
    "edm_ncsnpp": [CHUNK],
    "ect": [CHUNK],
    "ict": [CHUNK, Source("not stated: none", {"train.clip": 0.0})],
    "cm": [CHUNK, UNCLIPPED, Source("theirs is an NCSN++ of their own training; this is EDM's", {
        "teacher.method": "edm", "teacher.preset": "edm_ncsnpp", "backbone.augment": 9,
    })],
    "ctm": [CHUNK, UNCLIPPED, Source("not read", train(optimizer="radam", ema=[0.999]) | {
        "budget.images": 25_600_000, "evaluation.protocol": "legacy-tensorflow", "evaluation.count": 50_000,
        "evaluation.steps": [1, 2, 18], "evaluation.seeds": [0],
    })],
    "meanflow": [CHUNK, UNCLIPPED],
    "sct": [CHUNK, UNCLIPPED, Source("theirs is a TrigFlow teacher", FROM_EDM)],
    "scd": [CHUNK, UNCLIPPED, Source("theirs is a TrigFlow teacher", FROM_EDM)],
    "tcm": [CHUNK, UNCLIPPED, Source("read in its first stage's code (ECT)", {
        "train.ema": [0.9999], "backbone.dropout": 0.2, "data.flip": False, "budget.images": 409_600_000,
    })],
    "imm": [CHUNK, UNCLIPPED, Source("not stated", PLAIN | {"backbone.augment": 9, "train.augment_share": 0.12})],
}  # fmt: skip
