"""What several methods share: interpolants, identities of flow maps, solvers, tangents. No method, nothing of the
harness."""

from methods.tools.constants import constant, for_real
from methods.tools.critic import deceived, told_apart
from methods.tools.flow_map import Derivative, Velocity, derivative, eulerian, jump, lagrangian, mean_velocity
from methods.tools.forward import jvp, softmax
from methods.tools.guidance import Guide, Guided, guided_velocity, led, with_scale
from methods.tools.interpolant import Interpolant, Linear, Trigonometric, convert_point, convert_velocity
from methods.tools.network import Mask, conditioned
from methods.tools.preconditioning import Preconditioned, coefficients
from methods.tools.shapes import align, everywhere, mean_square, squared
from methods.tools.solvers import Solver, solve, step
from methods.tools.tangent import check, normalised, pull, warm_up
from methods.tools.weights import adaptive

__all__ = [
    "Derivative",
    "Guide",
    "Guided",
    "Interpolant",
    "Linear",
    "Mask",
    "Preconditioned",
    "Solver",
    "Trigonometric",
    "Velocity",
    "adaptive",
    "align",
    "check",
    "coefficients",
    "conditioned",
    "constant",
    "convert_point",
    "convert_velocity",
    "deceived",
    "derivative",
    "eulerian",
    "everywhere",
    "for_real",
    "guided_velocity",
    "jump",
    "jvp",
    "lagrangian",
    "led",
    "mean_square",
    "mean_velocity",
    "normalised",
    "pull",
    "softmax",
    "solve",
    "squared",
    "step",
    "told_apart",
    "warm_up",
    "with_scale",
]  # fmt: skip
