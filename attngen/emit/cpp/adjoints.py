"""Gradients of rows in C++: from what a product multiplies back to q and k."""

from __future__ import annotations

from attngen.emit.cpp.rows import RowPrinter, ahead, elements_of, of_row, over_channels
from attngen.emit.layout import deeper, laid_out_cpp
from attngen.ir.expr import Rechannel, Row
from attngen.schedule.adjoints import Adjoint
from attngen.schedule.homes import Home
from attngen.schedule.levels import Level
from attngen.schedule.plan import Plan
from attngen.schedule.products import RowPlan, key_rows, query_rows


def query_lines(plan: Plan) -> list[tuple[str, list[str]]]:
    """From `row_gradient`, a sum of the tile, to the row `to` of dq, for each row of queries that is multiplied."""
    loop = "int64_t r = 0; r < rows; ++r"
    return [_rows(plan, rows, loop, QUERY_ROW, Home.QUERY_ROWS, 4) for rows in query_rows(plan.products)]


def key_lines(plan: Plan) -> list[tuple[str, list[str]]]:
    """The same for each row of keys, as the body of a function over tokens."""
    loop = "int64_t row = first; row < last; ++row"
    return [_rows(plan, rows, loop, KEY_ROW, Home.KEY_ROWS, 2) for rows in key_rows(plan.products)]


QUERY_ROW = (
    "[[maybe_unused]] const int64_t row = row_at(r), i = row + offset;",
    "const float* row_gradient = &space.d_{name}[r * D_padded];",
    "float* to = &call.dq[((int64_t{{b}} * H + h) * N + row) * D];",
)
KEY_ROW = (
    "[[maybe_unused]] const int64_t j = row;",
    "const float* row_gradient = &d_{name}[row * D];",
    "float* to = &dk[row * D];",
)
PLACES = {Home.QUERY_ROWS: "(int64_t{b} * H + h) * N + row", Home.KEY_ROWS: "(b * H + h) / call.panel_heads * M + row"}
"""Where a row stands among those of all heads."""


def _rows(
    plan: Plan, rows: RowPlan, loop: str, start: tuple[str, ...], home: Home, indent: int
) -> tuple[str, list[str]]:
    """The name of rows; then what is the same for all of them, and a loop over them."""
    assert rows.adjoint is not None
    inside = [*(line.format(name=rows.name) for line in start), *_channels(plan, rows.adjoint, home)]
    lines = [*ahead(plan, rows.adjoint), f"for ({loop}) {{", *deeper(inside), "}"]
    return rows.name, laid_out_cpp(lines, indent)


def _channels(plan: Plan, adjoint: Adjoint, home: Home) -> list[str]:
    """What one row hands down: shares of other channels belong to those, and those of inputs are kept for each."""
    lines = [text for statement in adjoint.at(Level.QUERY) for text in of_row(plan, adjoint, statement)]
    landed = {(each.read, each.value): each.name for each in plan.landings if each.home is home}
    shares: list[str] = []
    for leaf, share in adjoint.shares:
        printer = RowPrinter(plan, adjoint, exact=False)
        shares += elements_of(plan, adjoint, share)
        if isinstance(leaf, (Row, Rechannel)):
            channel = "c" if isinstance(leaf, Row) else printer.text(leaf.index)
            shares.append(f"to[{channel}] += {printer.text(share)};")
        else:
            name = f"call.{landed[leaf, share]}"
            shares.append(f"if ({name}) {name}[({PLACES[home]}) * D + c] = {printer.text(share)};")
    return [*lines, *over_channels(list(dict.fromkeys(shares)))]
