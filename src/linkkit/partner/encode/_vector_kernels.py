"""ORs masks into filters, eight words of 64 bits at a time. For kernels alone."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj

__all__ = ["or_eight", "or_eight_onto"]

_VECTOR = ir.VectorType(ir.IntType(64), 8)

_array_of: Any = arrayobj.make_array


def _emitted(context: Any, builder: Any, signature: Any, arguments: Any, *, onto: bool) -> Any:
    """Write the loop over ``ids[first:last]``, which keeps its eight words in a register."""
    one = ir.Constant(ir.IntType(64), 1)

    def data_of(i: int) -> Any:
        return _array_of(signature.args[i])(context, builder, arguments[i]).data

    vectors = builder.bitcast(data_of(0), _VECTOR.as_pointer())
    target = builder.gep(builder.bitcast(data_of(5), _VECTOR.as_pointer()), [arguments[6]])
    empty = ir.Constant(_VECTOR, [0] * 8)
    start = builder.load(target, align=8) if onto else empty
    numbers, before = data_of(1), builder.basic_block
    n_parts, which = (builder.extract_value(arguments[4], i) for i in range(2))
    head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    i, total = builder.phi(ir.IntType(64)), builder.phi(_VECTOR)
    i.add_incoming(arguments[2], before)
    total.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", i, arguments[3]), body, done)
    builder.position_at_end(body)
    token = builder.zext(builder.load(builder.gep(numbers, [i])), ir.IntType(64))
    place = builder.gep(vectors, [builder.add(builder.mul(token, n_parts), which)])
    total.add_incoming(builder.or_(total, builder.load(place, align=8)), body)
    i.add_incoming(builder.add(i, one), body)
    builder.branch(head)
    builder.position_at_end(done)
    builder.store(total, target, align=8)
    return context.get_dummy_value()


@intrinsic
def _or_eight(
    typing_context: Any, masks: Any, ids: Any, first: Any, last: Any, part: Any, out: Any, to: Any  # noqa: ARG001
) -> Any:  # fmt: skip
    """Write eight words of the masks of ``ids[first:last]``, OR-ed, to eight words of `out`.

    `masks` and `out` are C-contiguous; ``part[0]`` and ``part[1]`` are the number of such eights in a
    mask, and which of them; `to` counts eights.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emitted(context, builder, signature, arguments, onto=False)

    return types.void(masks, ids, first, last, part, out, to), emit


@intrinsic
def _or_eight_onto(
    typing_context: Any, masks: Any, ids: Any, first: Any, last: Any, part: Any, out: Any, to: Any  # noqa: ARG001
) -> Any:  # fmt: skip
    """OR eight words of the masks of ``ids[first:last]`` onto eight words of `out`."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emitted(context, builder, signature, arguments, onto=True)

    return types.void(masks, ids, first, last, part, out, to), emit


# The decorator supplies the first argument; to the type checker it does not look so.
or_eight: Any = _or_eight
or_eight_onto: Any = _or_eight_onto
