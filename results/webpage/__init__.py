"""A whole result as one HTML file that needs no network. Nothing that other rooms need."""
