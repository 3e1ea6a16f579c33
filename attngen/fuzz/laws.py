"""What calls of a kernel have in common whatever a spec says, or because of what it leaves out.

A law compares the kernel with itself, most of them bit by bit, so that it holds whatever the interpreter thinks. Where
it depends on what a spec leaves out, the interpreter is asked whether both calls mean the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from attngen.fuzz.call import Call
from attngen.fuzz.case import Case, exactly
from attngen.ir import nodes
from attngen.ir.bodies import expressions
from attngen.ir.expr import Expr, Read, Size, distinct, variables

FURTHER = 64
"""Tokens by which a recurrence is moved: periods of positions, if there are any, are parts of it."""


def unseen(case: Case) -> bool:
    """A row does not change with keys and values that it can't see: of a causal mask, with the future."""
    call, row, hidden = case.call, case.y.shape[2] // 2, _hidden(case)
    if _is_shared(call.k) or _is_shared(call.v) or not hidden.any():
        return False
    there = hidden[:, None, :, None]
    k, v = (torch.where(there, 7.0 - x.float(), x.float()).to(x.dtype) for x in (call.k, call.v))
    found = case.run(replace(call, k=k, v=v))[:, :, row]
    exactly(f"row {row} changes with keys that it can't see", found, case.y[:, :, row])
    return True


def unseen_inputs(case: Case) -> bool:
    """Nor with what inputs say of keys that it can't see, unless that says whether it sees them."""
    call, row, places = case.call, case.y.shape[2] // 2, _hidden(case).all(0).nonzero().flatten()
    inputs = dict(call.inputs)
    for name, x in inputs.items():
        given = case.variant.input(name)
        along = [at for at, axis in enumerate(given.axes) if axis in ("j", "t")]
        if along and not given.sorted:
            inputs[name] = x.index_copy(along[0], places, x.index_select(along[0], places.flip(0)))
    if all(torch.equal(x, call.inputs[name]) for name, x in inputs.items()):
        return False
    other = replace(call, inputs=inputs)
    meaning = case.meaning_of(other)
    if meaning is None or not torch.equal(meaning[:, :, row], case.meaning[:, :, row]):
        return False
    found = case.y.clone()
    found[:, :, row] = case.run(other)[:, :, row]
    if case.live is None:
        exactly(f"row {row} changes with inputs of later tokens", found, case.y)
    else:  # other rows may see other tiles, which are dealt to programs in another way then
        case.near(found)
    return True


