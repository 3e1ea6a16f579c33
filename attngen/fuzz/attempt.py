"""One example: a call, made from a recipe, computed in some way, and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from attngen.errors import CallError
from attngen.fuzz.call import Call
from attngen.fuzz.gradient_oracle import assert_gradients as assert_pair_gradients
from attngen.fuzz.gradient_oracle import by_result, wanted
from attngen.fuzz.laws import Run, keep, parts_of
from attngen.fuzz.oracle import Disagreement, assert_close, expected
from attngen.fuzz.recurrent_oracle import Given, compiled, kernel_agrees, kernel_gradients_agree, traced
from attngen.fuzz.ways import Way, attended, carried_in_pieces, cut
from attngen.ir import nodes
from attngen.ir.expr import Size
from attngen.runtime.kernel import Kernel
from attngen.runtime.pairwise import PairwiseKernel
from attngen.runtime.recurrent import RecurrentKernel


def assert_right(kernel: Kernel, call: Call, way: Way, *, backward: bool, seen: Counter[str] | None = None) -> None:
    """Compare a call with the interpreter, and with itself.

    Args:
        kernel: built for one backend.
        backward: gradients too.
        seen: counts what calls have reached.

    Raises:
        Disagreement: it is not as right as its dtype allows, or a law is broken.
    """
    seen = Counter() if seen is None else seen
    with _no_other_errors(), cut(kernel, way):
        if isinstance(kernel, RecurrentKernel):
            _judge_states(kernel, call, way, kernel.backend, backward, seen)
        else:
            assert isinstance(kernel, PairwiseKernel)
            _judge_pairs(kernel, call, way, backward, seen)


@contextmanager
def _no_other_errors() -> Iterator[None]:
    """A call that the interpreter accepts is accepted."""
    try:
        yield
    except Disagreement:
        raise
    except Exception as error:
        raise Disagreement(f"the interpreter accepts this call, and here is {type(error).__name__}: {error}") from error


def _judge_pairs(kernel: PairwiseKernel, call: Call, way: Way, backward: bool, seen: Counter[str]) -> None:
    variant = kernel.variant
    meaning = expected(variant, call)
    by = by_result(variant, call, int(call.q.shape[2])) if backward else None
    if way.name == "in pieces" and _knows_queries(variant):
        way = replace(way, name="at once")
    try:
        found = attended(kernel, call, way, by)
    except CallError as error:
        if way.name != "on ranks":
            raise
        seen[f"not on ranks: {str(error).split(' (')[0]}"[:90]] += 1
        way = replace(way, name="at once")
        found = attended(kernel, call, way, by)
    assert_close(meaning, found.y, found.lse)
    if found.gradients is not None and by is not None:
        assert_pair_gradients(wanted(variant, call, *by), found.gradients)
        seen["gradients"] += 1
    seen.update([way.name, *_kinds_of(call), *_rows_of(meaning.live), *_tiles_of(kernel, call)])
    if way.name in ("at once", "in other tiles"):
        _keep_laws(kernel, call, found.y, meaning.live, lambda other: _y(kernel, other), seen)


def _keep_laws(kernel: Kernel, call: Call, y: Tensor, live: Tensor | None, run: Run, seen: Counter[str]) -> None:
    seen.update(f"law: {law}" for law in keep(kernel.variant, call, y, live, run))


def _y(kernel: PairwiseKernel, call: Call) -> Tensor:
    return attended(kernel, call, Way("at once"), None).y


def _judge_states(
    kernel: RecurrentKernel, call: Call, way: Way, backend: str, backward: bool, seen: Counter[str]
) -> None:
    given = _given(call)
    position = int(call.offset or 0) if kernel.variant.order is None else 0
    run: Any = compiled
    if way.name == "in pieces" and _may_be_cut(kernel, given, position, way.cut):
        run = carried_in_pieces(way.cut)
    kernel_agrees(kernel, given, position, backend, run)
    if backward:
        kernel_gradients_agree(kernel, given, position, backend, run)
        seen["gradients"] += 1
    name = "in other tiles" if way.name == "in other tiles" else "at once"
    seen.update([name if run is compiled else "in pieces", *_kinds_of(call)])

    def y_of(other: Call) -> Tensor:
        return compiled(kernel, _given(other), position)[0]

    if run is compiled:
        _keep_laws(kernel, call, y_of(call), None, y_of, seen)
    if call.states:
        seen["states given"] += 1


def _given(call: Call) -> Given:
    return Given((call.q, call.k, call.v), dict(call.inputs), dict(call.states), call.scale)


def _may_be_cut(kernel: RecurrentKernel, call: Given, position: int, cut: float) -> bool:
    """Whether the spec means the same in two calls: it may know how many tokens there are, or the one before."""
    if kernel.variant.order is not None:
        return False

    def interpreted(kernel: RecurrentKernel, part: Given, at: int) -> Any:
        found = traced(kernel, part, at)
        return found.y, found.states

    whole = traced(kernel, call, position)
    y, _ = carried_in_pieces(cut, interpreted)(kernel, call, position)
    return torch.allclose(y, whole.y, rtol=1e-9, atol=1e-12, equal_nan=True)


def _knows_queries(variant: nodes.Variant) -> bool:
    return any(isinstance(part, Size) and part.axis == "N" for part in parts_of(variant)) or bool(variant.assertions)


def _kinds_of(call: Call) -> Iterator[str]:
    rows = (call.q, call.k, call.v)
    yield str(call.q.dtype).removeprefix("torch.")
    yield "no tokens" if min(call.q.shape[2], call.k.shape[2]) == 0 else "tokens"
    if call.q.shape[2] != call.k.shape[2]:
        yield "N != M"
    if len({x.shape[1] for x in rows}) > 1:
        yield "shared heads"
    if not all(x.is_contiguous() for x in rows):
        yield "strides"
    if isinstance(call.offset, Tensor):
        yield "an offset for each batch row"


def _rows_of(live: Tensor) -> Iterator[str]:
    if live.numel():
        some = live.any(-1)
        yield from (["rows that see nothing"] if not some.all() else [])
        yield from (["rows that see something"] if some.any() else [])


def _tiles_of(kernel: PairwiseKernel, call: Call) -> Iterator[str]:
    """The classes of tiles of the first batch row and head, as the kernel finds them."""
    offset: Any = call.offset
    first = int(offset.flatten()[0]) if isinstance(offset, Tensor) else offset
    inputs: dict[str, Any] = dict(call.inputs)
    try:
        classes = kernel.tiles(call.q.shape[2], call.k.shape[2], H=call.heads, offset=first, **inputs)
    except CallError:
        return
    yield from (("tiles left out", "partial tiles", "full tiles")[int(each)] for each in torch.unique(classes))
