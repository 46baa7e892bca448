"""What every command does first: its output takes any text, whatever the locale, a warning is one line, and a reader who goes
ends it."""

import atexit
import codecs
import io
import os
import select
import sys
import unicodedata
import warnings
from types import TracebackType

MARKS = {"±": "+-", "×": "x", "·": "-", "–": "-", "≈": "~", "†": "+", "‡": "#", "§": "!",
         **{chr(0x2581 + height): str(height + 1) for height in range(8)}}  # the blocks of a curve, the lowest first
"""What tables print beyond ASCII: where it cannot be shown, two marks must not become one."""


def ready() -> None:
    """Standard output and error replace what they cannot encode, and warnings go without the place in our code.

    A command whose reader has seen enough, as `head` has, ends without a word: with status 1 where it had more to say.
    """
    codecs.register_error("fewstep", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="fewstep")
    # PyTorch's own, of a part of itself, at the first use of forward mode: nobody here can act on it.
    warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.* is deprecated", category=FutureWarning)
    warnings.formatwarning = lambda message, *rest, **more: f"warning: {message}\n"
    sys.excepthook = _ended
    atexit.unregister(_unheard)
    atexit.register(_unheard)  # what is still in a buffer would be written after this, and complain


def _ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A pipe to a process of ours may break too: that is told as ever."""
    if not (issubclass(kind, BrokenPipeError) and _unheard()):
        sys.__excepthook__(kind, error, trace)


def _unheard() -> bool:
    """Whether the reader of standard output or error is gone, to whom nothing more is then written."""
    gone = False
    for stream in (sys.stdout, sys.stderr):
        try:
            number = stream.fileno()
        except (AttributeError, OSError, ValueError):  # none, or closed: Python's to tell
            continue
        watched = select.poll()
        watched.register(number, 0)
        if any(event & select.POLLERR for _, event in watched.poll(0)):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            gone = True
    return gone


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """A mark's own replacement, a letter without its accent, a byte of a file's name as it is, else a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = error.object[error.start]
    if "\udc80" <= letter <= "\udcff":  # Python's form of a byte that the locale cannot read
        return letter.encode("ascii", "surrogateescape"), error.start + 1
    plain = MARKS.get(letter) or unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return plain or "?", error.start + 1
