"""Which methods belong together, as methods/README.md tells them: a picture of many has a panel for each family."""

from __future__ import annotations

from collections.abc import Sequence

FAMILIES = {
    "the velocity": "flow_matching edm contrastive curvature",
    "the map from its own diagonal": "lsd esd psd_m psd_u tvm shortcut",
    "the map from the conditional velocity": "meanflow esc imf tim alphaflow soflow decoupled_meanflow fmm imm",
    "the map from a teacher": "lmd emd ayf_emd ayf_lmd ctm ctm_gan pfmm split_meanflow",
    "the map to data": "ct ict ect gaf tcm sct cd scd facm cmt",
    "a grid from a teacher or from data": "progressive tract dsno consistency_fm multistep_cm",
    "from a teacher's pairs": "reflow re_meanflow",
    "the law of the data in one step": "dmd2 sid sida drifting",
}
OTHERS = "other methods"
KNOWN = {
    "the velocity": "flow matching, diffusion", "the map from its own diagonal": "self-distilled flow maps",
    "the map from the conditional velocity": "MeanFlow and its kin", "the map from a teacher": "distilled flow maps",
    "the map to data": "consistency models", "a grid from a teacher or from data": "progressive, in segments",
    "from a teacher's pairs": "reflow", "the law of the data in one step": "distribution matching",
}  # fmt: skip
"""What a family is called elsewhere."""
OF = {method: family for family, methods in FAMILIES.items() for method in methods.split()}


def together(labels: Sequence[str]) -> list[tuple[str, list[str]]]:
    """[(family, its labels in the order given)], families in the order of FAMILIES, strangers last.

    A label's method is its first word, so that `ect q=4` and `lsd (solver:heun)` find theirs.
    """
    found: dict[str, list[str]] = {}
    for label in labels:
        found.setdefault(OF.get(label.split(" ")[0], OTHERS), []).append(label)
    return [(family, found[family]) for family in (*FAMILIES, OTHERS) if family in found]


def grouped(labels: Sequence[str], most: int) -> list[tuple[str, list[str]]]:
    """[(family, its labels in the order given)]; a family of more than `most` is told in several parts."""
    parts: list[tuple[str, list[str]]] = []
    for family, own in together(labels):
        cuts = [own[i : i + most] for i in range(0, len(own), most)]
        parts += [(family if len(cuts) == 1 else f"{family} ({k} of {len(cuts)})", cut) for k, cut in enumerate(cuts, 1)]
    return parts
