"""Colours as people with a colour-vision deficiency see them, and how far apart two of them then are.

The matrices are those of severity 1.0 in Table 1 of Machado, Oliveira and Fernandes, "A physiologically-based model for
simulation of color vision deficiency", IEEE TVCG 15(6), 2009; they act on linear RGB. Lightness is CIE L* of the luminance Y
under D65.
"""

import numpy as np
from matplotlib.colors import to_rgb

MATRICES = {
    "none": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
}
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
JUST = 10.0  # of L*: two thin lines that differ by this much are told apart


def lightness(colour: object, kind: str) -> float:
    """L* (0 black to 100 white) of a colour as it is seen with that deficiency."""
    sent = np.array(to_rgb(colour))
    linear = np.where(sent <= 0.04045, sent / 12.92, ((sent + 0.055) / 1.055) ** 2.4)
    y = float(LUMINANCE @ np.clip(MATRICES[kind] @ linear, 0, 1))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def apart(a: object, b: object) -> bool:
    """Whether two colours differ in lightness for everybody."""
    return all(abs(lightness(a, kind) - lightness(b, kind)) >= JUST for kind in MATRICES)
