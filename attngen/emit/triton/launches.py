"""How launchers of Triton kernels make room for gradients, and launch the backward pass."""

from __future__ import annotations

from collections.abc import Iterable

from attngen.emit import landings
from attngen.emit.layout import laid_out
from attngen.emit.triton import adjoints, rows
from attngen.emit.triton import arguments as args
from attngen.emit.triton.sums import is_apart
from attngen.schedule.homes import Home, Landing
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan
from attngen.schedule.products import RowPlan, key_rows, query_rows

SIDE = 32
"""Queries and keys of the square tiles whose diagonals are summed."""


def computed_queries(plan: Plan) -> list[RowPlan]:
    return [row for row in query_rows(plan.products) if not row.plain]


def computed_keys(plan: Plan) -> list[RowPlan]:
    return [row for row in key_rows(plan.products) if not row.plain]


def grown(plan: Plan) -> set[str]:
    """Rows of queries that are bridged, and rounded behind that."""
    return {product.query.name for product in plan.products if product.bridge is not None}


def rooms(plan: Plan) -> list[str]:
    """Room for gradients that are asked for, and `None` for the others."""
    queries, keys = (landings.asked(plan, home) for home in (Home.QUERY_ROWS, Home.KEY_ROWS))
    summed = bool(computed_queries(plan)), bool(computed_keys(plan))
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


def launches(plan: Plan) -> dict[str, object]:
    queries, keys = query_rows(plan.products), key_rows(plan.products)
    by_queries = [each for each in plan.landings if each.of_sink or each.home in (Home.HEAD, Home.QUERY)]
    by_keys = [each for each in plan.landings if each.home is Home.KEY and not each.of_sink]
    dq, dk = (["dq"], ["dk"]) if plan.products else ([], [])
    return {
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
    found = [rows.launch_make(plan, rows.KEYS, row) for row in computed_keys(plan)]
    return found + [rows.launch_make(plan, rows.QUERIES, r, r.name in grown(plan)) for r in computed_queries(plan)]


def _passed(plan: Plan) -> list[str]:
    """What all kernels of pairs take, by name."""
    found = [(f"{name}_ptr", name) for name in ("q", "k", "v", "dy", "stats", *(["delta"] if plan.centred else []))]
    found.append(("offsets_ptr", "offsets"))
    found += [(f"{name}_stride_{axis}", f"{name}.stride({n})") for name in "qk" for n, axis in enumerate("bhnd")]
    found += [(f"{x}_stride_{axis}", f"{x}.stride({n})") for x in ("v", "dy") for n, axis in enumerate("bhne")]
    found += [(f"{name}_share", f"H // {name}.shape[1]") for name in "qkv"]
    found += rows.passed(rows.QUERIES, computed_queries(plan)) + rows.passed(rows.KEYS, computed_keys(plan))
    found += args.gradient_arguments(plan)
    found += [(name, name) for name in ("offset", "B", "H", "N", "M")]
    found += [(kernel_name(name),) * 2 for name in args.constants(plan, args.gradient_exprs(plan))]
    found += [("D", "D"), ("E", "E")]
    found += [(f"{width}_PADDED", f"max(16, triton.next_power_of_2({width}))") for width in "DE"]
    found += [("UPCAST", "q.dtype == torch.bfloat16 and not q.is_cuda"), ("WIDE", "long_positions or _far(0, (dy,))")]
    found.append(("enable_fp_fusion", "True"))
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
    if is_apart(plan, landing):
        return _apart_launch(plan, landing, given)
    axes = plan.variant.input(landing.read.input).axes
    strides = {f"place_stride_{k}": f"whole.stride({k})" for k in range(len(axes))}
    passed = {"total_ptr": "values", "elements_ptr": "elements", **strides, "first_b": "b", "first_h": "h"}
    passed |= {"heads": "1", "head_step": "1", "first_row": "row", "tiles": "tiles"}
    return [
        f"if {landings.wanted(plan, landing)} and {given}.numel() and B * H * N * M > 0:",
        f'    whole = torch.empty_like({given}, memory_format=torch.contiguous_format, device="meta")',
        "",
        "    def pairs_of(values: Tensor, elements: Tensor, b: int, h: int, row: int, tiles: int) -> None:",
        *(f"        {line}" for line in _launch(landing, "tiles", passed)),
        "",
        f'    {landing.name} = _gathered({given}, (B, H, N, M), of_queries["QUERY_TILE"], pairs_of)',
    ]


def _apart_launch(plan: Plan, landing: Landing, given: str) -> list[str]:
    """Where pairs have elements of their own: heads and batch rows that share them, one launch after the other."""
    axes = plan.variant.input(landing.read.input).axes
    share = f"H // {given}.shape[{axes.index('h')}]" if "h" in axes else "H"
    at_once, rounds = ("B", "1") if "b" in axes else ("1", "B")
    strides = {f"place_stride_{k}": f"{landing.name}.stride({k})" for k in range(len(axes))}
    passed = {"total_ptr": landing.name, **strides, "first_b": "first_b", "first_h": "first_h"}
    passed |= {"heads": "H // share", "head_step": "share", "first_row": "0", "tiles": "tiles"}
    return [
        f"if {landing.name} is not None and {landing.name}.numel() and B * H * N * M > 0:",
        f"    share = {share}",
        '    tiles = triton.cdiv(N, of_queries["QUERY_TILE"])',
        f"    for first_b, first_h in itertools.product(range({rounds}), range(share)):",
        *(f"        {line}" for line in _launch(landing, f"tiles * (H // share) * {at_once}", passed)),
    ]


def _launch(landing: Landing, programs: str, passed: dict[str, str]) -> list[str]:
    """A launch of the kernel of a landing."""
    given = ["**common", *(f"{name}={value}" for name, value in passed.items()), "**of_queries"]
    return [f"_pairs_{landing.name}[({programs},)](", *(f"    {argument}," for argument in given), ")"]


def laid_out_block(lines: list[str]) -> list[str]:
    """Lines of a block, of which long ones are statements of one line each."""
    found: list[str] = []
    for line in lines:
        bare = line.lstrip(" ")
        indent = line[: len(line) - len(bare)]
        whole = bare and not bare.endswith((":", "(", ","))
        found += [indent + short for short in laid_out([bare], 8 + len(indent))] if whole else [line]
    return found
