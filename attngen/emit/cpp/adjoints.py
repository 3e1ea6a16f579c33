"""Gradients of rows in C++: from what a product multiplies back to q and k."""

from __future__ import annotations

from attngen.emit.cpp.rows import RowPrinter, ahead, elements_of, of_row, over_channels
from attngen.emit.layout import deeper, laid_out_cpp
from attngen.ir.expr import Rechannel, Row
from attngen.schedule.adjoints import Adjoint
from attngen.schedule.homes import Home
from attngen.schedule.levels import Level
from attngen.schedule.plan import Plan


def query_lines(plan: Plan) -> list[str]:
    """From `row_gradient`, a sum of the tile, to the row `to` of dq, for each row of queries that is multiplied."""
    lines: list[str] = []
    for rows in {product.query.name: product.query for product in plan.products}.values():
        assert rows.adjoint is not None
        loop = [
            "[[maybe_unused]] const int64_t row = row_at(r), i = row + offset;",
            f"const float* row_gradient = &space.d_{rows.name}[r * D_padded];",
            "float* to = &call.dq[((int64_t{b} * H + h) * N + row) * D];",
            *_channels(plan, rows.adjoint, Home.QUERY_ROWS, "(int64_t{b} * H + h) * N + row"),
        ]
        lines += [
            "{",
            *deeper([*ahead(plan, rows.adjoint), "for (int64_t r = 0; r < rows; ++r) {", *deeper(loop), "}"]),
            "}",
        ]
    return laid_out_cpp(lines, 4)


def key_lines(plan: Plan) -> list[tuple[str, list[str]]]:
    """The same for each row of keys, as the body of a function over tokens."""
    found = []
    for rows in {product.key.name: product.key for product in plan.products}.values():
        assert rows.adjoint is not None
        loop = [
            "[[maybe_unused]] const int64_t j = row;",
            f"const float* row_gradient = &d_{rows.name}[row * D];",
            "float* to = &dk[row * D];",
            *_channels(plan, rows.adjoint, Home.KEY_ROWS, "(b * H + h) / call.panel_heads * M + row"),
        ]
        lines = [*ahead(plan, rows.adjoint), "for (int64_t row = first; row < last; ++row) {", *deeper(loop), "}"]
        found.append((rows.name, laid_out_cpp(lines, 2)))
    return found


def _channels(plan: Plan, adjoint: Adjoint, home: Home, row: str) -> list[str]:
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
            shares.append(f"if ({name}) {name}[({row}) * D + c] = {printer.text(share)};")
    return [*lines, *over_channels(list(dict.fromkeys(shares)))]
