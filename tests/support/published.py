"""The published defaults of every method, knob by knob, each with its source.

`PUBLISHED` holds what the authors state; numbers on a paper's own clock are turned here (a logit's mean changes sign where
the paper has noise at t = 1). `OURS` holds what no source states: a choice of this benchmark, with its reason. Every knob of
every method stands in one of the two. "paper" is its text, "code" the authors' repository; what could be read in other
people's reproductions only says "unverified".
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Source:
    """Where numbers are from, and the numbers by the path of their knob ("pairs.n")."""

    source: str
    values: dict[str, Any]


EDM_GRID = {"sigma_min": 0.002, "sigma_max": 80.0, "rho": 7.0}


def within(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Knobs of a nested law."""
    return {f"{name}.{key}": value for key, value in values.items()}


def curve(name: str, noisy: float, clean: float) -> dict[str, Any]:
    """A part of EDM's grid."""
    return {name: "Curve", **within(name, {"noisy": noisy, "clean": clean})}


def turned(mean: float) -> float:
    """The mean of a logit on our clock, of a paper's that has noise at t = 1."""
    return -mean


CM_CODE = "Song et al. 2023, code consistency_models_cifar10: launch.sh, configs/cifar10_ve_*.py; grid of EDM"
ECT_LAW = {"pairs.mean": -1.1, "pairs.std": 2.0, "pairs.q": 2.0, "pairs.k": 8.0, "pairs.b": 1.0}
SELF = {"eta": 0.75, "learned_weight": True, "anneal": 0.0}
SELF_SOURCE = "Boffi et al. 2025, paper: Table 2, eqs. 19 and 94, Appendix F.2 (annealing is unused)"
SCM = {"mean": -1.0, "std": 1.4, "warmup": 10_000 / 400_000, "normalise": True, "c": 0.1, "learned_weight": True}
SCM_SOURCE = "Lu & Song 2024, paper: Appendices E to G, CIFAR-10; two steps pass the angle 1.1, sigma = .5 tan 1.1"
CTM = Source("Kim et al. 2023, code sony/ctm: cm/script_util.py (cifar10), cm/resample.py", {
    "n": 18, **EDM_GRID, "teacher_solver": "heun", "target_ema": 0.999, "balance": True, "denoising": 1.0, "mean": -1.2,
    "std": 1.2, "reach": 0.7, "sigma_data": 0.5, "initialise": True,
})  # fmt: skip
SID = {
    "sigma_init": 2.5, "every": 1, **curve("levels", 0.2, 1.0), "fake_levels": "LogNormal", "fake_levels.mean": -1.2,
    "fake_levels.std": 1.2, "sigma_data": 0.5, "alpha": 1.2, "initialise": True,
}  # fmt: skip
SID_CODE = "Zhou et al. 2024, code mingyuanzhou/SiD: training/sid_loss.py, run_sid.sh (tmax 800 of 1000 from the small side)"
AYF_LAW = {"warmup_end": 0.99, "normalise": True, "c": 0.1}
AYF_SOURCE = "Sabour et al. 2025, paper: Section 3.4"

