"""The walls between zones: what an import loads, and that a wall broken on purpose is noticed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import linkkit

pytest.importorskip("importlinter")

PACKAGE = Path(linkkit.__file__).parent
PROJECT = Path(__file__).parents[2] / "pyproject.toml"
HEAVY = (
    "IPython", "matplotlib", "narwhals", "numba", "numpy", "openpyxl", "pandas", "polars",
    "pyarrow", "pyspark", "scipy", "sqlalchemy",
)  # fmt: skip


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True, capture_output=True, text=True, cwd=PACKAGE.parent,
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize("zone", ["linkkit.linkage", "linkkit.steward"])
def test_a_zone_without_people_loads_no_module_that_sees_them(zone: str) -> None:
    modules = loaded_by(
        f"import importlib, pkgutil, {zone} as zone\n"
        "for found in pkgutil.walk_packages(zone.__path__, zone.__name__ + '.'):\n"
        "    importlib.import_module(found.name)"
    )
    assert zone in modules
    other = {"linkkit.linkage": "linkkit.steward", "linkkit.steward": "linkkit.linkage"}[zone]
    seen = {name for name in modules if name.startswith(("linkkit.partner", other))}
    assert seen == set()


def test_importing_linkkit_loads_nothing_heavy() -> None:
    modules = loaded_by("import linkkit")
    assert "linkkit" in modules
    assert modules & set(HEAVY) == set()
    assert not [name for name in modules if name.startswith("linkkit.partner")]


@pytest.mark.parametrize("name", ["link", "Crosswalk", "Agreement"])
def test_a_public_name_of_another_zone_loads_no_module_that_sees_people(name: str) -> None:
    modules = loaded_by(f"import linkkit; linkkit.{name}")
    assert not [module for module in modules if module.startswith("linkkit.partner")]


def test_every_public_name_loads() -> None:
    loaded_by("import linkkit\nfor name in linkkit.__all__: getattr(linkkit, name)")


# --- Contracts -------------------------------------------------------------------------------

BREACHES = {
    "linking-sees-no-names": ("linkage/block/plan.py", "linkkit.partner.read"),
    "linking-reaches-no-key": ("linkage/pool.py", "linkkit.partner.keys"),
    "linking-sees-no-names-through-others": ("engines/local.py", "linkkit.partner.standardize"),
    "steward-sees-no-names": ("steward/__init__.py", "linkkit.partner.encode"),
    "only-the-crosswalk-passes": ("steward/__init__.py", "linkkit.linkage"),
    "linkage-knows-no-steward": ("linkage/link.py", "linkkit.steward"),
    "common-ground": ("exchange/spec.py", "linkkit.partner.keys"),
    "partner-steps": ("partner/read/files.py", "linkkit.partner.standardize"),
    "partner-steps-judge": ("partner/encode/payload.py", "linkkit.partner.preflight"),
    "partner-keys": ("partner/standardize/text.py", "linkkit.partner.keys"),
    "linkage-steps": ("linkage/block/plan.py", "linkkit.linkage.cluster"),
    "steward-steps": ("steward/integrate/join.py", "linkkit.steward.release"),
    "onlookers": ("linkage/quality.py", "linkkit.synth"),
    "commands": ("report/page.py", "linkkit.cli"),
    "demonstration": ("report/page.py", "linkkit.demo"),
    "benchmark": ("synth/people.py", "linkkit.bench"),
    "partner-alone": ("partner/encode/payload.py", "linkkit.steward"),
    "partner-links-nothing": ("partner/encode/payload.py", "linkkit.linkage"),
    "common-layers": ("agreement/document.py", "linkkit.exchange"),
    "errors-know-nothing": ("errors.py", "linkkit.agreement"),
    "judges-see-no-keys": ("assess/truth.py", "linkkit.partner.keys"),
    "reports-see-no-names": ("report/page.py", "linkkit.partner.read"),
    "judges-see-no-payload": ("assess/truth.py", "linkkit.steward"),
    "reports-draw-what-was-assessed": ("assess/truth.py", "linkkit.report"),
    "made-up-people-stand-alone": ("synth/people.py", "linkkit.partner.keys"),
}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package and of the project's contracts."""
    ignore = shutil.ignore_patterns("__pycache__", "*.nbc", "*.nbi")
    shutil.copytree(PACKAGE, tmp_path / "src" / "linkkit", ignore=ignore)
    shutil.copy(PROJECT, tmp_path / "pyproject.toml")
    return tmp_path


def contracts_hold(folder: Path) -> tuple[bool, str]:
    code = (
        "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports_command;"
        "lint_imports_command()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "--no-cache", "--config", "pyproject.toml"],
        check=False, capture_output=True, text=True, cwd=folder,
        env={"PYTHONPATH": str(folder / "src"), "PATH": "", "COLUMNS": "200"},
    )  # fmt: skip
    return done.returncode == 0, done.stdout + done.stderr


def test_the_contracts_hold(copied: Path) -> None:
    hold, output = contracts_hold(copied)
    assert hold, output
    assert "0 broken" in output


@pytest.mark.parametrize("breach", BREACHES)
def test_a_wall_broken_on_purpose_is_noticed(copied: Path, breach: str) -> None:
    where, stranger = BREACHES[breach]
    path = copied / "src" / "linkkit" / where
    source = path.read_text(encoding="utf-8")
    # The import comes last and inside a function, where nobody would look for it.
    breach_code = f"\n\ndef _peek():\n    import {stranger}\n    return {stranger}\n"
    path.write_text(source + breach_code, encoding="utf-8")
    hold, output = contracts_hold(copied)
    assert not hold, output
    assert "BROKEN" in output
