"""The peers' own virtual environments, built with pip when they are first needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
OWN_SOURCE = HERE.parent / "src"

PACKAGES = {
    # anonlink 0.15.3 imports pkg_resources, which setuptools 82 no longer has.
    "clkhash-anonlink": ["setuptools<82", "clkhash==0.18.3", "anonlink==0.15.3", "numpy"],
    # recordlinkage 0.16 does not work with pandas 3. This environment also prepares the data.
    "recordlinkage": ["recordlinkage==0.16", "pseudopeople>=1.3", "pandas<3"],
    "splink": ["splink>=5,<6", "duckdb", "pyarrow"],
}
PEERS = tuple(PACKAGES)
PACKAGES["protection"] = ["pycanon==1.3.5", "anjana==1.2.3", "anonypy==0.2.1", "anonypyx==0.2.11"]


def python_of(tool: str) -> str:
    """Return the interpreter that runs a tool; build its environment if there is none."""
    if tool == "linkkit":
        return sys.executable
    folder = HERE / f".venv-{tool}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / ".complete"
    wanted = "\n".join(PACKAGES[tool])
    if not (done.exists() and done.read_text() == wanted):
        print(f"building the environment of {tool} (once) ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES[tool]]
        subprocess.run(install, check=True)
        done.write_text(wanted)
    return str(python)


def variables_of(tool: str, *, source: Path, numba_cache: Path) -> dict[str, str]:
    """Return the environment variables of a tool: the source for linkkit, no source else."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if tool == "linkkit":
        variables["PYTHONPATH"] = str(source)
        variables["NUMBA_CACHE_DIR"] = str(numba_cache)
    return variables