def _hidden(case: Case) -> Tensor:
    """Keys that the middle row of no head sees, which heads may share: bool [B, M]; of a recurrence, later tokens."""
    batch, _, rows, _ = case.y.shape
    if case.variant.order is not None or rows == 0:
        return torch.zeros(batch, 0, dtype=torch.bool)
    if case.live is None:
        return (torch.arange(rows) > rows // 2).expand(batch, -1)
    return ~case.live[:, :, rows // 2].any(1)


def scaled(case: Case) -> bool:
    """Half of v gives half of y."""
    half = replace(case.call, v=case.call.v / 2)
    if case.call.v.dtype == torch.float16:  # its small numbers lose bits
        return False
    if case.live is None and not case.means(half, case.meaning / 2, exactly=True):
        return False
    exactly("half of v doesn't give half of y", case.run(half), case.y / 2)
    return True


def turned_batch(case: Case) -> bool:
    """Batch rows know nothing of each other."""
    call, variant = case.call, case.variant
    if call.q.shape[0] < 2 or any("b" in variables(part) for part in parts_of(variant)):
        return False

    def turn(x: Tensor) -> Tensor:
        return x.flip(0)

    inputs = {name: turn(x) if "b" in variant.input(name).axes[:1] else x for name, x in call.inputs.items()}
    if any("b" in variant.input(name).axes[1:] for name in inputs):
        return False
    offset = turn(call.offset) if isinstance(call.offset, Tensor) and call.offset.ndim else call.offset
    states = {name: turn(x) for name, x in call.states.items()}
    given = replace(call, q=turn(call.q), k=turn(call.k), v=turn(call.v), inputs=inputs, offset=offset, states=states)
    exactly("batch rows in another order change", case.run(given), turn(case.y))
    return True


def turned_heads(case: Case) -> bool:
    """Heads know nothing of each other, nor of their number, unless the spec says so; inputs are turned as rows are."""
    call, variant = case.call, case.variant
    heads = {rows.shape[1] for rows in (call.q, call.k, call.v)}
    if len(heads) > 1 or heads == {1}:
        return False
    inputs = dict(call.inputs)
    for name, x in inputs.items():
        at = variant.input(name).axes.index("h") if "h" in variant.input(name).axes else None
        if at is not None and x.shape[at] not in (1, call.heads):  # several heads share an element
            return False
        inputs[name] = x if at is None else x.flip(at)
    q, k, v = (rows.flip(1) for rows in (call.q, call.k, call.v))
    other = replace(call, q=q, k=k, v=v, inputs=inputs, states={name: x.flip(1) for name, x in call.states.items()})
    if _knows_heads(variant) and not case.means(other, case.meaning.flip(1), exactly=True):
        return False
    exactly("heads in another order change", case.run(other), case.y.flip(1))
    return True


def in_any_order(case: Case) -> bool:
    """An order of keys is one of walking: y is the same sum without it."""
    if case.unordered is None:
        return False
    case.near(case.unordered())
    return True


def turned_keys(case: Case) -> bool:
    """Keys in another order are the same sum, where the spec does not know where they stand."""
    call = case.call
    ordered = any(given.sorted and "j" in given.axes for given in case.variant.inputs)
    if case.live is None or call.k.shape[2] < 2 or ordered:
        return False
    other = _with_keys(case, lambda rows, axis: rows.flip(axis))
    if other is None or not case.means(other, case.meaning, exactly=False):
        return False
    case.near(case.run(other))
    return True


def shifted(case: Case) -> bool:
    """Where distances alone count, rows stay what they are without keys in front that none of them sees; and a
    recurrence whose tokens don't know where they stand may begin anywhere."""
    call, live = case.call, case.live
    if live is None:
        return _begun_elsewhere(case)
    seen = live.flatten(0, 2).any(0)
    front = int(seen.int().argmax()) if seen.any() else 0
    other = _with_keys(case, lambda rows, axis: rows.narrow(axis, front, rows.shape[axis] - front)) if front else None
    if other is None:
        return False
    other = replace(other, offset=call.first - front)
    if not case.means(other, case.meaning, exactly=False):
        return False
    case.near(case.run(other))
    return True


def _begun_elsewhere(case: Case) -> bool:
    position: Any = case.call.offset or 0
    other = replace(case.call, offset=position + FURTHER)
    if case.variant.order is not None or not case.means(other, case.meaning, exactly=True):
        return False
    exactly("tokens that don't know where they stand do", case.run(other), case.y)
    return True


def _with_keys(case: Case, changed: Callable[[Tensor, int], Tensor]) -> Call | None:
    """The call with other keys; None where an input is of queries and keys at once."""
    call, inputs = case.call, dict(case.call.inputs)
    for name, given in inputs.items():
        axes = case.variant.input(name).axes
        if "n" in axes:
            return None
        inputs[name] = changed(given, axes.index("j")) if "j" in axes else given
    return replace(call, k=changed(call.k, 2), v=changed(call.v, 2), inputs=inputs)


LAWS: tuple[Callable[[Case], bool], ...] = (
    unseen,
    unseen_inputs,
    scaled,
    turned_batch,
    turned_heads,
    turned_keys,
    shifted,
    in_any_order,
)
"""Each gives `False` where it says nothing of a call."""


def keep(case: Case) -> Iterator[str]:
    """The names of the laws that said something.

    Raises:
        Disagreement: one is broken.
    """
    for law in LAWS:
        if law(case):
            yield law.__name__.replace("_", " ")


def _is_shared(rows: Tensor) -> bool:
    return rows.shape[0] > 1 and rows.stride(0) == 0


@cache
def parts_of(variant: nodes.Variant) -> tuple[Expr, ...]:
    """All that a variant computes with."""
    order = () if variant.order is None else (variant.order.step,)
    return tuple(part for each in (*expressions(variant.body), *order) for part in distinct(each))


def _knows_heads(variant: nodes.Variant) -> bool:
    every = parts_of(variant)
    by_head = any("h" in variant.input(part.input).axes for part in every if isinstance(part, Read))
    sized = any(isinstance(part, Size) and part.axis == "H" for part in every)
    return by_head or sized or any("h" in variables(part) for part in every)
