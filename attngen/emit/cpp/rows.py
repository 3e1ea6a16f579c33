"""The rows of products in C++: those of queries when their tile is loaded, those of keys before everything else."""

from __future__ import annotations

from attngen.emit.cpp.reads import KernelPrinter
from attngen.emit.cpp.types import scalar_type
from attngen.emit.layout import deeper, laid_out_cpp
from attngen.emit.render import render
from attngen.ir.expr import Expr, Rechannel, Row, children
from attngen.ir.printer import ATOM
from attngen.schedule.adjoints import GRADIENTS
from attngen.schedule.growth import KEYS_PER_ANCHOR
from attngen.schedule.levels import Level, is_row_sum
from attngen.schedule.plan import Plan
from attngen.schedule.products import Product, RowPlan, key_rows, query_rows
from attngen.schedule.statements import Statement, Statements, needed


class RowPrinter(KernelPrinter):
    """Expressions of rows, element by element; what varies with the channel alone is kept in arrays."""

    def __init__(self, plan: Plan, rows: Statements, exact: bool) -> None:
        super().__init__(plan, exact)
        self.of_channel = frozenset(statement.name for statement in rows.at(Level.KEY))

    def part(self, expr: Expr) -> tuple[str, int]:
        if isinstance(expr, (Row, Rechannel)):
            row, channel = (expr, "c") if isinstance(expr, Row) else (expr.row, self.tight(expr.index, 12))
            assert isinstance(row, Row)
            name = row.name
            if row in GRADIENTS.values():  # of the row that a loop is at, which has its own pointer
                return f"row_gradient[{channel}]", ATOM
            return f"to_float({name}[row * call.{name}.token + {channel} * call.{name}.channel])", ATOM
        text, tightness = super().part(expr)
        return (f"{text}[c]", ATOM) if text in self.of_channel else (text, tightness)


def query_names(plan: Plan) -> list[str]:
    """The rows of queries, each once."""
    return [rows.name for rows in query_rows(plan.products)]


def key_names(plan: Plan) -> list[str]:
    """The rows of keys, each once."""
    return [rows.name for rows in key_rows(plan.products)]


def multiplied_names(plan: Plan) -> list[str]:
    """What products multiply with keys, each once."""
    return list(dict.fromkeys(map(multiplied, plan.products)))


def values(plan: Plan, unpacked: list[str]) -> dict[str, object]:
    """What the template shows of them."""
    computed = [product.key for product in plan.products if not product.key.plain]
    queries, keys = query_names(plan), key_names(plan)
    bridged = [(p.query.name, multiplied(p), p.bridge) for p in plan.products if p.bridge is not None]
    return {
        "queries": queries,
        "keys": keys,
        "packed_rows": [
            *((name, "D", [("pack_keys", name, "D_factors * DEPTH")]) for name in keys),
            ("v", "E", [("pack_values", "v", "rounded_up(E, PANEL)")]),
        ],
        "steady_queries": list(dict.fromkeys(p.query.name for p in plan.products if p.bridge is None)),
        "few_rows_test": " && ".join(["call.N <= FEW_ROWS", *(f"call.{name}.channel == 1" for name in (*keys, "v"))])
        if not plan.ordered
        else "false",
        "multiplied": multiplied_names(plan),
        "key_widths": f"{times(len(keys))}rounded_up(call.D, DEPTH)",
        "keys_per_anchor": KEYS_PER_ANCHOR,
        "bridges": [name for _, name, _ in bridged],
        "bridge_members": [line for *_, bridge in bridged for line in _bridge_members(plan, bridge)],
        "bridge_head_lines": laid_out_cpp([line for *_, bridge in bridged for line in _bridge_fills(plan, bridge)], 4),
        "bridge_lines": laid_out_cpp([line for each in bridged for line in _bridge_lines(plan, *each)], 4),
        "key_rows": [(rows.name, *_heads(rows)) for rows in computed],
        "row_functions": "\n".join(f"{_function(plan, rows, unpacked)}\n" for rows in computed),
        "query_row_lines": [line for p in plan.products if not p.query.plain for line in _query(plan, p.query)],
    }


def times(count: int) -> str:
    return f"{count} * " if count > 1 else ""


def sides(plan: Plan) -> list[tuple[str, str]]:
    """What each product multiplies: rows of queries and of keys."""
    return [(multiplied(product), product.key.name) for product in plan.products]


def multiplied(product: Product) -> str:
    """What a product multiplies with keys: rows of queries, from their own anchor to that of the keys if they grow."""
    return product.query.name if product.bridge is None else f"{product.query.name}_bridged"


