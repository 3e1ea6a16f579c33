"""Gradients of rows in Triton: kernels from what a product multiplies back to q and k."""

from __future__ import annotations

from attngen.emit.layout import laid_out
from attngen.emit.render import render
from attngen.emit.triton import arguments as args
from attngen.emit.triton.reads import RowPrinter
from attngen.emit.triton.rows import ANCHOR, KEYS, OFFSET, OFFSETS, QUERIES, Side
from attngen.ir.expr import Expr, Read, Rechannel, Row, Variable, mentions
from attngen.schedule.adjoints import Adjoint
from attngen.schedule.configuration import ROWS
from attngen.schedule.homes import Home, Landing
from attngen.schedule.levels import Level
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.products import RowPlan, key_rows, query_rows
from attngen.schedule.statements import Statement, needed

HERE = "_of_channel"
"""The end of names of values at one channel."""


def sides(plan: Plan) -> list[tuple[Side, RowPlan]]:
    """The rows that kernels compute, of queries and of keys."""
    found = [(QUERIES, row) for row in query_rows(plan.products)] + [(KEYS, row) for row in key_rows(plan.products)]
    return [(side, row) for side, row in found if not row.plain]


def kernel(plan: Plan, side: Side, rows: RowPlan) -> str:
    """From the gradients by computed rows to those by q or k, and by elements that the rows read."""
    adjoint = _adjoint(rows)
    exprs, landed = adjoint.exprs, landings(plan, side, adjoint)
    anchor = [ANCHOR] if side.of_queries and any(mentions(expr, "query_anchor") for expr in exprs) else []
    printer = RowPrinter(plan, adjoint, exact=False, keys=not side.of_queries)
    lines = [_line(plan, side, adjoint, statement) for statement in adjoint.statements]
    shares: list[str] = []
    for leaf, share in adjoint.shares:
        if isinstance(leaf, Row):
            shares += [*laid_out([f"share = {printer.text(share)}"], 4), "total += tl.where(inside, share, 0.0)"]
    for each in landed:
        shares += laid_out([f"share = {printer.text(each.value)}"], 4)
        shares.append(f"if {each.name}_ptr is not None:")
        shares.append(f"    tl.store({each.name}_ptr + row + c, share, mask=inside)")
    values = {
        "rows": rows.name,
        "landings": [each.name for each in landed],
        "arguments": [name for name, _ in args.row_arguments(plan, exprs, side.of_queries)],
        "constants": list(map(kernel_name, args.constants(plan, exprs))),
        "lines": laid_out([*args.loaded_lines(plan, exprs), *anchor], 4) + laid_out(lines, 4),
        "share_lines": shares,
        "channel_lines": laid_out(_channel_lines(plan, side, adjoint), 8),
    }
    return render("attngen.emit.triton", "returned_rows.py", {**values, **side.values()}).rstrip()


def launch(plan: Plan, side: Side, rows: RowPlan) -> list[str]:
    """Its launch."""
    adjoint, q, count = _adjoint(rows), side.tensor, side.count
    heads = "H" if side.of_queries else "groups"
    exprs = adjoint.exprs
    given = [q, f"d_{rows.name}", f"d{q}", *(each.name for each in landings(plan, side, adjoint))]
    given += [*OFFSETS[: side.of_queries], f"*{q}.stride()", f"H // {q}.shape[1]"]
    given += [value for _, value in args.row_arguments(plan, exprs, side.of_queries)]
    given += [*(OFFSET if side.of_queries else ["panel_heads"]), heads, count]
    given += map(kernel_name, args.constants(plan, exprs))
    given += [
        "D=D",
        "D_PADDED=max(16, triton.next_power_of_2(D))",
        *(["WIDE=long_positions"] if side.of_queries else []),
    ]
    return [
        f"_return_{rows.name}[(triton.cdiv({count}, {ROWS}) * B * {heads},)](",
        *(f"    {argument}," for argument in (*given, f"{side.tile}={ROWS}", "num_warps=8", "enable_fp_fusion=True")),
        ")",
    ]


def landings(plan: Plan, side: Side, adjoint: Adjoint) -> list[Landing]:
    """The gradients by elements of inputs that rows read, whose sums are of their channels."""
    home = Home.QUERY_ROWS if side.of_queries else Home.KEY_ROWS
    shares = {(leaf, share) for leaf, share in adjoint.shares}
    return [each for each in plan.landings if each.home is home and (each.read, each.value) in shares]


def _adjoint(rows: RowPlan) -> Adjoint:
    assert rows.adjoint is not None
    return rows.adjoint


def _line(plan: Plan, side: Side, adjoint: Adjoint, statement: Statement) -> str:
    printer = RowPrinter(plan, adjoint, statement.exact, keys=not side.of_queries)
    return f"{statement.name} = {printer.text(statement.value)}"


def _channel_lines(plan: Plan, side: Side, adjoint: Adjoint) -> list[str]:
    """What one channel hands to others: values of channels once more, at that one."""
    moved = [(leaf, share) for leaf, share in adjoint.shares if isinstance(leaf, Rechannel)]
    results: list[Expr] = [expr for leaf, share in moved for expr in (leaf.index, share)]
    elements = [s for s in adjoint.statements if s.level in (Level.KEY, Level.PAIR)]
    statements = [s for s in needed(adjoint.statements, *results) if s in elements]
    names = {s.name for s in elements}

    def printer(exact: bool) -> RowPrinter:
        return _ChannelPrinter(plan, adjoint, exact, not side.of_queries, names)

    lines = [f"{s.name}{HERE} = {printer(s.exact).text(s.value)}" for s in statements]
    for leaf, share in moved:
        index = printer(exact=False).text(leaf.index)
        lines += [f"to = {index}", f"moved = {printer(exact=False).text(share)}"]
        lines.append("total += tl.where(c == to, moved, 0.0)")
    return lines


class _ChannelPrinter(RowPrinter):
    """Expressions of rows at one channel, `channel`; `names` are values of channels."""

    def __init__(self, plan: Plan, adjoint: Adjoint, exact: bool, keys: bool, names: set[str]) -> None:
        super().__init__(plan, adjoint, exact, keys)
        self.names = names
        rows = self.masks[Level.QUERY]
        self.masks = {Level.QUERY: rows, Level.PAIR: rows}

    def part(self, expr: Expr) -> tuple[str, int]:
        if isinstance(expr, Variable) and expr.name == "c":
            return "channel", super().part(expr)[1]
        if isinstance(expr, Variable) and expr.name in self.names:
            return f"{expr.name}{HERE}", super().part(expr)[1]
        if isinstance(expr, Row):
            return f"tl.cast({expr.name}{HERE}, tl.float32)", super().part(expr)[1]
        return super().part(expr)

    def index(self, expr: Read, k: int, axis: str) -> str:
        index = super().index(expr, k, axis)
        return "channel" if index == "c" else index
