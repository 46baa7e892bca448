"""A module whose import ends its process, as a broken library can."""

import os

os._exit(7)
