"""What a Triton kernel gets beside q, k and v: inputs, host values, sizes and parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from attngen.analysis.lists import List
from attngen.emit.python import size_name
from attngen.ir.expr import Expr, Kind, Parameter, Read, Size, distinct, variables
from attngen.ir.nodes import AXIS_SIZES, Variant
from attngen.schedule.homes import Home
from attngen.schedule.host import HostValue
from attngen.schedule.levels import Level
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan, reads

OF_ROWS = (Home.QUERY_ROWS, Home.KEY_ROWS)
Argument = tuple[str, str]
"""A name in the kernel, and the Python expression that is passed for it: launchers have the same names."""


class Computed(Protocol):
    """What a plan of any kind says of a call."""

    @property
    def variant(self) -> Variant:
        """The variant, simplified."""

    @property
    def host(self) -> tuple[HostValue, ...]:
        """What the host computes."""


def kernel_arguments(plan: Plan) -> list[Argument]:
    """Arguments of the whole kernel beyond the fixed ones, without parameters."""
    found: list[Argument] = []
    for name in dict.fromkeys(read.input for read in reads(plan)):
        found += of_input(plan, name)
    found += host_arguments(plan, _all(plan))
    found += [(name, name) for name in own_sizes(plan, _all(plan))]
    found += [*_of_distances(plan), *_of_list(plan)]
    return [*found, ("fault_ptr", "fault")] if plan.checked else found


def _of_distances(plan: Plan) -> list[Argument]:
    """Tables of values by distance."""
    return [(f"{each.name}_by_distance_ptr", f"{each.name}_by_distance") for each in plan.by_distance]


def _of_list(plan: Plan) -> list[Argument]:
    """The list of live tiles, and the order of tokens."""
    if not isinstance(plan.walk, List):
        return []
    found = [("tiles_ptr", "prepared.tiles"), ("starts_ptr", "tile_starts")]
    found += [(f"starts_stride_{axis}", f"tile_starts.stride({k})") for k, axis in enumerate("bh")]
    for order in ("query_order", "key_order") if plan.walk.orders else ():
        found.append((f"{order}_ptr", order))
        found += [
            (f"{order}_stride_{axis}", f"0 if {order} is None else {order}.stride({k})") for k, axis in enumerate("bh")
        ]
    return found


def row_arguments(plan: Plan, exprs: Iterable[Expr], of_queries: bool) -> list[Argument]:
    """Arguments of a kernel that computes or differentiates rows, without parameters."""
    exprs = list(exprs)
    found: list[Argument] = []
    for name in sorted({part.input for part in _parts(exprs) if isinstance(part, Read)}):
        found += of_input(plan, name)
    found += host_arguments(plan, exprs)
    sizes = {part.axis for part in _parts(exprs) if isinstance(part, Size)}
    sizes &= {"B", "H", "M" if of_queries else "N"}
    sizes |= {"M"} if of_queries and found else set()  # which indices are kept below
    return [*found, *((name, name) for name in (*sorted(sizes), *own_sizes(plan, exprs)))]


def host_arguments(plan: Computed, exprs: Iterable[Expr]) -> list[Argument]:
    """The host values that expressions mention."""
    used = frozenset[str]().union(*map(variables, exprs))
    return [
        (f"{value.name}_ptr" if in_memory(value) else value.name, value.name)
        for value in plan.host
        if value.name in used
    ]


def constants(plan: Plan, exprs: Iterable[Expr] | None = None) -> list[str]:
    """The parameters that a kernel uses, as the author calls them: a division by a constant is a product."""
    used = {part.name for part in _parts(_all(plan) if exprs is None else exprs) if isinstance(part, Parameter)}
    return [given.name for given in plan.variant.parameters if given.name in used]


def visit_arguments(plan: Plan) -> list[str]:
    """What the visit of one key tile uses of all that."""
    exprs = [s.value for t in plan.tiles for s in t.at(Level.KEY, Level.PAIR)] + [t.result for t in plan.tiles]
    exprs += [expr for bridge in plan.bridges for expr in bridge.exprs]
    return used_arguments(plan, exprs, ["rows", "fault_ptr"] if plan.checked else [])


def used_arguments(plan: Plan, exprs: Iterable[Expr], more: Iterable[str] = (), made: Iterable[str] = ()) -> list[str]:
    """What a function that computes `exprs` takes, and `more`, without what it has `made` itself."""
    exprs = list(exprs)
    used = frozenset[str]().union(*map(variables, exprs))
    read = sorted({part.input for part in _parts(exprs) if isinstance(part, Read)})
    found: list[str] = [name for name in ("i", "b", "h", "query_anchor") if name in used]
    found += [*(("rows", "b", "h") if read else ()), *more]
    tabled = [each for each in plan.by_distance if each.value in exprs]
    found += [*(["rows"] if tabled else []), *(f"{each.name}_by_distance_ptr" for each in tabled)]
    local = [s.name for s in plan.head] + [s.name for tile in plan.tiles for s in tile.at(Level.QUERY)]
    tables = sorted(value.name for value in plan.host)
    found += [name for name in dict.fromkeys([*local, *tables]) if name in used]
    for name in read:
        found += [argument for argument, _ in of_input(plan, name)]
    parameters = {part.name for part in _parts(exprs) if isinstance(part, Parameter)}
    sizes = {part.axis for part in _parts(exprs) if isinstance(part, Size)} & {"B", "H"}
    found += [*sorted(sizes), *own_sizes(plan, exprs), *sorted(map(kernel_name, parameters))]
    return [name for name in dict.fromkeys(found) if name not in set(made)]


def gradient_arguments(plan: Plan) -> list[Argument]:
    """Arguments of the kernels of the backward pass beyond the fixed ones, without parameters."""
    exprs = gradient_exprs(plan)
    found: list[Argument] = []
    for name in sorted({part.input for part in _parts(exprs) if isinstance(part, Read)}):
        found += of_input(plan, name)
    found += [*host_arguments(plan, exprs), *((name, name) for name in own_sizes(plan, exprs))]
    found += [*_of_distances(plan), *_of_list(plan)]
    if not isinstance(plan.walk, List):
        return found
    found += [("query_tiles_ptr", "prepared.by_keys[0]"), ("query_starts_ptr", "query_tile_starts")]
    return [*found, *((f"query_starts_stride_{axis}", f"query_tile_starts.stride({k})") for k, axis in enumerate("bh"))]


def gradient_exprs(plan: Plan) -> list[Expr]:
    """All that kernels of the backward pass compute; rows come from others."""
    values = [statement.value for statement in (*plan.head, *plan.per_period, *plan.by_keys_ends, *plan.by_keys_period)]
    values += [expr for tile in (plan.mask, plan.score, *plan.bridges) for expr in tile.exprs]
    values += [slope.value for slope in (*plan.slopes, *plan.extra_slopes)]
    values += [
        expr for landing in plan.landings if landing.home not in OF_ROWS for expr in (landing.value, *landing.place)
    ]
    return values if plan.once_per_row is None else [*values, plan.once_per_row]


def widened(plan: Plan, exprs: Iterable[Expr] | None = None) -> list[str]:
    """The ints that positions are computed from: all have 64 bits where one of them might need that."""
    exprs = _all(plan) if exprs is None else list(exprs)
    used = frozenset[str]().union(*map(variables, exprs)) & {"b", "h"}
    sizes = {part.axis for part in _parts(exprs) if isinstance(part, Size)} & {"B", "H"}
    return ["offset", "N", "M", *sorted(used), *sorted(sizes), *own_sizes(plan, exprs)]


def table_lines(plan: Computed) -> list[str]:
    """Host values that kernels load, as tensors: one number for each head, or one that must keep float64."""
    lines = []
    for value in filter(in_memory, plan.host):
        kinds = {Kind.INT: "int64", Kind.BOOL: "uint8", Kind.FLOAT: "float64" if value.exact else "float32"}
        listed = f"tuple({value.name})" if value.per_head else f"({value.name},)"
        lines.append(f"{value.name} = _table({listed}, torch.{kinds[value.value.kind]}, q.device)")
    return lines


def loaded(value: HostValue) -> str:
    """The line by which a kernel gets one of them."""
    load = f"tl.load({value.name}_ptr{' + h' if value.per_head else ''})"
    return f"{value.name} = {f'tl.cast({load}, tl.int1)' if value.value.kind is Kind.BOOL else load}"


def loaded_lines(plan: Plan, exprs: Iterable[Expr] | None = None) -> list[str]:
    """How a program gets them: those that `exprs` mention, or all of the main kernel."""
    used = frozenset[str]().union(*map(variables, _all(plan) if exprs is None else exprs))
    return [loaded(value) for value in filter(in_memory, plan.host) if value.name in used]


def own_sizes(plan: Computed, exprs: Iterable[Expr]) -> list[str]:
    """The lengths of inputs' own axes that expressions use, or that their indices are held against."""
    axes = set()
    for part in _parts(exprs):
        if isinstance(part, Size):
            axes.add(part.axis)
        elif isinstance(part, Read):
            axes |= {axis for axis in plan.variant.input(part.input).axes if axis not in AXIS_SIZES}
    return sorted(size_name(axis) for axis in axes - set("BHNMDE"))


def in_memory(value: HostValue) -> bool:
    """Whether kernels load it."""
    return value.per_head or (value.exact and value.value.kind is Kind.FLOAT)


def of_input(plan: Computed, name: str, called: str | None = None) -> list[Argument]:
    """What a kernel takes of an input, which the launcher has `called` so, or as kernels do."""
    given = plan.variant.input(name)
    inside = kernel_name(name)
    called = called or inside
    found = [(f"{inside}_ptr", f"{called}.view(torch.uint8)" if given.kind is Kind.BOOL else called)]
    found += [(f"{inside}_stride_{k}", f"{called}.stride({k})") for k in range(len(given.axes))]
    if "h" in given.axes:
        found.append((f"{inside}_share", f"H // {called}.shape[{given.axes.index('h')}]"))
    return found


def _all(plan: Plan) -> list[Expr]:
    values = [statement.value for statement in (*plan.head, *plan.per_period)]
    tiles = (*plan.tiles, *(product.query for product in plan.products), *plan.bridges)
    values += [expr for tile in tiles for expr in tile.exprs]
    return values if plan.once_per_row is None else [*values, plan.once_per_row]


def _parts(exprs: Iterable[Expr]) -> set[Expr]:
    return set[Expr]().union(*map(distinct, exprs))