PUBLISHED: dict[str, list[Source]] = {
    "alphaflow": [Source("Zhang et al. 2025, code snap-research/alphaflow: loss.py, experiments-alphaflow.yaml (B/2)", {
        "eta": 0.25, "power": 1.0, "floor": 1e-3, "clip": 4.0, "gamma": 25.0, "fall_start": 0.0, "fall_end": 1.0, "snap": 0.005,
        "time_law": "LogitNormal", "time_law.mean": turned(-0.4), "time_law.std": 1.0,
    })],
    "ayf_emd": [Source(AYF_SOURCE, AYF_LAW)],
    "ayf_lmd": [Source(AYF_SOURCE, AYF_LAW)],
    "cd": [Source(CM_CODE + "; the CIFAR-10 configuration has no target_ema", {
        "pairs": "KarrasPairs", "pairs.n": 18, **within("pairs", EDM_GRID), "sigma_max": 80.0, "solver": "heun",
        "target_ema": 0.0, "initialise": True,
    })],
    "cmt": [
        Source("Hu et al. 2025, code sony/cmt: run_cmt_cifar.sh, run_cmt+ecm_cifar.sh (38.4 M and 12.8 M images)", {
            "first_share": 384 / (384 + 128), "points": 16, "sigma_max": 80.0, "sigma_min": 0.002, "pretrained": True,
            "pairs": "EasyPairs", **ECT_LAW, "pairs.q": 4096.0,
        }),
        Source("Hu et al. 2025, code sony/cmt: training/loss.py, ECT's; the schedule's doubling is never reached", {
            "distance": "norm", "pairs.doublings": 1,
        }),
    ],
    "consistency_fm": [
        Source("Yang et al. 2024, code consistency_flow_matching: configs/consistencyfm/cifar10_gaussian_ddpmpp.py", {
            "segments": 2, "delta": 1e-3, "boundary": 0.9, "alpha": 1e-5,
        }),
        Source("Yang et al. 2024, code consistency_flow_matching: README, 100k steps of each phase", {"first_share": 0.5}),
    ],
    "ct": [Source(CM_CODE, {
        "pairs": "GrowingPairs", "pairs.start": 2, "pairs.end": 150, **within("pairs", EDM_GRID), "sigma_max": 80.0,
        "mu_0": 0.9,
    })],
    "contrastive": [Source("Stoica et al. 2025, paper: lambda; t is uniform", {
        "weight": 0.05, "time_law": "Uniform", "time_law.low": 0.0, "time_law.high": 1.0,
    })],
    "ctm": [CTM],
    "ctm_gan": [CTM, Source("Kim et al. 2023, code sony/ctm: README (10k to 50k steps without, then 30k or more)", {
        "onset": 0.5, "critic": 1.0,
    })],
    "curvature": [
        Source("Lee et al. 2023, code sangyun884/fast-ode: README (CIFAR-10, MNIST, FFHQ)", {"beta": 20.0}),
        Source("Lee et al. 2023, code sangyun884/fast-ode: flows.py, t is uniform", {
            "time_law": "Uniform", "time_law.low": 0.0, "time_law.high": 1.0,
        }),
    ],
    "decoupled_meanflow": [Source("Lee et al. 2025, code kyungmnlee/dmf: README (ImageNet 256), loss.py", {
        "velocity_law": "LogitNormal", "velocity_law.mean": 0.0, "velocity_law.std": 1.0,
        "first_law": "LogitNormal", "first_law.mean": turned(0.4), "first_law.std": 1.0,
        "second_law": "LogitNormal", "second_law.mean": turned(-1.2), "second_law.std": 1.0,
        "floor": 0.01, "cauchy": True, "initialise": True,
    })],
    "dmd2": [Source("Yin et al. 2024, paper: five updates of the fake to one; code tianweiy/DMD2 and NVlabs/FastGen", {
        "every": 5, **curve("levels", 0.02, 0.98), **curve("fake_levels", 0.0, 1.0), "sigma_init": 80.0, "sigma_data": 0.5,
        "initialise": True,
    })],
    "drifting": [Source("Deng et al. 2026, code lambertae/drifting: drift_loss.py, samples and positives of a class", {
        "particles": 64, "temperatures": [0.02, 0.05, 0.2], "floor": 1e-6,
    })],
    "dsno": [Source("Zheng et al. 2022, code DSNO-pytorch: configs/cifar10-dsno-t4.yaml, train_cifar.py", {
        "slots": 4, "modes": 2, "spacing": "quadratic", "weight_cap": 1e4, "initialise": True,
    })],
    "ect": [Source("Geng et al. 2024, code locuslab/ect: ct_train.py, run_ecm.sh (25.6 M images, a doubling every 3.2 M)", {
        "pairs": "EasyPairs", **ECT_LAW, "pairs.doublings": 8, "distance": "norm", "sigma_max": 80.0,
    })],
    "edm": [Source("Karras et al. 2022, paper: Table 1", {
        "solver": "heun", "levels": "LogNormal", "levels.mean": -1.2, "levels.std": 1.2, "sigma_data": 0.5, **EDM_GRID,
    })],
    "emd": [Source("Boffi et al. 2024, paper: the loss is taken whole (2505.18825, eq. 28)", {"stop_gradient": False})],
    "esd": [Source(SELF_SOURCE, {**SELF, "stop_gradient": "full"})],
    "esc": [
        Source("Lin et al. 2025, code ExplicitShortCut: loss/esc_loss.py, scripts/README.md (B/2; ratio of r != t: .25)", {
            "eta": 1 - 0.25, "power": 1.0, "floor": 1e-3, "time_law": "LogitNormal", "time_law.mean": turned(-0.4),
            "time_law.std": 1.0, "plug_in": 0.5, "learned_weight": True,
        }),
        Source("Lin et al. 2025, code ExplicitShortCut: scripts/README.md (20k steps; 240 epochs in batches of 512)", {
            "curriculum": round(20_000 / (240 * 1_281_167 / 512), 3),
        }),
    ],
    "facm": [Source("Peng et al. 2025, code ali-vilab/FACM: losses.py, scripts/train.sh (ImageNet; CIFAR-10's is not public)", {
        "mean": -0.8, "std": 1.6, "power": 0.5, "floor": 1e-3, "clamp": 1.0, "relax": 0.5, "cosine": 1.0, "initialise": True,
    })],
    "flow_matching": [Source("Lipman et al. 2022, paper: t is uniform", {
        "time_law": "Uniform", "time_law.low": 0.0, "time_law.high": 1.0,
    })],
    "fmm": [Source("Boffi et al. 2024, paper: Proposition 3.11, both terms alike", {"inversion": 1.0})],
    "ict": [Source("Song & Dhariwal 2023, paper: Table 1", {
        "pairs": "DoublingPairs", "pairs.start": 10, "pairs.end": 1280, "pairs.mean": -1.1, "pairs.std": 2.0,
        **within("pairs", EDM_GRID), "sigma_max": 80.0, "c": None, "distance": "norm",  # None: .00054 sqrt(D)
    })],
    "gaf": [
        Source("Issenhuth et al. 2024, code consistency_GC: configs/cifar10_GC_mix50.yaml", {
            "pairs": "DoublingPairs", "pairs.start": 10, "pairs.end": 1280, "pairs.sigma_min": 0.002, "pairs.sigma_max": 80.0,
            "sigma_max": 80.0, "generated": 0.5, "generator_ema": 0.9999,
        }),
        Source("Song & Dhariwal 2023, paper: Table 1, which it builds on", {
            "pairs.mean": -1.1, "pairs.std": 2.0, "pairs.rho": 7.0, "c": None, "distance": "norm",
        }),
    ],
    "imf": [Source("Geng et al. 2025, code imeanflow: imf.py, default.py", {
        "eta": 0.5, "tangent": "own", "velocity": 1.0, "power": 1.0, "floor": 0.01,
        "time_law": "LogitNormal", "time_law.mean": turned(-0.4), "time_law.std": 1.0,
    })],
    "imm": [Source("Zhou et al. 2025, paper: CIFAR-10 settings; code lumalabs/imm: configs/cifar10_generate_images.yaml", {
        "particles": 4, "edge": 0.006, "gap": 15, "b": 5.0, "power": 1.0, "kernel": "laplace",
    })],
    "lmd": [Source("Boffi et al. 2025, paper: eq. 27 recommends the cut", {"stop_gradient": True})],
    "lsd": [Source(SELF_SOURCE, {**SELF, "stop_gradient": "convex"})],
    "meanflow": [Source("Geng et al. 2025, paper: CIFAR-10; code py-meanflow: scripts/cifar10_v0.sh (ratio of r != t: .75)", {
        "eta": 1 - 0.75, "power": 0.75, "floor": 1e-3,
        "time_law": "LogitNormal", "time_law.mean": turned(-2.0), "time_law.std": 2.0, "omega": 1.0, "kappa": 0.0,
    })],
    "multistep_cm": [Source("unverified: recalled of Heek et al. 2024; eight steps are the abstract's", {
        "segments": 8, "start": 64, "end": 1280, "spacing": "cosine",
    })],
    "pfmm": [],
    "progressive": [
        Source("Salimans & Ho 2022, paper: Section 5.2, from 8192 steps; 100k updates for 2 and 1 steps, 50k else", {
            "start": 8192 // 2, "last_rounds_weight": 100 / 50,
        }),
        Source("Salimans & Ho 2022, code diffusion_distillation: config/cifar_distill.py", {
            "weighting": "truncated_snr", "spacing": "cosine",
        }),
    ],
    "psd_m": [Source(SELF_SOURCE, {**SELF, "stop_gradient": "convex", "uniform": False})],
    "psd_u": [Source(SELF_SOURCE, {**SELF, "stop_gradient": "convex", "uniform": True})],
    "re_meanflow": [Source("Zhang et al. 2025, code Re-MeanFlow: meanflow.py, scripts; pairs of EDM2", {
        "eta": 0.75, "power": 0.5, "floor": 1e-2, "time_law": "UShaped", "time_law.a": 4.0, "gap_law": "LogitNormal",
        "gap_law.mean": -0.8, "gap_law.std": 1.0, "derivative": "split", "initialise": True,
    })],
    "reflow": [Source("Liu et al. 2022, paper: Section 2 and Table 1a, t uniform, |.|^2, from the flow before", {
        "rounds": 1, "time_law": "Uniform", "time_law.low": 0.0, "time_law.high": 1.0, "distance": "squared",
        "initialise": True, "distilled": 0.0,
    }), Source("Lee et al. 2024, paper: 18 steps of Heun's for a pair; its constant .00054 D, of distance=norm", {
        "teacher_solver": "heun", "teacher_steps": 18, "c": None,
    })],
    "scd": [Source(SCM_SOURCE, {**SCM, "sigma_max": 80.0, "initialise": True})],
    "sct": [Source(SCM_SOURCE, {**SCM, "sigma_max": 80.0})],
    "sid": [Source(SID_CODE, SID)],
    "sida": [Source(SID_CODE + ", which its sequel begins with", SID)],
    "shortcut": [Source("Frans et al. 2024, code shortcut-models: train.py", {
        "bootstrap": 1 / 8, "levels": 7, "target_ema": 0.999,
    })],
    "soflow": [Source("Luo et al. 2025, code SoFlow: cifar.yaml, train.py", {
        "power": 0.75, "floor": 1e-3, "start_law": "LogitNormal", "start_law.mean": turned(-0.9), "start_law.std": 1.6,
        "end_law": "LogitNormal", "end_law.mean": turned(-4.0), "end_law.std": 1.6, "r_init": 1.0, "r_end": 0.0003125,
        "min_gap": 1e-4, "velocity_share": 0.0,
    })],
    "split_meanflow": [Source("unverified: Guo et al. 2025, read in a reproduction, primepake/splitmeanflow", {
        "eta": 0.5, "learned_weight": False, "uniform": True, "initialise": True,
    })],
    "tcm": [Source("Lee et al. 2024, code NVlabs/TCM: README, both CIFAR-10 stages", {
        "c": 1e-8, "distance": "norm", "pairs": "LimitedPairs", **ECT_LAW, "pairs.limit": 0.999, "boundary": 1.0, "mean": 0.0,
        "scale": 0.2, "df": 0.01, "boundary_share": 0.25, "boundary_weight": 0.1, "sigma_max": 80.0,
    })],
    "tim": [Source("Wang et al. 2025, code WZDTHU/TiM: tim/schedulers/transition.py, configs/c2i/tim_xl_p2_256.yaml", {
        "eta": 0.5, "to_data": 0.1, "power": 1.0, "floor": 10e-6, "derivative": "finite",
        "time_law": "LogitNormal", "time_law.mean": turned(-0.4), "time_law.std": 1.0,
    })],
    "tvm": [Source("Zhou et al. 2025, code lumalabs/tvm: training/loss.py, training/wrapper.py", {
        "target_ema": 0.99, "gap_law": "LogitNormal", "gap_law.mean": -0.8, "gap_law.std": 1.0,
        "time_law": "LogitNormal", "time_law.mean": turned(-0.4), "time_law.std": 1.0,
    })],
    "tract": [
        Source("Berthelot et al. 2023, code apple/ml-tract: README, tc_distill.py (1024,32,1; 64 M samples a phase; sema)", {
            "start": 1024 // 32, "shrink": 32, "target_ema": 0.5, "last_rounds_weight": 64 / 64,
        }),
        Source("Berthelot et al. 2023, code apple/ml-tract: tc_distill.py, SNR of at least 1, logsnr_schedule_cosine", {
            "weighting": "truncated_snr", "spacing": "cosine",
        }),
    ],
}  # fmt: skip

