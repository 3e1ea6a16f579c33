"""One example: a call, made from a recipe, computed in some way, and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

import attngen
from attngen.analysis.lists import List
from attngen.errors import CallError
from attngen.fuzz.call import ALL, Call, asked
from attngen.fuzz.case import Case, alike
from attngen.fuzz.gradient_oracle import assert_gradients as assert_pair_gradients
from attngen.fuzz.gradient_oracle import by_result, wanted
from attngen.fuzz.interpreted import is_interpreted, mend
from attngen.fuzz.laws import keep, parts_of
from attngen.fuzz.oracle import Disagreement, assert_close, assert_y_close, expected
from attngen.fuzz.recurrent_oracle import Given, compiled, kernel_agrees, kernel_gradients_agree, traced
from attngen.fuzz.recurrent_oracle import assert_gradients as assert_state_gradients
from attngen.fuzz.ring import on_ranks
from attngen.fuzz.tile_oracle import tiles_of
from attngen.fuzz.ways import Way, attended, carried_in_pieces, cut, pieces
from attngen.ir import nodes
from attngen.ir.expr import Size, distinct
from attngen.runtime.kernel import Kernel
from attngen.runtime.pairwise import PairwiseKernel
from attngen.runtime.recurrent import RecurrentKernel
from attngen.schedule.configuration import CPU_TILES

FAR = 2**31 - 1024
"""Positions that ints of 32 bits hardly hold."""


def assert_right(kernel: Kernel, call: Call, way: Way, *, backward: bool) -> Counter[str]:
    """Compare a call with the interpreter, and with itself.

    Args:
        kernel: built for one backend.
        backward: gradients too.

    Returns:
        What the call has reached.

    Raises:
        Disagreement: it is not as right as its dtype allows, or a law is broken.
    """
    seen: Counter[str] = Counter()
    if kernel.backend == "triton" and is_interpreted():
        mend()
    with _no_other_errors(), cut(kernel, way):
        if isinstance(kernel, RecurrentKernel):
            _judge_states(kernel, call, way, backward, seen)
        else:
            assert isinstance(kernel, PairwiseKernel)
            _judge_pairs(kernel, call, way, backward, seen)
    return seen


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
    by = by_result(variant, call, sum(call.shape) + int(call.k.shape[2])) if backward else None
    if way.name == "in pieces" and (_knows_queries(variant) or len(pieces(way.cut, call.q.shape[2])) == 1):
        way = replace(way, name="at once")
    if way.name == "prepared" and not isinstance(kernel.plan.walk, List):
        way = replace(way, name="at once")
    try:
        found = attended(kernel, call, way, by)
    except CallError as error:
        if way.name != "on ranks":
            raise
        seen[_not_on_ranks(error)] += 1
        way = replace(way, name="at once")
        found = attended(kernel, call, way, by)
    assert_close(meaning, found.y, found.lse)
    if found.gradients is not None and by is not None:
        meant = wanted(variant, call, *by).by(asked(call, way.by))
        assert_pair_gradients(meant, found.gradients, found.roundings, added=way.name == "on ranks")
        seen[_asked_for(call, way)] += 1
    seen.update([way.name, *_kinds_of(call), *_rows_of(meaning.live), *_tiles_of(kernel, call, way, meaning.live)])
    if way.name in ("at once", "prepared", "in other tiles"):

        def y_of(other: Call) -> Tensor:
            return attended(kernel, other, Way("at once"), None).y

        near = partial(assert_y_close, meaning)
        unordered = None if variant.order is None else partial(_unordered, kernel, call)
        _keep_laws(Case(variant, call, found.y, meaning.y, meaning.live, y_of, near, unordered), seen)


def _unordered(kernel: PairwiseKernel, call: Call) -> Tensor:
    """What a kernel gives that takes keys as they lie."""
    variant, given = replace(kernel.variant, order=None), dict[str, Any](call.parameters)
    plain = attngen.build(variant, backend=kernel.backend, **given)
    return attended(plain, call, Way("at once"), None).y


def _keep_laws(case: Case, seen: Counter[str]) -> None:
    seen.update(f"law: {law}" for law in keep(case))


def _judge_states(kernel: RecurrentKernel, call: Call, way: Way, backward: bool, seen: Counter[str]) -> None:
    if way.name == "on ranks":
        call = replace(call, offset=None, states={})  # there, sequences are whole
        if not _agrees_on_ranks(kernel, call, way, backward, seen):
            way = replace(way, name="at once")
    if way.name == "prepared":  # which is for tiles of pairs
        way = replace(way, name="at once")
    if way.name != "on ranks":
        way = _judge_run(kernel, call, way, backward, seen)
    seen.update([way.name, *_kinds_of(call), *([_asked_for(call, way)] if backward else [])])
    seen.update(["states given"] if call.states else [])


def _judge_run(kernel: RecurrentKernel, call: Call, way: Way, backward: bool, seen: Counter[str]) -> Way:
    """In one call or two; which it was."""
    given, position = _given(call), _position(kernel, call)
    run: Any = compiled
    others = len(pieces(way.cut, call.q.shape[2])) - 1 if way.name == "in pieces" else 0
    if others and _may_be_cut(kernel, given, position, way.cut):
        run = carried_in_pieces(way.cut)
    elif way.name == "in pieces":
        way, others = replace(way, name="at once"), 0
    y = kernel_agrees(kernel, given, position, kernel.backend, run)
    if backward:
        kernel_gradients_agree(kernel, given, position, kernel.backend, run, _names(call, way), others)
    if run is compiled:
        meaning = traced(kernel, given, position).y

        def y_of(other: Call) -> Tensor:
            return compiled(kernel, _given(other), _position(kernel, other))[0]

        _keep_laws(Case(kernel.variant, call, y, meaning, None, y_of, _no_distance), seen)
    return way


def _no_distance(_: Tensor) -> None:
    raise AssertionError("laws of states hold bit by bit")


def _agrees_on_ranks(kernel: RecurrentKernel, call: Call, way: Way, backward: bool, seen: Counter[str]) -> bool:
    """Whether ranks share the tokens; if so, y and gradients are right."""
    given, generator = _given(call), torch.Generator().manual_seed(1)
    by_y = torch.randn(call.shape, generator=generator).to(call.q.dtype)
    try:
        first = on_ranks(kernel, call, by_y, None, way.ranks, way.by)[0]
    except CallError as error:
        seen[_not_on_ranks(error)] += 1
        return False
    kernel_agrees(kernel, given, 0, kernel.backend, lambda *_: (first.y, {}), of_states=False)
    if backward:
        nothing = {name: torch.zeros_like(x) for name, x in traced(kernel, given, 0).states.items()}
        found = dict(zip(asked(call, way.by), first.gradients, strict=True))
        assert_state_gradients(kernel, given, 0, by_y.double(), nothing, found, kernel.backend, way.ranks - 1)
    return True


def _names(call: Call, way: Way) -> list[str] | None:
    """What gradients of a recurrence go to: where it is everything, states too."""
    return None if way.by == ALL else asked(call, way.by)


def _asked_for(call: Call, way: Way) -> str:
    return "gradients" if asked(call, way.by) == asked(call) else "gradients by some alone"


def _not_on_ranks(error: CallError) -> str:
    return f"not on ranks: {str(error).split(' (')[0].split(', not ')[0]}"[:90]


def _position(kernel: RecurrentKernel, call: Call) -> int:
    return int(call.offset or 0) if kernel.variant.order is None else 0


def _given(call: Call) -> Given:
    return Given((call.q, call.k, call.v), dict(call.inputs), dict(call.states), call.scale)


def _may_be_cut(kernel: RecurrentKernel, call: Given, position: int, cut: float) -> bool:
    """Whether the spec means the same in two calls: it may know how many tokens there are, or the one before, or read
    an input at tokens of the whole call."""
    variant = kernel.variant
    if variant.order is not None or any("n" in given.axes for given in variant.inputs):
        return False

    def interpreted(kernel: RecurrentKernel, part: Given, at: int) -> Any:
        found = traced(kernel, part, at)
        return found.y, found.states

    whole = traced(kernel, call, position)
    y, states = carried_in_pieces(cut, interpreted)(kernel, call, position)
    return alike(y, whole.y) and all(alike(state, whole.states[name]) for name, state in states.items())


def _knows_queries(variant: nodes.Variant) -> bool:
    """Whether it speaks of their number, so that a part of them is something else."""
    asserted = (part for assertion in variant.assertions for part in distinct(assertion.condition))
    return any(isinstance(part, Size) and part.axis == "N" for part in (*parts_of(variant), *asserted))


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
    elif abs(call.offset or 0) >= FAR:
        yield "positions far out"


def _rows_of(live: Tensor) -> Iterator[str]:
    if live.numel():
        some = live.any(-1)
        yield from (["rows that see nothing"] if not some.all() else [])
        yield from (["rows that see something"] if some.any() else [])


def _tiles_of(kernel: PairwiseKernel, call: Call, way: Way, live: Tensor) -> Iterator[str]:
    """The classes of tiles of the first batch row and head, which are right."""
    classes = tiles_of(kernel.plan, call, live, way.tile if way.name == "in other tiles" else CPU_TILES)
    yield from (("tiles left out", "partial tiles", "full tiles")[int(each)] for each in torch.unique(classes))
