"""From experiments to jobs: identity, parents, price, tuning, what executes them. Nothing that trains or scores."""

from bench.planning.begun import reopen, saved, told
from bench.planning.campaign import Campaign, listing
from bench.planning.jobs import chain, jobs, references, with_classes

__all__ = ["Campaign", "chain", "jobs", "listing", "references", "reopen", "saved", "told", "with_classes"]
