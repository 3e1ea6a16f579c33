"""Where an element outside of an input would be read: as the interpreter says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from marked import checked
from predicates import MORE

from attngen.errors import CallError
from attngen.ir.evaluate import HOST, Number
from attngen.ir.expr import FALSE, Apply, Constant, Expr, Read, Size, Variable
from attngen.ir.show import show_expr
from attngen.reference import attention
from attngen.schedule.guards import outside

TABLE = torch.tensor([True, False, True])


ATOMS = (
    *("table[j]", "table[i - 1]", "table[j] == table[i]", "other[i, j]", "other[number[j], 0]", "number[i] < 2"),
    *("j < 3", "i > 0", "i < 4", "true"),
)


@st.composite
def masks(draw: st.DrawFn, depth: int = 3) -> str:
    form = draw(st.integers(0, 6)) if depth else 0
    if form <= 1:
        return draw(st.sampled_from(ATOMS))
    left, right = draw(masks(depth - 1)), draw(masks(depth - 1))
    if form == 2:
        return f"(not {left})"
    if form == 3:
        return f"(if {left} then {right} else {draw(masks(depth - 1))})"
    return f"({left} {draw(st.sampled_from(('and', 'or')))} {right})"


NUMBERS = {"number": torch.tensor([0, -1, 1, 2]), "other": torch.tensor([[True, False, True, True]] * 2)}


def value(expr: Expr, names: dict[str, Number]) -> Number | None:
    """The value, or `None` where it would need an element that is not there; nothing is evaluated in vain."""
    match expr:
        case Constant():
            return expr.value
        case Variable():
            return names[expr.name]
        case Size():
            return {"m": 3, "r": 2, "s": 4, "z": 4}[expr.axis]
        case Read():
            at = [value(index, names) for index in expr.indices]
            tensor = {"table": TABLE, **NUMBERS}[expr.input]
            if None in at or any(not 0 <= int(a or 0) < size for a, size in zip(at, tensor.shape, strict=True)):
                return None
            return tensor[tuple(int(a or 0) for a in at)].item()
        case Apply(function="and" | "or" | "if", arguments=(first, *rest)):
            condition = value(first, names)
            if condition is None:
                return None
            if expr.function == "if":
                return value(rest[0] if condition else rest[1], names)
            return value(rest[0], names) if bool(condition) == (expr.function == "and") else condition
        case Apply():
            parts = [value(part, names) for part in expr.arguments]
            return None if None in parts else HOST[expr.function](*parts)
    raise TypeError(expr)


@MORE
@given(mask=masks())
def test_the_guard_holds_exactly_where_a_value_is_missing(mask: str) -> None:
    text = f"attention a {{ input table[m]: bool  input other[r, s]: bool  input number[z]: int  mask {mask} }}"
    spec = checked(text)
    guard = outside(spec.pairwise.mask, spec)
    faulty = False
    for i in range(4):
        for j in range(4):
            missing = value(spec.pairwise.mask, {"i": i, "j": j}) is None
            assert value(guard, {"i": i, "j": j}) is missing, (show_expr(guard), i, j)
            faulty |= missing
    rows = torch.zeros(1, 1, 4, 2)
    try:
        attention(spec, rows, rows, rows, parameters={}, inputs={"table": TABLE, **NUMBERS})
    except CallError:
        assert faulty
    else:
        assert not faulty


GUARDS = {
    "table[i]": "i < 0 or i >= size(m)",
    "i > 0 and table[j]": "i > 0 and (j < 0 or j >= size(m))",
    "i > 0 or table[j]": "i <= 0 and (j < 0 or j >= size(m))",
    "if table[i] then i > j else table[j]": ("i < 0 or i >= size(m) or (not table[i] and (j < 0 or j >= size(m)))"),
    "doc[b, i] == doc[b, j]": "false",
}


@pytest.mark.parametrize("mask", GUARDS)
def test_guards(mask: str) -> None:
    spec = checked(f"attention a {{ input table[m]: bool  input doc[b, n]: int  mask {mask} }}")
    found = outside(spec.pairwise.mask, spec)
    assert show_expr(found).replace("not (i > 0)", "not i > 0") == GUARDS[mask]
    assert (found == FALSE) == (GUARDS[mask] == "false")
