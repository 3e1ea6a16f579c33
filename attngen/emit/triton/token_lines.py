"""What Triton functions of recurrences compute of the tokens of a chunk: rows, y, and what gradients hand down."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from attngen.emit.tokens import distinct_matrices, index_of
from attngen.emit.triton.arguments import in_memory, loaded
from attngen.emit.triton.matrices import load_matrix, matrix_name
from attngen.emit.triton.token_printer import LAST, TokenPrinter, inside
from attngen.ir.expr import Expr, Row, children, distinct
from attngen.schedule.chunks import ChunkPlan
from attngen.schedule.levels import Level, is_row_sum, level
from attngen.schedule.returns import Return
from attngen.schedule.statements import Statement
from attngen.schedule.tokens import TOKENS, TokenRow


@dataclass(frozen=True, slots=True)
class TokenLines:
    """The lines of a function that computes some parts."""

    plan: ChunkPlan
    parts: tuple[TokenRow | Return, ...]

    def opening(self, lines: Iterable[str], but: Iterable[str] = ()) -> list[str]:
        """What stands in front of lines: tokens, positions, channels, rows of the call; only what they use.

        What stands in front of the lines `but` is there already.
        """
        found: list[str] = []
        there = set(self.opening(but)) if but else set()
        text = "\n".join(lines)
        for name, defined in reversed([*self._definitions()]):
            if re.search(rf"\b{name}\b", text):
                found = [*defined, *found]
                text = "\n".join([text, *defined])
        return [line for line in found if line not in there]

    def _definitions(self) -> Iterator[tuple[str, list[str]]]:
        """Each name, and the lines that define it."""
        yield "c", ["c = tl.arange(0, D_PADDED)[None, :]"]
        yield "e", ["e = value_tile * VALUE_TILE + tl.arange(0, VALUE_TILE)[None, :]"]
        for axis in own_axes(self.plan):
            yield index_of(axis), [f"{index_of(axis)} = tl.arange(0, {padded(axis)})[None, :]"]
        yield "part", ["part = head * value_tiles + value_tile"]
        yield from self._of_tokens()
        for name, last in LAST.items():
            yield from self._of_rows(name, f"{name}_stride_{last}", *(("e", "E") if name == "v" else ("c", "D")))
        yield "dy_head", ["dy_head = dy_ptr + tl.cast(b, tl.int64) * dy_stride_b + tl.cast(h, tl.int64) * dy_stride_h"]
        yield from self._of_row("dy", "dy_stride_e", "e", "E")
        for value in filter(in_memory, self.plan.host):
            yield value.name, [loaded(value)]
        for matrix, row in distinct_matrices(self.plan).items():
            yield matrix_name(matrix), [load_matrix(self.plan, row)]

    def _of_tokens(self) -> Iterator[tuple[str, list[str]]]:
        ordered = self.plan.variant.order is not None
        before = "tl.maximum(steps - 1, 0)"
        yield "steps", ["steps = first + tl.arange(0, CHUNK)"]
        yield "live", ["live = (steps < N)[:, None]"]
        yield "order", ["order = order_ptr + tl.cast(h, tl.int64) * N"]
        yield "rows", [f"rows = {_token('steps') if ordered else 'tl.cast(steps, tl.int64)'}"]
        yield "earlier", [f"earlier = {_token(before) if ordered else f'tl.cast({before}, tl.int64)'}"]
        yield "position", ["position = offset if offsets_ptr is None else tl.load(offsets_ptr + b)"]
        yield "t", ["t = rows[:, None] + position"]

    def _of_rows(self, name: str, step: str, channel: str, size: str) -> Iterator[tuple[str, list[str]]]:
        """Rows of q, k or v."""
        head = f"tl.cast(b, tl.int64) * {name}_stride_b + tl.cast(h // {name}_share, tl.int64) * {name}_stride_h"
        yield f"{name}_head", [f"{name}_head = {name}_ptr + {head}"]
        yield from self._of_row(name, step, channel, size)

    def _of_row(self, name: str, step: str, channel: str, size: str) -> Iterator[tuple[str, list[str]]]:
        place = f"{name}_head + rows[:, None] * {name}_stride_n + tl.cast({channel}, tl.int64) * {step}"
        load = f"tl.load({place}, mask=live & ({channel} < {size}), other=0.0)"
        yield f"{name}_at", [f"{name}_at = tl.cast({load}, tl.float32)"]

    def row(self, row: TokenRow) -> list[str]:
        """The statements of a row, then the row, 0 where there is no token."""
        if row.matrix is not None and row.projected is not None:
            given = f"{row.projected.name}, tl.trans({matrix_name(row.matrix)}), PRECISION"
            return [f"{row.name} = _product({given})"]
        if row.plain:  # what is loaded is 0 there
            return [f"{row.name} = {self.text(row.result)}"]
        return [*self.statements(row), f"{row.name} = {self.there(row.result, row.axis)}"]

    def statements(self, part: TokenRow | Return) -> list[str]:
        """The statements of a part; rows of the call have names already."""
        named = [s for s in part.statements if not isinstance(s.value, Row)]
        return [f"{s.name} = {self.printer(s.exact).text(s.value)}" for s in named]

    def text(self, expr: Expr) -> str:
        """An expression over statements."""
        return self.printer(exact=False).text(expr)

    def there(self, expr: Expr, axis: str | None) -> str:
        """The same where there are tokens and channels, else 0: what is not there may come to anything."""
        return f"tl.where({inside(axis)}, {self.text(expr)}, 0.0)"

    def varies_with_tokens(self, expr: Expr) -> bool:
        """Whether an expression over statements is another for each token."""
        return bool(level(expr, self.printer(exact=False).levels, TOKENS) & Level.QUERY)

    def printer(self, exact: bool) -> TokenPrinter:
        """Expressions of the function."""
        statements: list[Statement] = [statement for part in self.parts for statement in part.statements]
        return TokenPrinter(self.plan, statements, exact)


def own_axes(plan: ChunkPlan) -> list[str]:
    """The inputs' own axes along which something is computed."""
    found = {axis for expr in plan.exprs for part in distinct(expr) for axis in part.channels}
    return sorted(found - {"c", "e"})


def sums_values(plan: ChunkPlan) -> bool:
    """Whether something is summed over all values of a token, which then one program must have."""
    parts = (*plan.rows, plan.y)
    lines = TokenLines(plan, parts)
    sums = [part for each in parts for expr in each.exprs for part in distinct(expr) if is_row_sum(part)]
    products = any(row.projected is not None and row.projected.axis == "e" for row in plan.rows)
    products = products or any(state.key_axis == "e" for state in plan.states)
    return products or any(lines.printer(exact=False).summed(children(part)[0]) == "e" for part in sums)


def padded(axis: str | None) -> str:
    """How many elements tiles have along an axis."""
    return {"c": "D_PADDED", "e": "VALUE_TILE", None: "1"}.get(axis) or f"{index_of(axis or '')}_PADDED"


def _token(step: str) -> str:
    """The token of a step in an order."""
    return f"tl.load(order + {step}, mask=steps < N, other=0)"
