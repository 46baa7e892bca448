"""One experiment from end to end, and the entry point `python -m bench.run`."""
