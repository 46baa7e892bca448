"""Where the blocks of DDPM++, NCSN++ and ADM stand: pure numbers.

A block between two levels halves or doubles the resolution. The lowest level begins its way up with two blocks, and each of
the others on the way up takes what the way down has left, the last first.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.nets.residual import Place
from bench.nets.unet import heights


class Plan(NamedTuple):
    """stem: channels of the first convolution; widths: of the levels. attends: whether a level does; sparing: on the way up
    its last block only. middle: whether the first block on the way up attends."""

    stem: int
    widths: Sequence[int]
    blocks: int
    attends: Sequence[bool]
    middle: bool
    sparing: bool

    def down(self) -> Iterator[Place]:
        """The encoder's places, in order."""
        width = self.stem
        for level, outputs in enumerate(self.widths):
            if level:
                yield Place(width, width, "down")
            for _ in range(self.blocks):
                yield Place(width, outputs, attends=self.attends[level])
                width = outputs

    def up(self) -> Iterator[Place]:
        """The decoder's, in order."""
        left = [self.stem, *(place.outputs for place in self.down())]
        width = self.widths[-1]
        yield Place(width, width, attends=self.middle)
        yield Place(width, width)
        for level in reversed(range(len(self.widths))):
            for i in range(self.blocks + 1):
                attends = self.attends[level] and (i == self.blocks or not self.sparing)
                yield Place(width + left.pop(), self.widths[level], attends=attends, joins=True)
                width = self.widths[level]
            if level:
                yield Place(width, width, "up")


def planned(
    name: str, shape: tuple[int, ...], stem: int, widths: Sequence[int], blocks: int, attention: Sequence[int], sparing: bool
) -> Plan:
    """The plan of the network `name`. attention: heights of the levels that attend; with none the middle does not either.

    Raises ValueError for what is not an image or cannot be halved that often.
    """
    attends = [height in attention for height in heights(shape, len(widths), name)]
    return Plan(stem, widths, blocks, attends, len(attention) > 0, sparing)