def _bridge_lines(plan: Plan, rows: str, bridged: str, bridge: RowPlan) -> list[str]:
    """The rows of a tile times the bridge to a tile of keys."""
    factor = RowPrinter(plan, bridge, exact=False).text(bridge.result)
    loop = [
        *_lines(plan, bridge, Level.PAIR),
        f"const float {bridge.name} = {factor};",
        *([f"space.{bridge.name}[c] = {bridge.name};"] if plan.slopes else []),
        f"for (int64_t r = 0; r < rows; ++r) space.{bridged}[r * D + c] = space.{rows}[r * D + c] * {bridge.name};",
    ]
    return [*_lines(plan, bridge, Level.QUERY), "for (int64_t c = 0; c < D; ++c) {", *deeper(loop), "}"]


def _heads(rows: RowPlan) -> tuple[str, str]:
    """How many heads of rows there are, and how many heads share one."""
    return ("call.H", "1") if rows.per_head else ("call.H / call.k.share", "call.k.share")


def _query(plan: Plan, rows: RowPlan) -> list[str]:
    if rows.plain:
        return []
    loop = [
        "[[maybe_unused]] const int64_t row = row_at(r), i = row + offset;",
        *_elements(plan, rows, f"space.{rows.name}[r * D + c]"),
    ]
    return laid_out_cpp([*ahead(plan, rows), "for (int64_t r = 0; r < rows; ++r) {", *deeper(loop), "}"], 4)


def _function(plan: Plan, rows: RowPlan, unpacked: list[str]) -> str:
    """The function that computes rows of keys ahead."""
    loop = [
        "[[maybe_unused]] const int64_t j = row;",
        *_elements(plan, rows, f"{rows.name}[row * D + c]"),
    ]
    lines = [*ahead(plan, rows), "for (int64_t row = first; row < last; ++row) {", *deeper(loop), "}"]
    head = "h / call.k.share" if rows.per_head else "h"
    shown = {"rows": rows.name, "head": head, "unpacked": unpacked, "lines": laid_out_cpp(lines, 2)}
    return render("attngen.emit.cpp", "rows.cpp", shown).rstrip()


def _bridge_members(plan: Plan, bridge: RowPlan) -> list[str]:
    """What a bridge needs of its head, and room for what varies with the channel alone."""
    vectors = [f"std::vector<{_type(s)}> {s.name}{{}};" for s in bridge.at(Level.KEY)]
    return [*_lines(plan, bridge, Level.HEAD), *vectors]


def _bridge_fills(plan: Plan, bridge: RowPlan) -> list[str]:
    lines = [(f"{s.name}.resize(D);", _fill(plan, bridge, s)) for s in bridge.at(Level.KEY)]
    return [line for pair in lines for line in pair]


def ahead(plan: Plan, rows: Statements) -> list[str]:
    """What is computed once for all rows: values of the head, and arrays of what varies with the channel alone."""
    lines = _lines(plan, rows, Level.HEAD)
    for statement in rows.at(Level.KEY):
        lines += [f"std::vector<{_type(statement)}> {statement.name}(D);", _fill(plan, rows, statement)]
    return lines


def _fill(plan: Plan, rows: Statements, statement: Statement) -> str:
    text = RowPrinter(plan, rows, statement.exact).text(statement.value)
    return f"for (int64_t c = 0; c < D; ++c) {statement.name}[c] = {text};"


def _type(statement: Statement) -> str:
    return scalar_type(statement, long=True)


def _elements(plan: Plan, rows: RowPlan, target: str) -> list[str]:
    """The channels of one row."""
    lines = [line for statement in rows.at(Level.QUERY) for line in of_row(plan, rows, statement)]
    result = RowPrinter(plan, rows, exact=False).text(rows.result)
    return [*lines, *over_channels([*elements_of(plan, rows, rows.result), f"{target} = {result};"])]


def of_row(plan: Plan, rows: Statements, statement: Statement) -> list[str]:
    """A value of one row; a sum over its channels computes what it needs of each."""
    if not is_row_sum(statement.value):
        return [_line(plan, rows, statement)]
    (inner,) = children(statement.value)
    term = f"{statement.name} += {RowPrinter(plan, rows, exact=False).text(inner)};"
    return [f"float {statement.name} = 0.0f;", *over_channels([*elements_of(plan, rows, inner), term])]


def elements_of(plan: Plan, rows: Statements, expr: Expr) -> list[str]:
    """The values of one element that an expression uses, in order."""
    return [_line(plan, rows, statement) for statement in needed(rows.at(Level.PAIR), expr)]


def over_channels(lines: list[str]) -> list[str]:
    return ["for (int64_t c = 0; c < D; ++c) {", *deeper(laid_out_cpp(lines, 6)), "}"]


def _lines(plan: Plan, rows: Statements, level: Level) -> list[str]:
    return [_line(plan, rows, statement) for statement in rows.at(level)]


def _line(plan: Plan, rows: Statements, statement: Statement) -> str:
    text = RowPrinter(plan, rows, statement.exact).text(statement.value)
    return f"const {_type(statement)} {statement.name} = {text};"
