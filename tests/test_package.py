"""What is installed is what was tested: entry point, types, files that are no modules, versions, and who is to be cited."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONSTRAINTS = [Requirement(line) for line in (ROOT / ".ci" / "constraints.txt").read_text().splitlines()]
FLOORS = ("methods", "results", "sweeps", "bench")


def wanted() -> list[Requirement]:
    """All that the package asks for, with its extras."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    return [Requirement(text) for listed in (PROJECT["project"]["dependencies"], *extras) for text in listed]


@pytest.mark.parametrize("asked", wanted(), ids=lambda asked: asked.name)
def test_the_constraints_have_a_version_that_is_asked_for(asked: Requirement) -> None:
    (found,) = (each for each in CONSTRAINTS if same(each.name) == same(asked.name))
    (exact,) = found.specifier
    assert exact.operator == "==" and asked.specifier.contains(exact.version)


def same(name: str) -> str:
    return name.lower().replace("_", "-")


def test_the_one_command_is_where_the_project_says() -> None:
    module, _, function = PROJECT["project"]["scripts"]["fewstep"].partition(":")
    assert callable(getattr(import_module(module), function))


def test_what_is_no_module_goes_into_the_wheel(tmp_path: Path) -> None:
    """Every file of the packages but the modules, the pages and the reference runs."""
    build = ["-c", "from setuptools import setup; setup()", "egg_info", "--egg-base", str(tmp_path), "build_py"]
    subprocess.run([sys.executable, *build, "--build-lib", str(tmp_path / "lib")], cwd=ROOT, check=True, capture_output=True)
    built = {path.relative_to(tmp_path / "lib") for path in (tmp_path / "lib").rglob("*") if path.is_file()}
    there = {path.relative_to(ROOT) for floor in FLOORS for path in (ROOT / floor).rglob("*") if path.is_file()}
    left = {path for path in there - built if "__pycache__" not in path.parts and path.name != "README.md"}
    assert {path for path in left if path.parts[:2] != ("results", "reference")} == set()
    assert all(Path(floor, "py.typed") in built for floor in FLOORS)


def test_what_is_cited_is_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (PROJECT["project"]["version"], PROJECT["project"]["license"])
    assert f"\n## {cited['version']}\n" in (ROOT / "CHANGELOG.md").read_text()
