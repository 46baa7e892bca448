"""What a run of Weights & Biases has kept on this disk: its offline file holds messages of its own, framed as LevelDB's log.

A frame is 4 bytes of checksum, 2 of length, 1 of kind (whole, first, middle, last) and the bytes; none crosses a block.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK, OPENING, FRAME = 32768, 7, struct.Struct("<IHB")
WHOLE, LAST = 1, 4


def last_step(file: Path) -> int:
    """The last step in an offline file, -1 without one."""
    return max((int(record.history.step.num) for record in history(file)), default=-1)


def history(file: Path) -> Iterator[Any]:
    """Its records of what was logged, as the package has them, in order; a torn end is left out."""
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2  # made when it is imported
    for message in _messages(file.read_bytes()):
        record = messages.Record()
        record.ParseFromString(message)
        if record.WhichOneof("record_type") == "history":
            yield record


def _messages(content: bytes) -> Iterator[bytes]:
    at, message = OPENING, b""
    while at + FRAME.size <= len(content):
        if (left := BLOCK - at % BLOCK) < FRAME.size:  # too few bytes for a frame end a block
            at += left
            continue
        _, size, kind = FRAME.unpack_from(content, at)
        body = content[at + FRAME.size : at + FRAME.size + size]
        if len(body) < size or not WHOLE <= kind <= LAST:
            return
        at, message = at + FRAME.size + size, message + body
        if kind in (WHOLE, LAST):
            yield message
            message = b""
