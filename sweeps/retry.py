"""`python -m sweeps.retry NAME [RUN...]`: see `requests`."""

import sys

from sweeps.engine import command

if __name__ == "__main__":
    sys.exit(command("retry"))
