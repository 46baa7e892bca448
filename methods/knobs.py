"""Ranges beside types: what a knob may be is said where it is declared, checked where a configuration enters, and shown by
`python -m bench.run --help method=NAME`. A class that is made directly is not checked against them."""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt, MinLen

LEAST_SIGMA = 0.002
"""EDM's least noise level above data."""

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Levels = Annotated[int, Ge(2)]
"""How many noise levels a grid has: two are its ends."""
Several = Annotated[int, Ge(2)]
"""Samples of a group that act on each other."""

Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Inner = Annotated[float, Gt(0), Lt(1)]
Part = Annotated[float, Gt(0), Le(1)]
"""A share that is not nothing."""
Rest = Annotated[float, Ge(0), Lt(1)]
"""A share that leaves something."""
Decay = Annotated[float, Ge(0), Lt(1)]
"""Of an average, per step: 0 keeps nothing."""
Edge = Annotated[float, Gt(0), Lt(0.5)]
"""A distance from both ends of [0, 1]."""
Base = Annotated[float, Gt(1)]
"""Of powers q^-a that fall."""
Cap = Annotated[float, Ge(1)]
"""Of a weight that is 1 or more."""
Noisiest = Annotated[float, Gt(LEAST_SIGMA)]
"""The noise level from which sampling starts, on EDM's grid that falls to LEAST_SIGMA."""
Widths = Annotated[tuple[Positive, ...], MinLen(1)]
"""Of the kernels that are summed."""
