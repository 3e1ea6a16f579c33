"""What calls of a kernel have in common whatever a spec says, or because of what it leaves out.

A law compares the kernel with itself, bit by bit, so that it holds whatever the interpreter thinks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from attngen.fuzz.call import Call
from attngen.fuzz.oracle import Disagreement
from attngen.ir import nodes
from attngen.ir.bodies import expressions
from attngen.ir.expr import Expr, Read, Size, distinct, variables

Run = Callable[[Call], Tensor]
Law = Callable[[nodes.Variant, Call, Tensor, Tensor | None, Run], bool]
"""Given a variant, a call, its y and, of pairs, which are live; `False` where it says nothing of them."""
TINY = 1e-37
"""Numbers so small that they lose bits when they are halved."""


def _exactly(what: str, found: Tensor, y: Tensor) -> None:
    if not torch.allclose(found.float(), y.float(), rtol=0, atol=TINY, equal_nan=True):
        off = (found.double() - y.double()).abs().max()
        raise Disagreement(f"law broken: {what}; off by up to {off:.3g}")


def unseen(variant: nodes.Variant, call: Call, y: Tensor, live: Tensor | None, run: Run) -> bool:
    """A row does not change with keys and values that it can't see: of a causal mask, with the future."""
    rows = y.shape[2]
    if _is_shared(call.k) or _is_shared(call.v) or rows == 0 or variant.order is not None:
        return False
    row = rows // 2
    # Of all heads, for they may share keys.
    hidden = (torch.arange(rows) > row).expand(y.shape[0], -1) if live is None else ~live[:, :, row].any(1)
    if not hidden.any():
        return False
    there = hidden[:, None, :, None]
    k, v = (torch.where(there, 7.0 - x.float(), x.float()).to(x.dtype) for x in (call.k, call.v))
    _exactly(f"row {row} changes with keys that it can't see", run(replace(call, k=k, v=v))[:, :, row], y[:, :, row])
    return True


def scaled(variant: nodes.Variant, call: Call, y: Tensor, live: Tensor | None, run: Run) -> bool:
    """Half of v gives half of y."""
    del live
    if isinstance(variant.body, nodes.Recurrent) or call.v.dtype == torch.float16:  # its small numbers lose bits
        return False
    _exactly("half of v doesn't give half of y", run(replace(call, v=call.v / 2)), y / 2)
    return True


def turned_batch(variant: nodes.Variant, call: Call, y: Tensor, live: Tensor | None, run: Run) -> bool:
    """Batch rows know nothing of each other."""
    del live
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
    _exactly("batch rows in another order change", run(given), turn(y))
    return True


def turned_heads(variant: nodes.Variant, call: Call, y: Tensor, live: Tensor | None, run: Run) -> bool:
    """Heads know nothing of each other, nor of their number, unless the spec says so."""
    del live
    heads = {rows.shape[1] for rows in (call.q, call.k, call.v)}
    if len(heads) > 1 or heads == {1} or _knows_heads(variant):
        return False
    q, k, v = (rows.flip(1) for rows in (call.q, call.k, call.v))
    states = {name: x.flip(1) for name, x in call.states.items()}
    _exactly("heads in another order change", run(replace(call, q=q, k=k, v=v, states=states)), y.flip(1))
    return True


LAWS: tuple[Law, ...] = (unseen, scaled, turned_batch, turned_heads)


def keep(variant: nodes.Variant, call: Call, y: Tensor, live: Tensor | None, run: Run) -> Iterator[str]:
    """The names of the laws that said something.

    Raises:
        Disagreement: one is broken.
    """
    for law in LAWS:
        if law(variant, call, y, live, run):
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
    return by_head or sized or any("h" in variables(part) for part in every) or bool(variant.assertions)
