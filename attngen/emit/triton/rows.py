"""The rows of products in Triton: those of queries inside of the kernel, those of keys by a kernel of their own."""

from __future__ import annotations

from attngen.emit.layout import laid_out
from attngen.emit.render import render
from attngen.emit.triton import arguments as args
from attngen.emit.triton.reads import RowPrinter
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
        "key_loads": laid_out(map(_load, keys), 4),
        "bridge_lines": laid_out([line for p in plan.products for line in _bridge_lines(plan, p)], 4),
        "keys_per_anchor": KEYS_PER_ANCHOR,
        "bridged": [(product.query.name, product.key.name) for product in plan.products if product.bridge],
        "query_row_lines": laid_out([line for p in plan.products for line in _query_lines(plan, p)], 4),
        "key_arguments": [argument for rows in computed for argument in (f"{rows.name}_ptr", f"{rows.name}_share")],
        "key_passed": [item for rows in computed for item in (rows.name, _share(rows))],
        "key_head_lines": laid_out([line for rows in computed for line in _head_lines(rows)], 4),
        "row_launches": [line for rows in computed for line in _launch(plan, rows)],
    }


def kernels(plan: Plan) -> list[str]:
    """The kernels that compute rows of keys ahead."""
    return [_kernel(plan, product.key) for product in plan.products if not product.key.plain]


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
    lines = [f"{s.name} = {RowPrinter(plan, bridge, s.exact, keys=False).text(s.value)}" for s in bridge.statements]
    factor = RowPrinter(plan, bridge, exact=False, keys=False).text(bridge.result)
    return [*lines, f"{bridge.name} = {factor}", f"{rows} = {rows} * tl.where(c < D, {bridge.name}, 0.0)"]


def _load(name: str) -> str:
    """A tile of the rows of keys, transposed."""
    row = f"{name}_head + tl.cast(keys, tl.int64)[None, :] * {name}_stride_n"
    channel = f"tl.cast(c, tl.int64) * {name}_stride_d"
    return f"{name} = tl.load({row} + {channel}, mask=(keys < M)[None, :] & (c < D), other=0.0)"


def _head_lines(rows: RowPlan) -> list[str]:
    """Where the computed rows of a head lie: [B, heads, M, D], contiguous."""
    name = rows.name
    far = f"(b_far * (H // {name}_share) + h_far // {name}_share)"
    return [
        f"{name}_head = {name}_ptr + {far} * M * D",
        f"{name}_stride_n = D",
        f"{name}_stride_d = 1",
    ]


def _share(rows: RowPlan) -> str:
    return "1" if rows.per_head else "H // k.shape[1]"


def _kernel(plan: Plan, rows: RowPlan) -> str:
    """The kernel that computes rows of keys ahead."""
    exprs = rows.exprs
    values = {
        "rows": rows.name,
        "arguments": [name for name, _ in args.row_arguments(plan, rows)],
        "constants": list(map(kernel_name, args.constants(plan, exprs))),
        "lines": laid_out([*args.loaded_lines(plan, exprs), *_statements(plan, rows, ".to(k.dtype)", keys=True)], 4),
    }
    return render("attngen.emit.triton", "turned_rows.py", values).rstrip()


def _launch(plan: Plan, rows: RowPlan) -> list[str]:
    """Its launch: 32 keys at a time, few enough for the registers of wide heads."""
    heads, share = ("H", "H // k.shape[1]") if rows.per_head else ("k.shape[1]", "1")
    exprs = rows.exprs
    passed = [value for _, value in args.row_arguments(plan, rows)]
    given = ["k", rows.name, "*k.stride()", share, *passed, heads, "M", *args.constants(plan, exprs)]
    sizes = ["D=D", "D_PADDED=max(16, triton.next_power_of_2(D))", "KEY_TILE=32"]
    return [
        f"{rows.name} = torch.empty((B, {heads}, M, D), dtype=k.dtype, device=k.device)",
        "if M > 0:",
        f"    _make_{rows.name}[(triton.cdiv(M, 32) * B * {heads},)](",
        *(f"        {argument}," for argument in (*given, *sizes)),
        "    )",
    ]
