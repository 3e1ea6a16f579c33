"""Random scalar expressions as trees, over int leaves with declared ranges."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Size, integer, variable

W, G, S = (Parameter(Kind.INT, name=name) for name in "wgs")
"""Parameters in [0, inf), [1, inf) and anywhere."""
M, H = Size(Kind.INT, axis="M"), Size(Kind.INT, axis="H")
RANGES = {"w": (0, 9), "g": (1, 6), "s": (-6, 8), "M": (0, 12), "H": (1, 4), "h": (0, 3), "q0": (-5, 15)}
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def apply(function: str, *arguments: Expr, kind: Kind | None = None) -> Apply:
    return Apply(kind or arguments[-1].kind, function=function, arguments=arguments)


def compare(operator: str, left: Expr, right: Expr) -> Apply:
    return apply(operator, left, right, kind=Kind.BOOL)


@st.composite
def environments(draw: st.DrawFn) -> dict[str, int | float | bool]:
    """Numbers in the declared ranges; the last query is not before the first."""
    names: dict[str, int | float | bool] = {name: draw(st.integers(*ends)) for name, ends in RANGES.items()}
    return {**names, "q1": names["q0"] + draw(st.integers(0, 6))}


@st.composite
def ints(draw: st.DrawFn, leaves: Sequence[Expr], depth: int = 3) -> Expr:
    """An int; divisors are positive, as those that the analysis accepts."""
    form = draw(st.integers(0, 13)) if depth else 0
    if form <= 2:
        return draw(st.sampled_from(leaves) | st.integers(-5, 5).map(integer))

    def part() -> Expr:
        return draw(ints(leaves, depth - 1))

    if form <= 7:
        return apply(draw(st.sampled_from("+ - * min max + -".split())), part(), part())
    if form <= 9:
        above_zero = tuple(apply("+", apply("abs", leaf), integer(1)) for leaf in leaves)
        divisor = draw(st.sampled_from((G, integer(1), integer(2), integer(5), *above_zero)))
        return apply(draw(st.sampled_from(("div", "mod"))), part(), divisor)
    if form == 10:
        divisor = draw(st.sampled_from((G, integer(3))))
        return apply("*", *draw(st.permutations((apply("+", apply("div", part(), divisor), part()), divisor))))
    if form == 11:
        return apply(draw(st.sampled_from(("neg", "abs"))), part())
    if form == 12:
        return apply("clamp", part(), part(), part())
    return apply("if", draw(bools(leaves, depth - 1)), part(), part())


@st.composite
def floats(draw: st.DrawFn, leaves: Sequence[Expr], depth: int = 3) -> Expr:
    """A float of operations that have intervals."""
    form = draw(st.integers(0, 8)) if depth else 0
    if form <= 1:
        constant = st.sampled_from((-1.5, 0.0, 0.5, 2.0)).map(lambda value: Constant(Kind.FLOAT, value=value))
        return draw(st.sampled_from(leaves) | constant)

    def part() -> Expr:
        return draw(floats(leaves, depth - 1))

    if form <= 5:
        return apply(draw(st.sampled_from("+ - * min max * -".split())), part(), part())
    if form == 6:
        return apply(draw(st.sampled_from(("neg", "abs", "relu", "tanh", "sigmoid"))), part())
    if form == 7:
        return apply("float", apply(draw(st.sampled_from(("floor", "ceil"))), part(), kind=Kind.INT), kind=Kind.FLOAT)
    return apply("clamp", part(), part(), part())


@st.composite
def bools(draw: st.DrawFn, leaves: Sequence[Expr], depth: int = 2) -> Expr:
    form = draw(st.integers(0, 7)) if depth else 0
    if form <= 3:
        part = ints(leaves, min(depth, 2))
        return compare(draw(st.sampled_from(COMPARISONS)), draw(part), draw(part))
    if form == 4:
        return apply("not", draw(bools(leaves, depth - 1)))
    if form == 5:
        return Constant(Kind.BOOL, value=draw(st.booleans()))
    both = draw(bools(leaves, depth - 1)), draw(bools(leaves, depth - 1))
    if form == 6:
        return apply(draw(st.sampled_from(("and", "or"))), *both)
    return apply("if", draw(bools(leaves, depth - 1)), *both)


LEAVES = (W, G, S, M, H, *(variable(name) for name in ("h", "q0", "q1")))
