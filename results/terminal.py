"""What every command does first: its output takes any text, whatever the locale, and a warning is one line."""

import codecs
import io
import sys
import unicodedata
import warnings

MARKS = {"±": "+-", "×": "x", "·": "-", "–": "-", "≈": "~", "†": "+", "‡": "#", "§": "!",
         **{chr(0x2581 + height): str(height + 1) for height in range(8)}}  # the blocks of a curve, the lowest first
"""What tables print beyond ASCII: where it cannot be shown, two marks must not become one."""


def ready() -> None:
    """Standard output and error replace what they cannot encode, and warnings go without the place in our code."""
    codecs.register_error("fewstep", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="fewstep")
    # PyTorch's own, of a part of itself, at the first use of forward mode: nobody here can act on it.
    warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.* is deprecated", category=FutureWarning)
    warnings.formatwarning = lambda message, *rest, **more: f"warning: {message}\n"


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """A mark's own replacement, a letter without its accent, a byte of a file's name as it is, else a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = error.object[error.start]
    if "\udc80" <= letter <= "\udcff":  # Python's form of a byte that the locale cannot read
        return letter.encode("ascii", "surrogateescape"), error.start + 1
    plain = MARKS.get(letter) or unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return plain or "?", error.start + 1
