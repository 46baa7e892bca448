"""A sweep set beside something else: a paper's numbers, another budget, a second sweep. Nothing that draws or ranks."""
