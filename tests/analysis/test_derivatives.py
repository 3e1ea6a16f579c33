"""Derivatives of expressions against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from attngen.analysis.derivatives import gradients
from attngen.analysis.laws import LAWS, ROW_SUM
from attngen.ir.expr import Apply, Constant, Expr, Kind, Variable
from attngen.ir.functions import FUNCTIONS, Takes
from attngen.reference.functions import TENSOR

NAMES = ("x", "y", "z")
LEAVES = {name: Variable(Kind.FLOAT, name=name) for name in NAMES}
ROWS = {name: Variable(Kind.FLOAT, ("c",), name=name) for name in ("row", "other")}
G = Variable(Kind.FLOAT, name="g")
OF_FLOATS = sorted(
    name
    for name, function in FUNCTIONS.items()
    if function.gives in (Kind.FLOAT, None) and function.takes not in (Takes.INTS, Takes.ROWS)
)
"""What gives a float of floats."""
POSITIVE = ("log", "log2", "sqrt", "rsqrt", "^")
"""Functions that are looked at where their first argument is above 0."""
WIDTH = 6
"""Channels of a row."""
CORNERS = torch.tensor([-2.0, -0.5, 0.0, 0.5, 1.0, 3.0], dtype=torch.float64)


def computed(expr: Expr, values: dict[str, Tensor]) -> Tensor:
    """The value of an expression over leaves; channels are the last axis."""
    match expr:
        case Variable():
            value = values[expr.name]
            return value if expr.channels else value[..., None]
        case Constant():
            return torch.tensor(expr.value, dtype=torch.float64 if expr.kind is Kind.FLOAT else None)
        case Apply(function="row_sum", arguments=(row,)):
            terms = computed(row, values)
            return terms.expand(*terms.shape[:-1], WIDTH).sum(-1, keepdim=True)
        case Apply():
            return TENSOR[expr.function](*(computed(argument, values) for argument in expr.arguments))
    raise AssertionError(expr)


def agrees(expr: Expr, values: dict[str, Tensor]) -> None:
    """The derived gradients are those of autograd."""
    leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
    result = computed(expr, leaves)
    result = result.expand(*result.shape[:-1], WIDTH if expr.channels else 1)
    gradient = torch.randn(result.shape[:-1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    used = {leaf: leaves[leaf.name] for leaf in (*LEAVES.values(), *ROWS.values()) if leaf.name in leaves}
    wanted = torch.autograd.grad(result, list(used.values()), gradient[..., None].expand_as(result), allow_unused=True)
    found = gradients(expr, G, lambda part: part in used)
    for leaf, expected in zip(used, wanted, strict=True):
        if leaf not in found:
            assert expected is None or not expected.any(), f"{leaf.name} has no gradient"
            continue
        assert expected is not None
        got = computed(found[leaf], {**values, "g": gradient})
        got = got.expand(*got.shape[:-1], expected.shape[-1]) if leaf.channels else got[..., 0]
        torch.testing.assert_close(got.expand_as(expected), expected, rtol=1e-9, atol=1e-9)


def test_every_function_of_floats_has_a_law() -> None:
    assert {*OF_FLOATS, ROW_SUM} == set(LAWS)


@pytest.mark.parametrize("name", OF_FLOATS)
def test_laws(name: str) -> None:
    """At random points, and at all corners: ties, zeros, ends that cross."""
    arity = FUNCTIONS[name].arity
    floats = [leaf for leaf, _ in zip(LEAVES.values(), range(arity), strict=False)]
    corners = torch.cartesian_prod(*[CORNERS] * arity).reshape(-1, arity)
    points = torch.cat([corners, torch.randn(100, arity, dtype=torch.float64)])
    if name in POSITIVE:
        points = points[points[:, 0] > 0]
    if name == "/":
        points = points[points[:, 1] != 0]
    arguments: list[Expr] = list(floats)
    if name == "if":
        arguments = [Apply(Kind.BOOL, function="<", arguments=(floats[0], floats[1])), *floats[1:]]
    values = {leaf.name: points[:, k].contiguous() for k, leaf in enumerate(floats)}
    agrees(Apply(Kind.FLOAT, function=name, arguments=tuple(arguments)), values)


def test_powers_of_zero() -> None:
    zero = torch.zeros(4, dtype=torch.float64)
    exponents = torch.tensor([0.0, 1.0, 2.0, 3.5], dtype=torch.float64)
    agrees(Apply(Kind.FLOAT, function="^", arguments=(LEAVES["x"], LEAVES["y"])), {"x": zero, "y": exponents})


SMOOTH = ["+", "-", "*", "min", "max", "neg", "abs", "tanh", "sigmoid", "softplus", "relu", "elu", "silu", "sin", "cos"]


def of_leaves(leaves: list[Expr]) -> st.SearchStrategy[Expr]:
    """Expressions over leaves, whose parts are shared."""

    def grown(below: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        def applied(name: str, one: Expr, other: Expr) -> Expr:
            arguments = (one, other)[: FUNCTIONS[name].arity]
            channels = tuple(sorted({axis for argument in arguments for axis in argument.channels}))
            made = Apply(Kind.FLOAT, channels, function=name, arguments=arguments)
            return Apply(Kind.FLOAT, channels, function="*", arguments=(made, made)) if one == other else made

        return st.builds(applied, st.sampled_from(SMOOTH), below, below)

    return st.recursive(st.sampled_from(leaves), grown, max_leaves=8)


@given(of_leaves(list(LEAVES.values())), st.integers(0, 2**32))
def test_expressions(expr: Expr, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    agrees(expr, {name: torch.randn(7, generator=generator, dtype=torch.float64) for name in NAMES})


@given(of_leaves([LEAVES["x"], *ROWS.values()]), of_leaves([LEAVES["y"], *ROWS.values()]), st.integers(0, 2**32))
def test_rows(first: Expr, second: Expr, seed: int) -> None:
    """Sums over channels inside of rows: norms and products."""
    generator = torch.Generator().manual_seed(seed)
    terms = Apply(Kind.FLOAT, ("c",), function="*", arguments=(first, ROWS["row"]))
    total = Apply(Kind.FLOAT, function=ROW_SUM, arguments=(terms,))
    bent = Apply(Kind.FLOAT, second.channels, function="tanh", arguments=(second,))
    row = Apply(Kind.FLOAT, ("c",), function="*", arguments=(bent, total))
    values = {name: torch.randn(5, generator=generator, dtype=torch.float64) for name in ("x", "y")}
    values |= {name: torch.randn(5, WIDTH, generator=generator, dtype=torch.float64) for name in ROWS}
    agrees(row, values)
