"""Weights of the shipped feature sets, written by `python -m bench.train_features`."""
