"""Weights of the shipped feature sets, written by `python -m bench.features.train_features`."""
