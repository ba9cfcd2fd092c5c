"""How kernels are compiled. Imports numba, so only modules of kernels import this one.

A kernel takes arrays and fills arrays, and allocates nothing. Counting references to its arrays, which
numba does wherever one is handed on, would be half of the time of a kernel whose work on a row is a few
nanoseconds. Without numba's run time (``_nrt``) none are counted; a kernel that allocates after all is
refused by the compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

__all__ = ["kernel", "kernel_part"]

Function = TypeVar("Function", bound=Callable[..., Any])

_njit: Any = njit


def kernel(function: Function) -> Function:
    """Compile a kernel when it is first called, kept on disk; it runs without the interpreter lock."""
    compiled: Function = _njit(nogil=True, cache=True, _nrt=False)(function)
    return compiled


def kernel_part(function: Function) -> Function:
    """Compile a function that kernels call, put into each of them."""
    compiled: Function = _njit(forceinline=True, _nrt=False)(function)
    return compiled
