"""What commands.py speaks of as {tmp}: images, and folders of methods and sweeps, whole and broken."""

from pathlib import Path

import numpy as np
from PIL import Image

LATE = '''
from dataclasses import dataclass

from methods.base import Loss
from methods.flow_matching import FlowMatching, velocity_loss


@dataclass(frozen=True)
class Late(FlowMatching):
    """Flow matching on late times only."""

    earliest: float = 0.5

    def __post_init__(self):
        if not 0 <= self.earliest < 1:
            raise ValueError(f"method.earliest={self.earliest} must lie in [0, 1)")

    def losses(self, models, batch, context):
        x_0 = self.interpolant.base_scale * context.noise(batch.x_1)
        t = self.earliest + (1 - self.earliest) * context.draws.uniform("t")
        return {"net": Loss(velocity_loss(models["net"], self.interpolant, x_0, batch.x_1, t))}
'''

PROXY = "{validation: 0.2, count: 64, seeds: [1000], steps: [1], features: digits8}"
SPACE = "{train.lr: {low: 5e-4, high: 1e-2, log: true}}"


def _search(proxy: str = PROXY, space: str = SPACE, **more: str) -> str:
    """A sweep of two methods with a search."""
    parts = {"trials": "2", "startup": "1", "proxy": proxy, "space": space, **more}
    return f"name: mine, axes: {{method: [lsd, ect]}}, search: {{{', '.join(f'{k}: {v}' for k, v in parts.items() if v)}}}"


