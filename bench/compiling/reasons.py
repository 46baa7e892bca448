"""What to do when a compiler gives up: say why in a line, and leave nothing of it behind."""

import re
from contextlib import suppress

import torch


def close_level() -> None:
    """A compiler that gives up in forward mode leaves its level open, and there is one only."""
    with suppress(RuntimeError):
        torch._C._exit_dual_level(level=0)


def why(error: Exception) -> str:
    """What the method itself raised, or the first line of what stopped the compiler, with the method's own line."""
    text = str(error)
    if raised := re.search(r"raised exception \w+\(['\"](.+)['\"]\)", text):
        return raised[1]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith("File ") and "/methods/" in line]
    said = lines[0] if lines else type(error).__name__
    return said + (f" ({places[-1].split(', in ')[0].removeprefix('File ')})" if places else "")
