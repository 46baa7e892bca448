"""Numbers as rows and cells for people: frames, Markdown, LaTeX. Nothing that computes a claim, no pictures."""

from results.tables.numbers import count, steps_title
from results.tables.render import number, plain

__all__ = ["count", "number", "plain", "steps_title"]
