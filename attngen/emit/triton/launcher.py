"""What the launcher of Triton kernels shows: what it fills in for a call, and how it launches the backward pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attngen.emit import landings
from attngen.emit.face import Face, host_lines
from attngen.emit.layout import laid_out
from attngen.emit.operators import IMPORTS as OF_OPERATORS
from attngen.emit.operators import ordered_inputs
from attngen.emit.render import functions
from attngen.emit.triton import adjoints, rows
from attngen.emit.triton import arguments as args
from attngen.emit.triton.gradients import is_apart, is_centred
from attngen.emit.wide import wide_test
from attngen.schedule.homes import Home, Landing
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.products import RowPlan, key_rows, query_rows

IMPORTS = ("import contextlib", "import math", *OF_OPERATORS)
LIST_IMPORTS = ("from collections import deque", "from collections.abc import Iterable")
"""What a launcher imports of the standard library; and where live tiles are listed."""
SUPPORT = ("_table", "_gathered")
SIDE = 32
"""Queries and keys of the square tiles whose diagonals are summed."""


def row_kernels(plan: Plan) -> list[str]:
    """The kernels of rows that the backward pass needs beside those of the forward pass."""
    found = [rows.make_kernel(plan, rows.QUERIES, row, row.name in _grown(plan)) for row in _computed_queries(plan)]
    return [*found, *(adjoints.kernel(plan, side, row) for side, row in adjoints.sides(plan))]


def values(plan: Plan, made: Face, options: tuple[str, ...]) -> dict[str, object]:
    """By the names that templates use; `options` are what calls give last."""
    filled = ["scale", "offsets", "offset", "long_positions"]
    inputs = [given.name for given in ordered_inputs(plan)]
    rest = [*(value.name for value in plan.host), *(["prepared"] if plan.listed is not None else [])]
    inside = ", ".join(dict.fromkeys([*filled, *map(kernel_name, inputs), *rest]))
    shown = {
        **landings.values(plan, options),
        "filled_values": ", ".join(dict.fromkeys([*filled, *inputs, *rest])),
        "filled_call": laid_out([f"{inside} = _filled(*given)"], 4),
        "filled_again": laid_out([f"{inside} = _filled(*given{', seen_before=True' if made.data else ''})"], 4),
        "seen_text": "; its data are looked at once" if made.data else "",
        "host_lines": laid_out(host_lines(plan.host), 4),
        "table_lines": laid_out(args.table_lines(plan), 4),
        "wide": wide_test(plan),
        "panel_heads": _panel_heads(plan),
        "centred": is_centred(plan),
        "made": laid_out(_made(plan), 4),
        **_launches(plan),
    }
    text = "\n".join(line for lines in shown.values() if isinstance(lines, list) for line in map(str, lines))
    called = ["_on", *(name for name in SUPPORT if f"{name}(" in text)]
    return {**shown, "launching": functions("attngen.emit.support", "launches.py", called)}


def imports(plan: Plan, shown: Mapping[str, object]) -> tuple[str, ...]:
    """What a launcher imports; `shown` is what its template shows."""
    text = f"{shown['table_lines']} {shown['element_launches']}"
    found = {"_table(": "from functools import lru_cache", "itertools.": "import itertools"}
    more = [line for word, line in found.items() if word in text]
    return (*IMPORTS, *more, *(LIST_IMPORTS if plan.listed is not None else ()))


def _computed_queries(plan: Plan) -> list[RowPlan]:
    return [row for row in query_rows(plan.products) if not row.plain]


def _computed_keys(plan: Plan) -> list[RowPlan]:
    return [row for row in key_rows(plan.products) if not row.plain]


def _grown(plan: Plan) -> set[str]:
    """Rows of queries that are bridged, and rounded behind that."""
    return {product.query.name for product in plan.products if product.bridge is not None}


def _panel_heads(plan: Plan) -> str:
    """How many heads in a row read the same keys and values."""
    if any(row.per_head for row in _computed_keys(plan)):
        return "1"
    shared = "math.gcd(H // k.shape[1], H // v.shape[1])"
    return f"1 if key_order is not None and key_order.stride(1) else {shared}" if plan.ordered else shared


# what kernels fill


def _made(plan: Plan) -> list[str]:
    """Room for gradients that are asked for, and `None` for the others."""
    queries, keys = (landings.asked(plan, home) for home in (Home.QUERY_ROWS, Home.KEY_ROWS))
    summed = bool(_computed_queries(plan)), bool(_computed_keys(plan))
    lines = [
        _room("dq", "H", "N, D", "q", summed[0], ["wanted[0]", *queries]) if plan.products else "dq = None",
        _room("dk", "groups", "M, D", "k", summed[1], ["wanted[1]", *keys]) if plan.products else "dk = None",
        _room("dv", "groups", "M, E", "v", False, ["wanted[2]"]),
    ]
    for side, row in adjoints.sides(plan):
        total, heads = ("dq", "H") if side.of_queries else ("dk", "groups")
        lines.append(
            f"d_{row.name} = None if {total} is None else"
            f" torch.empty((B, {heads}, {side.count}, D), dtype=torch.float32, device=q.device)"
        )
    return [*lines, *(_room_of(plan, landing) for landing in plan.landings)]


def _room(name: str, heads: str, shape: str, rows: str, summed: bool, asked: Iterable[str]) -> str:
    """Rows in float32 where something is added to them yet."""
    made = "zeros" if summed else "empty"
    kind = "torch.float32" if summed else f"{rows}.dtype if {rows}.shape[1] == {heads} else torch.float32"
    return (
        f"{name} = torch.{made}((B, {heads}, {shape}), dtype={kind}, device=q.device) if {' or '.join(asked)} else None"
    )


def _room_of(plan: Plan, landing: Landing) -> str:
    if landing.home is Home.PAIR and not is_apart(plan, landing):
        return f"{landing.name} = None"
    shape = "(B, H, 2, N + M)" if landing.home is Home.BAND else landings.shape(landing)
    asked = landings.wanted(plan, landing)
    return f"{landing.name} = torch.zeros({shape}, dtype=torch.float32, device=q.device) if {asked} else None"


# how kernels are launched


def _launches(plan: Plan) -> dict[str, object]:
    queries, keys = query_rows(plan.products), key_rows(plan.products)
    by_queries = [each for each in plan.landings if each.of_sink or each.home in (Home.HEAD, Home.QUERY)]
    by_keys = [each for each in plan.landings if each.home is Home.KEY and not each.of_sink]
    dq, dk = (["dq"], ["dk"]) if plan.products else ([], [])
    return {
        "tuned_kernels": [*(["by_queries"] if dq or by_queries else []), "by_keys"],
        "gradient_row_launches": [line for each in _made_ahead(plan) for line in each],
        "gradient_passed": _passed(plan),
        "query_asked": " or ".join(map(_is_made, [*dq, *(landing.name for landing in by_queries)])),
        "key_asked": " or ".join(map(_is_made, [*dk, "dv", *(landing.name for landing in by_keys)])),
        "query_passed": [*(_row_output(row, "q") for row in queries), *map(_output, by_queries)],
        "key_outputs_passed": [*(_row_output(row, "k") for row in keys), ("dv", "dv"), *map(_output, by_keys)],
        "element_launches": laid_out_block(_element_launches(plan)),
        "return_launches": [line for each in adjoints.sides(plan) for line in _returned(plan, *each)],
    }


def _is_made(name: str) -> str:
    return f"{name} is not None"


def _output(landing: Landing) -> tuple[str, str]:
    return landing.name, landing.name


def _row_output(row: RowPlan, side: str) -> tuple[str, str]:
    """What a kernel calls the gradients by rows, and what a launcher does: those by plain rows are those by q and k."""
    return f"d_{row.name}", f"d{side}" if row.plain else f"d_{row.name}"


def _made_ahead(plan: Plan) -> list[list[str]]:
    found = [rows.launch_make(plan, rows.KEYS, row) for row in _computed_keys(plan)]
    return found + [rows.launch_make(plan, rows.QUERIES, r, r.name in _grown(plan)) for r in _computed_queries(plan)]


def _passed(plan: Plan) -> list[str]:
    """What all kernels of pairs take, by name."""
    found = [(f"{name}_ptr", name) for name in ("q", "k", "v", "dy", "stats", *(["delta"] if is_centred(plan) else []))]
    found.append(("offsets_ptr", "offsets"))
    found += [(f"{name}_stride_{axis}", f"{name}.stride({n})") for name in "qk" for n, axis in enumerate("bhnd")]
    found += [(f"{x}_stride_{axis}", f"{x}.stride({n})") for x in ("v", "dy") for n, axis in enumerate("bhne")]
    found += [(f"{name}_share", f"H // {name}.shape[1]") for name in "qkv"]
    found += rows.passed(rows.QUERIES, _computed_queries(plan)) + rows.passed(rows.KEYS, _computed_keys(plan))
    found += args.gradient_arguments(plan)
    found += [(name, name) for name in ("offset", "B", "H", "N", "M")]
    found.append(("bucket", "triton.next_power_of_2(max(N, M, 1))"))
    found += [(kernel_name(name),) * 2 for name in args.constants(plan, args.gradient_exprs(plan))]
    found += [("D", "D"), ("E", "E")]
    found += [(f"{width}_PADDED", f"max(16, triton.next_power_of_2({width}))") for width in "DE"]
    found += [("UPCAST", "q.dtype == torch.bfloat16 and not q.is_cuda"), ("WIDE", "long_positions")]
    return [f'"{name}": {value}' for name, value in found]


def _returned(plan: Plan, side: rows.Side, row: RowPlan) -> list[str]:
    lines = adjoints.launch(plan, side, row)
    return [f"if d{side.tensor} is not None and B * {side.count} > 0:", *(f"    {line}" for line in lines)]


def _element_launches(plan: Plan) -> list[str]:
    """Sums for diagonals, and for elements that both positions choose."""
    bands = [each for each in plan.landings if each.home is Home.BAND]
    lines: list[str] = []
    if bands:
        outputs = [f"{landing.name}_ptr={landing.name}" for landing in bands]
        count = f"triton.cdiv(N, {SIDE}) + triton.cdiv(M, {SIDE}) - 1"
        lines = [
            f"if B * H * N * M > 0 and ({' or '.join(_is_made(each.name) for each in bands)}):",
            f"    diagonals = {count}",
            "    _by_diagonals[(diagonals * B * H,)](",
            *(f"        {argument}," for argument in ("**common", *outputs, f"QUERY_TILE={SIDE}", f"KEY_TILE={SIDE}")),
            "    )",
        ]
        for each in bands:
            lines.append(f"{each.name} = None if {each.name} is None else {each.name}.sum(2)[..., None]")
    pairs = [each for each in plan.landings if each.home is Home.PAIR]
    return [*lines, *(line for each in pairs for line in _pair_launch(plan, each))]


def _pair_launch(plan: Plan, landing: Landing) -> list[str]:
    given = kernel_name(landing.read.input)
    axes = plan.variant.input(landing.read.input).axes
    if not is_apart(plan, landing):
        whole = f'torch.empty_like({given}, memory_format=torch.contiguous_format, device="meta")'
        call = f"_pairs_{landing.name}[(tiles,)]("
        return [
            f"if {landings.wanted(plan, landing)} and {given}.numel() and B * H * N * M > 0:",
            f"    whole = {whole}",
            "",
            "    def pairs_of(values: Tensor, elements: Tensor, b: int, h: int, row: int, tiles: int) -> None:",
            f"        {call}",
            "            **common,",
            "            total_ptr=values,",
            "            elements_ptr=elements,",
            *(f"            place_stride_{k}=whole.stride({k})," for k in range(len(axes))),
            "            first_b=b,",
            "            first_h=h,",
            "            heads=1,",
            "            head_step=1,",
            "            first_row=row,",
            "            tiles=tiles,",
            "            **of_queries,",
            "        )",
            "",
            f'    {landing.name} = _gathered({given}, (B, H, N, M), of_queries["QUERY_TILE"], pairs_of)',
        ]
    share = f"H // {given}.shape[{axes.index('h')}]" if "h" in axes else "H"
    rows_at_once, rounds = ("B", "1") if "b" in axes else ("1", "B")
    return [
        f"if {landing.name} is not None and {landing.name}.numel() and B * H * N * M > 0:",
        f"    share = {share}",
        '    tiles = triton.cdiv(N, of_queries["QUERY_TILE"])',
        f"    for first_b, first_h in itertools.product(range({rounds}), range(share)):",
        f"        _pairs_{landing.name}[(tiles * (H // share) * {rows_at_once},)](",
        "            **common,",
        f"            total_ptr={landing.name},",
        *(f"            place_stride_{k}={landing.name}.stride({k})," for k in range(len(axes))),
        "            first_b=first_b,",
        "            first_h=first_h,",
        "            heads=H // share,",
        "            head_step=share,",
        "            first_row=0,",
        "            tiles=tiles,",
        "            **of_queries,",
        "        )",
    ]


def laid_out_block(lines: list[str]) -> list[str]:
    """Lines of a block, of which long ones are statements of one line each."""
    found: list[str] = []
    for line in lines:
        bare = line.lstrip(" ")
        indent = line[: len(line) - len(bare)]
        whole = bare and not bare.endswith((":", "(", ","))
        found += [indent + short for short in laid_out([bare], 8 + len(indent))] if whole else [line]
    return found
