"""Metrics: one file each, pure functions of samples or features."""
