"""What every test shares: a cache folder of its own, and skips that a gate does not let pass.

FEWSTEP_REQUIRE=1 turns every skip into a failure but those of a GPU and of FEWSTEP_SLOW: a gate that lost its browser, its
images or its cluster must say so.
"""

import locale
import os
from collections.abc import Iterator
from typing import Any

import pytest
from fixtures import postgres, slurm, slurm_without_accounting
from hypothesis import HealthCheck, settings

__all__ = ["own_cache", "postgres", "slurm", "slurm_without_accounting"]

LONG = ["test_slurm_sweep", "test_readme", "test_compiled", "test_users", "test_truth_pointwise", "test_presets",
        "test_on_a_device", "test_surroundings", "test_slurm_backend", "test_commands", "test_truth_training",
        "test_resume", "test_rows_same"]
ALLOWED = ("FEWSTEP_SLOW", "GPU", "this SciPy")


# A gate finds the same today as tomorrow, and on a machine that stalls: no clock of an example, no draw of the day.
settings.register_profile("gate", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gate")


def pytest_configure() -> None:
    """The floors name the encoding of every file (tests/test_layout.py); the tests read theirs in that of the locale."""
    if locale.getpreferredencoding(False).lower().replace("-", "") != "utf8":
        pytest.exit("the tests read their files as UTF-8, and this locale is another: PYTHONUTF8=1 python -m pytest", 2)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """FEWSTEP_CACHE is a fresh folder for the session; processes that tests start inherit it.

    Nothing that was computed under a fault or by a user is then taken for whole.
    """
    before = os.environ.get("FEWSTEP_CACHE")
    os.environ["FEWSTEP_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["FEWSTEP_CACHE"]
    else:
        os.environ["FEWSTEP_CACHE"] = before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes go first: begun last, one of them would keep a worker while the other has nothing left."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    return _required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    return _required((yield))


def _required(report: Any) -> Any:
    if report.skipped and os.environ.get("FEWSTEP_REQUIRE") == "1" and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr)
        if not any(word in reason for word in ALLOWED):
            report.outcome, report.longrepr = "failed", f"skipped, and FEWSTEP_REQUIRE=1: {reason}"
    return report
