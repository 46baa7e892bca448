"""What every test shares: a cache folder of its own, so that nothing computed under a fault or by a user is taken for whole."""

import os
from collections.abc import Iterator

import pytest
from fixtures import postgres, slurm, slurm_without_accounting

__all__ = ["own_cache", "postgres", "slurm", "slurm_without_accounting"]


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """FEWSTEP_CACHE is a fresh folder for the session; processes that tests start inherit it."""
    before = os.environ.get("FEWSTEP_CACHE")
    os.environ["FEWSTEP_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["FEWSTEP_CACHE"]
    else:
        os.environ["FEWSTEP_CACHE"] = before
