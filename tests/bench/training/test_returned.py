"""What a method's losses return is refused in a line that names the method, its file, what came and what is wanted."""

from typing import Any

import pytest
import torch

from bench.training import returned
from methods.base import Loss
from methods.flow_matching import FlowMatching

METHOD = FlowMatching()
(STAGE,) = METHOD.stages(64)


def test_one_number_per_sample_is_taken() -> None:
    returned.check(METHOD, {"net": Loss(torch.ones(4))}, STAGE, 4)


@pytest.mark.parametrize(("found", "said"), [
    (torch.ones(4), "Tensor, not a dictionary of"), ({"nets": Loss(torch.ones(4))}, "nets"),
    ({"net": torch.ones(4)}, "net: Tensor, not a Loss"), ({"net": Loss(torch.ones(()))}, "shape \\(\\), not one number"),
    ({"net": Loss(torch.ones(4, 2))}, "shape \\(4, 2\\)"),
])
def test_all_else_is_refused(found: Any, said: str) -> None:
    with pytest.raises(TypeError, match=f"FlowMatching.losses .*flow_matching.py.* returned .*{said}"):
        returned.check(METHOD, found, STAGE, 4)
