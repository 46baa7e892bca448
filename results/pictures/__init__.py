"""Tables as pictures: curves, fronts, grids of samples. Nothing that computes a number."""
