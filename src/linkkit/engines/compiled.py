"""How kernels are compiled. Imports numba, so only modules of kernels import this one.

A kernel takes arrays and fills arrays, and allocates nothing. Counting references to its arrays, which
numba does wherever one is handed on, would be half of the time of a kernel whose work on a row is a few
nanoseconds. Without numba's run time (``_nrt``) none are counted; a kernel that allocates after all is
refused by the compiler.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir
from numba import njit, types
from numba.core import event
from numba.core.options import DefaultOptions
from numba.extending import intrinsic

__all__ = ["kernel", "kernel_part", "popcount", "wide_vectors"]

Function = TypeVar("Function", bound=Callable[..., Any])

_njit: Any = njit

# An option that numba does not document; where a version lacks it, references are counted.
_UNCOUNTED: dict[str, bool] = {"_nrt": False} if hasattr(DefaultOptions, "_nrt") else {}


class _FirstCompilation(event.Listener):
    """Says once that kernels are being compiled, so that nobody thinks that work hangs."""

    told = False

    def on_start(self, event: Any) -> None:
        """Note that something is compiled; it may be somebody else's."""
        dispatcher = event.data.get("dispatcher")
        module = getattr(getattr(dispatcher, "py_func", None), "__module__", "") or ""
        if module.startswith("linkkit.") and not self.told:
            self.told = True
            logging.getLogger("linkkit").warning(
                "linkkit compiles its kernels for this processor, which takes some seconds; they are kept "
                "for the next time"
            )

    def on_end(self, event: Any) -> None:
        """Do nothing."""


_register: Any = event.register
_register("numba:compile", _FirstCompilation())


def kernel(function: Function) -> Function:
    """Compile a kernel when it is first called, kept on disk; it runs without the interpreter lock."""
    compiled: Function = _njit(nogil=True, cache=True, **_UNCOUNTED)(function)
    return compiled


def kernel_part(function: Function) -> Function:
    """Compile a function that kernels call, put into each of them."""
    compiled: Function = _njit(forceinline=True, **_UNCOUNTED)(function)
    return compiled


@intrinsic
def _popcount(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
    """Count the bits set in a 64-bit word with the processor's own instruction."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), emit


@intrinsic
def _wide_vectors(typing_context: Any) -> Any:  # noqa: ARG001
    """Let the compiler use 512-bit vectors in this function, where the processor has them."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), emit


# The decorator supplies the first argument; to the type checker it does not look so.
popcount: Any = _popcount
wide_vectors: Any = _wide_vectors
