"""A critic: a network that tells data from what was generated, by logits that are high where a sample looks like data.

    critic      softplus(-logit(data)) + softplus(logit(generated))
    generator   softplus(-logit(generated)),    which does not vanish where the critic is sure

At equal laws the best critic says 0 everywhere, and its gradient in x is zero.

Reference: Goodfellow et al., "Generative Adversarial Nets" (arXiv 1406.2661), eq. 1 and the loss that section 3 prefers.
"""

import torch.nn.functional as F
from torch import Tensor

from methods.tools.flow_map import Velocity


def deceived(critic: Velocity, x: Tensor, t: Tensor) -> Tensor:
    """The generator's loss (B,) of its samples x at time t."""
    return F.softplus(-_logit(critic, x, t))


def told_apart(critic: Velocity, data: Tensor, generated: Tensor, t: Tensor) -> Tensor:
    """The critic's loss (B,) of two samples at time t."""
    return F.softplus(-_logit(critic, data, t)) + F.softplus(_logit(critic, generated, t))


def _logit(critic: Velocity, x: Tensor, t: Tensor) -> Tensor:
    """Of a sample the mean of those of its places."""
    return critic(x, t, t).flatten(1).mean(1)
