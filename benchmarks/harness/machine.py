"""What the figures were measured on, as `linkkit bench` says it.

The file is loaded by its path: the package around it would make this process large.
"""

from __future__ import annotations

import importlib.util

from harness.environments import OWN_SOURCE

_SPEC = importlib.util.spec_from_file_location(
    "linkkit_bench_machine", OWN_SOURCE / "linkkit" / "bench" / "machine.py"
)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)

describe, digest_of = _MODULE.describe, _MODULE.digest_of
