"""From experiments to jobs: identity, parents, price, tuning, what executes them. Nothing that trains or scores."""

from bench.planning.campaign import Campaign, listing
from bench.planning.classes import with_classes
from bench.planning.jobs import chain, jobs, references, reopen, saved

__all__ = ["Campaign", "chain", "jobs", "listing", "references", "reopen", "saved", "with_classes"]
