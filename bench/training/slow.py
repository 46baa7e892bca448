"""The slow copy of a network, which some methods take their targets from (`needs.target_ema`)."""

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from bench.training.ema import Averages, Rule


class SlowCopy:
    """`net` follows the live network by an exponential moving average without warm-up."""

    def __init__(self, live: nn.Module, decay: float) -> None:
        self.net = copy.deepcopy(live).requires_grad_(False)
        self._live, self._decay = live, decay
        self.average = Averages(live, [decay], Rule(rise=False))

    def restart(self) -> None:
        """Catch up with the live network (a new stage), its buffers included."""
        self.average.restart()
        self.net.load_state_dict(self._live.state_dict())

    def update(self, decay: float) -> None:
        """Follow by one step with this decay, which may change from step to step."""
        self.average.update(decay)
        self.average.copy_to(self.net, self._decay)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """As `Averages.state`."""
        return self.average.state()

    def load(self, state: Mapping[str, Mapping[str, Tensor]], n: int) -> None:
        """Continue from `state` after n updates."""
        self.average.load(state, n)
        self.average.copy_to(self.net, self._decay)
