"""Run the code blocks of the documentation, so that a page cannot drift from the code.

All ``python`` blocks of a page are one script, run in an empty folder. In ``docs/tutorial/``,
the ``sh`` blocks of a page are one script, too, run before the Python. Blocks that open with
``{.python .no-run}`` or ``{.sh .no-run}`` are for reading only.

    python .ci/run_docs.py [PAGE ...]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(python|sh)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


def scripts(page: Path) -> list[tuple[str, list[str], str]]:
    """Return a page's scripts: language, command line and text of each."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    shell = "\n".join(text for language, text in blocks if language == "sh")
    python = "\n".join(text for language, text in blocks if language == "python")
    found = []
    if shell and "tutorial" in page.parts:
        found.append(("sh", ["bash", "-euo", "pipefail", "-s"], shell))
    if python:
        found.append(("python", [sys.executable, "-"], python))
    return found


def run_page(page: Path) -> bool:
    """Run a page's scripts in an empty folder; say what failed."""
    here = os.path.dirname(sys.executable)  # noqa: PTH120  (a link to the interpreter must stay)
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    environment["PATH"] = here + os.pathsep + environment.get("PATH", "")
    for language, command, text in scripts(page):
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                command,
                input=text,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        seconds = time.monotonic() - start
        print(f"{page.relative_to(ROOT)}: {language}, {seconds:.1f} s")
        if done.returncode:
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n")
            return False
    return True


def main(names: list[str]) -> int:
    """Run the named pages, or all."""
    pages = [Path(name).resolve() for name in names] or sorted((ROOT / "docs").rglob("*.md"))
    failed = [page for page in pages if not run_page(page)]
    for page in failed:
        print(f"FAILED: {page.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