# What stands in braces after `sweep:`.
SWEEPS = {
    "nested/deep": "name: deep, axes: {method: [ect]}",
    "points": "name: points, axes: {seed: [0, 1]}, "
              "also: [{method: lsd, method.stop_gradient: none}, {method: lsd, method.stop_gradient: detached}]",
    "only": "name: only, axes: {method: [lsd, ect], train.lr: [0.1, 0.2]}, only: {train.lr: [lsd]}",
    "ablate": "name: ablate, axes: {method: [lsd, ect]}, "
              "one_at_a_time: {train.lr: [0.1], method.learned_weight: [false]}",
    # wrong: names
    "no_name": "axes: {method: [lsd]}",
    "number_name": "name: 5, axes: {method: [lsd]}",
    "outside": "name: ../up, axes: {method: [lsd]}",
    "unknown_key": "name: mine, axes: {method: [lsd]}, onlly: {}",
    "published": "name: mine, axes: {method: [lsd]}, published: cifar11",
    # wrong: axes
    "axes_list": "name: mine, axes: [lsd]",
    "axis_number": "name: mine, axes: {method: [lsd], seed: 0}",
    "axis_text": "name: mine, axes: {method: lsd}",
    "axis_empty": "name: mine, axes: {method: [lsd], seed: []}",
    "axis_unknown": "name: mine, axes: {method: [lsd], train.lrr: [1]}",
    "axis_value": "name: mine, axes: {method: [lsd], train.lr: [1e-3, -1]}",
    "axis_method": "name: mine, axes: {method: [ect, lds]}",
    "axis_seed": "name: mine, axes: {method: [lsd], seed: [0, 0.5]}",
    "axis_backend": "name: mine, axes: {method: [lsd], backend.workers: [1, 2]}",
    # wrong: points, axes for some, one at a time
    "also_mapping": "name: mine, also: {method: lsd}",
    "also_text": "name: mine, also: [lsd]",
    "also_list": "name: mine, also: [{method: [lsd, ect]}]",
    "also_unknown": "name: mine, also: [{method: lsd, method.stop_gradiant: none}]",
    "also_value": "name: mine, also: [{method: lsd, method.eta: 7}]",
    "only_list": "name: mine, axes: {method: [lsd], train.lr: [1e-3]}, only: [train.lr]",
    "only_unknown": "name: mine, axes: {method: [lsd], train.lr: [1e-3]}, only: {train.lrr: [lsd]}",
    "only_method": "name: mine, axes: {method: [lsd], train.lr: [1e-3]}, only: {train.lr: [lsdd]}",
    "ablate_number": "name: mine, axes: {method: [lsd]}, one_at_a_time: {train.lr: 0.1}",
    "ablate_axis": "name: mine, axes: {method: [lsd], train.lr: [1e-3]}, one_at_a_time: {train.lr: [0.1]}",
    "ablate_unknown": "name: mine, axes: {method: [lsd]}, one_at_a_time: {train.lrr: [0.1]}",
    # wrong: knobs
    "knobs_null": "name: mine, axes: {method: [lsd]}, knobs: null",
    "knobs_number": "name: mine, axes: {method: [lsd]}, knobs: {lsd: 5}",
    "knobs_method": "name: mine, axes: {method: [lsd]}, knobs: {lsdd: {eta: 0.5}}",
    "knobs_unknown": "name: mine, axes: {method: [lsd]}, knobs: {lsd: {etaa: 0.5}}",
    "knobs_value": "name: mine, axes: {method: [lsd]}, knobs: {lsd: {eta: 2}}",
    "knobs_unused": "name: mine, axes: {method: [lsd]}, knobs: {lsd: {eta: 0.5}, ect: {sigma_max: 0}}",
    "knobs_unused_key": "name: mine, axes: {method: [lsd]}, knobs: {tcm: {boundry: 0.5}}",
    # wrong: a search
    "search_key": _search(trails="3"),
    "search_no_proxy": _search(proxy=""),
    "search_proxy_part": _search(proxy="{count: 64, seeds: [1000], steps: [1], features: digits8}"),
    "search_space_key": _search(space="{train.lrr: {low: 5e-4, high: 1e-2}}"),
    "search_space_section": _search(space="{budget.batch: {low: 64, high: 256}}"),
    "search_space_text": _search(space="{train.lr: small}"),
    "search_space_range": _search(space="{train.lr: {low: 1e-2, high: 5e-4}}"),
    "search_spaces_method": _search(spaces="{lsdd: {method.eta: {low: 0.1, high: 0.9}}}"),
    "search_prunable": _search(prunable_from="{lsdd: 0.5}"),
}  # fmt: skip
# Whole files; `@` stands for the line that says where a sweep file's keys go.
LSD = "sweep: {name: mine, axes: {method: [lsd]}}"
FILES = {
    "mine/sweep/good.yaml": "@\ntrain: {lr: 5e-3}\nsweep:\n  name: good\n  axes: {method: [lsd, ect], seed: [0, 1]}\n"
                            "  knobs:\n    lsd: {eta: 0.5}\n",
    "mine/sweep/tab.yaml": "@\nsweep:\n\tname: tab\n",
    "mine/sweep/open.yaml": "@\nsweep: {name: open, axes: {method: [lsd}}\n",
    "mine/sweep/repeated.yaml": f"@\ntrain: {{lr: 1e-3, lr: 2e-3}}\n{LSD}\n",
    "mine/sweep/empty.yaml": "",
    "mine/sweep/text.yaml": "lsd on digits\n",
    "mine/sweep/no_package.yaml": f"{LSD}\n",
    "mine/sweep/unknown_setting.yaml": f"@\ntrain: {{lrr: 1e-3}}\n{LSD}\n",
    "mine/sweep/unknown_section.yaml": f"@\ntrian: {{lr: 1e-3}}\n{LSD}\n",
    "mine/sweep/wrong_setting.yaml": f"@\ntrain: {{lr: -1}}\n{LSD}\n",
    "mine/sweep/plans.yaml": f"@\nplan: true\n{LSD}\n",
    "mine/sweep/elsewhere.yaml": f"@\nout: elsewhere\n{LSD}\n",
    "mine/sweep/plugged.yaml": f"@\nplugins: mine\n{LSD}\n",
    "mine/sweep/wrong_data.yaml": f"@\ndefaults: [override /data: nowhere]\n{LSD}\n",
    "mine/data/strange.yaml": "name: strange\n",
    "mine/commands_late.py": LATE,
    "mine/method/late.yaml": "name: late\ntarget: commands_late:Late\nearliest: 0.5\nsolver: euler\n",
    "broken/commands_broken.py": f"{LATE}\n\nclass Plain:\n    pass\n",
    "broken/commands_raises.py": 'raise RuntimeError("torn to pieces")\n',
    "broken/commands_syntax.py": "def late(:\n",
    "broken/method/no_module.yaml": "name: no_module\ntarget: commands_nowhere:Late\n",
    "broken/method/no_class.yaml": "name: no_class\ntarget: commands_broken:Nothing\n",
    "broken/method/no_method.yaml": "name: no_method\ntarget: commands_broken:Plain\n",
    "broken/method/no_target.yaml": "name: no_target\nearliest: 0.5\n",
    "broken/method/no_name.yaml": "target: commands_broken:Late\nearliest: 0.5\n",
    "broken/method/raises.yaml": "name: raises\ntarget: commands_raises:Late\n",
    "broken/method/syntax.yaml": "name: syntax\ntarget: commands_syntax:Late\n",
    "broken/method/extra.yaml": "name: extra\ntarget: commands_broken:Late\nearlyest: 0.5\n",
    "broken/method/wrong_kind.yaml": "name: wrong_kind\ntarget: commands_broken:Late\nearliest: soon\n",
    "broken/method/refuses.yaml": "name: refuses\ntarget: commands_broken:Late\nearliest: 7\n",
    "tabbed/method/tabbed.yaml": "name: tabbed\n\ttarget: commands_late:Late\n",
    "unclosed/method/unclosed.yaml": "name: unclosed\ntarget: {commands_late:Late\n",
}  # fmt: skip


def prepare(folder: Path) -> None:
    """Fill the folder."""
    files = {f"mine/sweep/{name}.yaml": f"@\nsweep: {{{text}}}\n" for name, text in SWEEPS.items()} | FILES
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@\n", "# @package _global_\n", 1))
    for name in ("pictures", "empty", "für uns"):
        (folder / name).mkdir()
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8), dtype=np.uint8)
    for name in ("images.npy", "held.npy", "with a space.npy", "für uns/bilder.npy", "für-uns.npy"):
        np.save(folder / name, images)
    for number, image in enumerate(images[:20]):
        Image.fromarray(image).save(folder / "pictures" / f"{number}.png")
