"""Ranges beside types: what a knob may be is said where it is declared, checked where a configuration enters, and shown by
`python -m bench.run --help method=NAME`."""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Inner = Annotated[float, Gt(0), Lt(1)]
Decay = Annotated[float, Ge(0), Lt(1)]
"""Of an average, per step: 0 keeps nothing."""
