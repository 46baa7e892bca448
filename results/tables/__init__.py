"""Numbers as rows and cells for people: frames, Markdown, LaTeX. Nothing that computes a claim, no pictures."""

from results.tables.board import numberless
from results.tables.captions import league_title
from results.tables.costs import facts
from results.tables.numbers import count, steps_title
from results.tables.render import number, plain, remarked

__all__ = ["count", "facts", "league_title", "number", "numberless", "plain", "remarked", "steps_title"]
