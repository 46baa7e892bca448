"""`python -m sweeps.cancel NAME [RUN...]`: see `requests`."""

import sys
from collections.abc import Sequence

from sweeps.engine import command


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    return command("cancel", arguments)


if __name__ == "__main__":
    sys.exit(main())
