"""The rows of products in Triton: those of queries inside of the kernel, those of keys by a kernel of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from attngen.emit.layout import laid_out
from attngen.emit.render import render
from attngen.emit.triton import arguments as args
from attngen.emit.triton.reads import RowPrinter
from attngen.ir.expr import mentions
from attngen.schedule.configuration import ROWS
from attngen.schedule.growth import KEYS_PER_ANCHOR
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.products import Product, RowPlan


def values(plan: Plan) -> dict[str, object]:
    """What the template shows of them."""
    computed = [product.key for product in plan.products if not product.key.plain]
    queries = list(dict.fromkeys(product.query.name for product in plan.products))
    keys = list(dict.fromkeys(product.key.name for product in plan.products))
    return {
        "products": [(product.name, product.query.name, product.key.name) for product in plan.products],
        "queries": queries,
        "keys": keys,
        "key_loads": laid_out(map(load_keys, keys), 4),
        "bridge_lines": laid_out([line for p in plan.products for line in _bridge_lines(plan, p)], 4),
        "keys_per_anchor": KEYS_PER_ANCHOR,
        "bridged": [(product.query.name, product.key.name) for product in plan.products if product.bridge],
        "query_row_lines": laid_out([line for p in plan.products for line in _query_lines(plan, p)], 4),
        "key_passed": passed(KEYS, computed),
        "key_head_lines": laid_out([line for rows in computed for line in head_lines(rows, "M")], 4),
        "row_launches": [line for rows in computed for line in launch_make(plan, KEYS, rows)],
    }


def kernels(plan: Plan) -> list[str]:
    """The kernels that compute rows of keys ahead."""
    return [make_kernel(plan, KEYS, product.key) for product in plan.products if not product.key.plain]


def passed(side: Side, computed: Iterable[RowPlan]) -> list[tuple[str, str]]:
    """What kernels take of rows that are computed ahead: names, and Python."""
    found: list[tuple[str, str]] = []
    for each in computed:
        found += [(f"{each.name}_ptr", each.name), (f"{each.name}_share", share(side, each.per_head)[1])]
    return found


def _query_lines(plan: Plan, product: Product) -> list[str]:
    """The rows of a tile of queries; those that are bridged to each tile of keys are rounded after that."""
    return _statements(plan, product.query, "" if product.bridge else ".to(q.dtype)", keys=False)


def _statements(plan: Plan, rows: RowPlan, rounded: str, keys: bool) -> list[str]:
    """The statements of a row, then the row; channels beyond D stay 0."""
    if rows.plain:
        return []
    lines = [f"{s.name} = {RowPrinter(plan, rows, s.exact, keys).text(s.value)}" for s in rows.statements]
    result = RowPrinter(plan, rows, exact=False, keys=keys).text(rows.result)
    return [*lines, f"{rows.name} = {result}", f"{rows.name} = tl.where(c < D, {rows.name}, 0.0){rounded}"]


def _bridge_lines(plan: Plan, product: Product) -> list[str]:
    """The rows of queries, from their own anchor to that of the keys."""
    bridge, rows = product.bridge, product.query.name
    if bridge is None:
        return []
    return [*bridge_lines(plan, bridge), f"{rows} = {rows} * tl.where(c < D, {bridge.name}, 0.0)"]


def bridge_lines(plan: Plan, bridge: RowPlan) -> list[str]:
    """The factor of each channel between two anchors."""
    lines = [f"{s.name} = {RowPrinter(plan, bridge, s.exact, keys=False).text(s.value)}" for s in bridge.statements]
    return [*lines, f"{bridge.name} = {RowPrinter(plan, bridge, exact=False, keys=False).text(bridge.result)}"]


def load_keys(name: str) -> str:
    """A tile of the rows of keys, transposed."""
    return _load(name, "keys[None, :]", "(keys < M)[None, :]")


def load_queries(name: str) -> str:
    """A tile of the rows of queries."""
    return _load(name, "rows[:, None]", "(rows < N)[:, None]")


def _load(name: str, tokens: str, inside: str) -> str:
    """Launchers see to it that places in a head fit into the ints of tokens."""
    places = f"{name}_head + {tokens} * {name}_stride_n + c * {name}_stride_d"
    return f"{name} = _loaded({places}, {inside} & (c < D), FULL and D == D_PADDED)"


def head_lines(rows: RowPlan, count: str) -> list[str]:
    """Where the computed rows of a head lie: [B, heads, N or M, D], contiguous."""
    name = rows.name
    far = f"(b_far * (H // {name}_share) + h_far // {name}_share)"
    return [
        f"{name}_head = {name}_ptr + {far} * {count} * D",
        f"{name}_stride_n = D",
        f"{name}_stride_d = 1",
    ]


@dataclass(frozen=True, slots=True)
class Side:
    """Rows of queries (`q`) or of keys (`k`): their tensor, how many there are, and how kernels cut them."""

    tensor: str
    count: str
    tile: str
    kind: str
    positions: tuple[str, ...]

    @property
    def of_queries(self) -> bool:
        return self.tensor == "q"

    def values(self) -> dict[str, object]:
        """By the names that templates use."""
        q = self.tensor
        head = f"tl.cast(b, tl.int64) * {q}_stride_b + tl.cast(h, tl.int64) // {q}_share * {q}_stride_h"
        shown = {"side": q, "count": self.count, "tile": self.tile, "kind": self.kind}
        shown["row_head"] = f"{q}_head = {q}_ptr + {head}"
        return {**shown, "position_lines": self.positions, "of_queries": self.of_queries}


QUERIES = Side(
    "q",
    "N",
    "QUERY_TILE",
    "queries",
    (
        "if offsets_ptr is not None:",
        "    offset = tl.load(offsets_ptr + b)",
        "if WIDE:",
        "    offset = tl.cast(offset, tl.int64)",
        "i = (rows + offset)[:, None]",
    ),
)
KEYS = Side("k", "M", "KEY_TILE", "keys", ("j = rows[:, None]",))
ANCHOR = (
    f"query_anchor = program % tiles * QUERY_TILE // {KEYS_PER_ANCHOR} * {KEYS_PER_ANCHOR} + {KEYS_PER_ANCHOR // 2}"
    " + offset"
)
"""Rows of queries that grow are relative to the middle of as many as there are keys to an anchor."""


def share(side: Side, per_head: bool) -> tuple[str, str]:
    """Python for how many heads have rows of their own, and for how many heads share one."""
    return ("H", "1") if per_head else (f"{side.tensor}.shape[1]", f"H // {side.tensor}.shape[1]")


def make_kernel(plan: Plan, side: Side, rows: RowPlan, grown: bool = False) -> str:
    """The kernel that computes rows ahead; those that have `grown` keep float32, and are rounded after their bridge."""
    exprs = rows.exprs
    rounded = "" if grown else f".to({side.tensor}.dtype)"
    anchor = [ANCHOR] if side.of_queries and any(mentions(expr, "query_anchor") for expr in exprs) else []
    lines = [*args.loaded_lines(plan, exprs), *anchor, *_statements(plan, rows, rounded, keys=not side.of_queries)]
    values = {
        "rows": rows.name,
        "arguments": [name for name, _ in args.row_arguments(plan, exprs, side.of_queries)],
        "constants": list(map(kernel_name, args.constants(plan, exprs))),
        "lines": laid_out(lines, 4),
    }
    return render("attngen.emit.triton", "turned_rows.py", {**values, **side.values()}).rstrip()


def launch_make(plan: Plan, side: Side, rows: RowPlan, grown: bool = False) -> list[str]:
    """Its launch."""
    heads, _ = share(side, rows.per_head)
    q, count, exprs = side.tensor, side.count, rows.exprs
    passed = [value for _, value in args.row_arguments(plan, exprs, side.of_queries)]
    read_by = f"H // {q}.shape[1]" if rows.per_head else "1"
    given = [q, rows.name, *OFFSETS[: side.of_queries], f"*{q}.stride()", read_by, *passed, *OFFSET[: side.of_queries]]
    given += [
        heads,
        count,
        *map(kernel_name, args.constants(plan, exprs)),
        "D=D",
        "D_PADDED=max(16, triton.next_power_of_2(D))",
    ]
    given += ["WIDE=long_positions"] if side.of_queries else []
    given += [f"{side.tile}={ROWS}", "num_warps=8", "enable_fp_fusion=True"]
    kind = "torch.float32" if grown else f"{q}.dtype"
    return [
        f"{rows.name} = torch.empty((B, {heads}, {count}, D), dtype={kind}, device=q.device)",
        f"if B * {count} > 0:",
        f"    _make_{rows.name}[(triton.cdiv({count}, {ROWS}) * B * {heads},)](",
        *(f"        {argument}," for argument in given),
        "    )",
    ]


OFFSETS, OFFSET = ["offsets"], ["offset"]
"""What launchers call the positions of the first queries: a tensor or `None`, and a number."""