AYF_OURS = Source("unverified: read in reproductions; the warm-up's share is sCM's; lam is no input of the networks here", {
    "mean": -0.8, "std": 1.0, "warmup": 10_000 / 400_000, "guidance_low": 1.0, "guidance_high": 1.0, "initialise": True,
})
SQUARED = Source("the papers' LPIPS shares features with the metric: the squared distance of their ablation; c is unused", {
    "distance": "squared", "c": 1e-6,
})
DATA_ONLY = Source("a later paper's option (arXiv 2406.09570), which method=gaf is about; off in theirs", {"generated": 0.0})
SCRATCH = Source("the budget of all others; the authors' start, a diffusion model, is preset=NAME's", {"pretrained": False})
ALL_TIMES = Source("an option of the authors' code (flow_map_matching_public); its share is ours", {
    "curriculum": "none", "widening": 0.25,
})
PAIRS = Source("stored pairs that a small budget pays for; Lee et al. use a million", {"trajectories": 16384})
UNGUIDED = Source("its paper guides between classes, and one table of all methods is told none", {"scale": (1.0, 1.0)})
PLAIN_START = Source("no source was read: the student starts like all that learn from data", {"initialise": False})

OURS: dict[str, list[Source]] = {
    "ayf_emd": [AYF_OURS],
    "ayf_lmd": [AYF_OURS],
    "cd": [SQUARED],
    "cmt": [DATA_ONLY, Source("as ect's; and stored paths of a one-step solver that a small budget pays for", {
        "c": 1e-6, "trajectories": 16384, "teacher_solver": "heun", "teacher_substeps": 1,
    })],
    "ct": [SQUARED, DATA_ONLY],
    "dmd2": [Source("the authors' critic is a head on a large network's features: without one it is their ablation", {
        "critic": 0.0,
    })],
    "dsno": [Source("LPIPS is left out, L1 is the paper's ImageNet loss; paths that a small budget pays for", {
        "distance": "absolute", "trajectories": 16384, "teacher_solver": "heun", "teacher_steps": 32,
    })],
    "ect": [Source("the authors' c = 0 has no gradient where both ends meet, which they set to zero by hand", {"c": 1e-6}),
            SCRATCH, DATA_ONLY],
    "edm": [Source("networks are told the time of this clock, as all methods'", {"noise_times": False})],
    "emd": [PLAIN_START, ALL_TIMES],
    "esc": [
        Source("the authors take what one device holds of the batch; a number that divides common batches", {"group": 8}),
        Source("guidance is left out; the authors' derivative, with less memory", {
            "omega": 1.0, "kappa": 0.0, "derivative": "split",
        }),
    ],
    "esd": [UNGUIDED],
    "facm": [Source("the authors' derivative, with less memory", {"derivative": "split"})],
    "flow_matching": [Source("training needs no solver; a step is one call, as of all others", {"solver": "euler"})],
    "ict": [DATA_ONLY],
    "imf": [UNGUIDED, Source("the authors' derivative, with less memory", {"derivative": "split"})],
    "imm": [Source("a floor against rounding; its size is not stated", {"eps": 1e-8})],
    "fmm": [ALL_TIMES],
    "lmd": [PLAIN_START, ALL_TIMES],
    "lsd": [UNGUIDED],
    "contrastive": [Source("training needs no solver; a step is one call, as of all others", {"solver": "euler"})],
    "curvature": [Source("training needs no solver; a step is one call, as of all others", {"solver": "euler"})],
    "decoupled_meanflow": [Source("the authors' derivative, with less memory", {"derivative": "split"})],
    "meanflow": [Source("the authors' derivative, with less memory", {"derivative": "split"})],
    "multistep_cm": [SCRATCH],
    "pfmm": [Source("the paper states no number of stages for these data", {"doublings": 5})],
    "progressive": [Source("memory: which students are kept", {"keep": 16})],
    "psd_m": [UNGUIDED],
    "psd_u": [UNGUIDED],
    "re_meanflow": [PAIRS, Source("as 2-RF++, whose times it takes", {"teacher_solver": "heun", "teacher_steps": 18})],
    "reflow": [PAIRS, Source("the student's paths are straighter than its teacher's", {"round_steps": 8})],
    "sct": [SCRATCH],
    "sid": [Source("the method as it was before its sequel has no critic", {"critic": 0.0})],
    "sida": [Source("of a light critic on the samples, in place of the fake network's features; by trials on points", {
        "critic": 1.0,
    })],
    "split_meanflow": [Source("the plain form of self-distillation, whose knobs these are", {
        "anneal": 0.0, "stop_gradient": "convex",
    }), UNGUIDED],
    "tcm": [SCRATCH, DATA_ONLY, Source("the paper trains both stages for so many steps that the ratio reaches its limit", {
        "first_share": 0.5, "pairs.doublings": 10,
    })],
    "tract": [Source("memory: which students are kept, as progressive's", {"keep": 16})],
    "tvm": [UNGUIDED],
}  # fmt: skip
