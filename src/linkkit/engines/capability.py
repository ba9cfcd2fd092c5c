"""Whether compiled kernels can run here."""

from __future__ import annotations

from functools import cache
from importlib import import_module

__all__ = ["has_numba"]


@cache
def has_numba() -> bool:
    """Return whether numba works here; found out once, when kernels are first worth it.

    Where it is not installed, or cannot be imported (another numpy, a missing library of the
    system), or finds no folder to keep compiled code in, every kernel has a twin that gives the
    same results.
    """
    try:
        import_module("numba").njit(cache=True)(_nothing)
    except Exception:  # noqa: BLE001  # a damaged installation may fail in any way
        return False
    return True


def _nothing() -> None:
    """Stand for a kernel; never compiled."""
