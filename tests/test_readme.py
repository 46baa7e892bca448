"""The README is true: its tables are those of the reference runs, its commands compose, its links lead somewhere."""

import re
from pathlib import Path

import methods_table
import pytest

from bench.config import compose as config
from bench.planning import experiment
from results.tables.readme import BLOCK, filled

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"python -m bench\.run([^#\n`]*)", README)


def test_its_tables_are_those_of_the_reference_runs() -> None:
    assert BLOCK.findall(README)
    assert filled(README, ROOT / "results" / "reference") == README, "run: python -m results.tables.readme"


def test_its_table_of_methods_is_what_the_code_says() -> None:
    assert methods_table.PAGE.read_text() == methods_table.page(), "run: python tests/support/methods_table.py"


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_its_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("command", sorted({c.strip() for c in COMMANDS if "--help" not in c and "[" not in c}))
def test_its_commands_compose(command: str) -> None:
    for made in config.request(command.split()).experiments:
        experiment.check(made)


def test_every_method_is_in_its_table() -> None:
    for name in config.names("method"):
        assert f"`{name}`" in README
