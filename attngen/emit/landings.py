"""Gradients by inputs, as launchers show them: the sums that kernels make, and the elements that they belong to."""

from __future__ import annotations

from attngen.emit.layout import laid_out
from attngen.emit.operators import ordered_inputs, trained_inputs
from attngen.emit.tensors import TensorPrinter, called_by
from attngen.ir.expr import Read, variables
from attngen.schedule.homes import Home, Landing
from attngen.schedule.names import kernel_name
from attngen.schedule.plan import Plan

SHAPES = {
    Home.HEAD: "(B, H, N, 1)",
    Home.QUERY: "(B, H, N, 1)",
    Home.KEY: "(B, H, M, 1)",
    Home.BAND: "(B, H, N + M, 1)",
    Home.QUERY_ROWS: "(B, H, N, D)",
    Home.KEY_ROWS: "(B, groups, M, D)",
}
POSITIONS = {
    Home.HEAD: [],
    Home.QUERY: ["i = rows + first"],
    Home.KEY: ["j = torch.arange(M, device=device)[:, None]"],
    Home.BAND: ["i, j = torch.arange(N + M, device=device)[:, None] - (M - 1) + first, torch.tensor(0, device=device)"],
    Home.QUERY_ROWS: ["i = rows + first"],
    Home.KEY_ROWS: [
        "j = torch.arange(M, device=device)[:, None]",
        "h = torch.arange(0, H, H // {name}.shape[1], device=device)[:, None, None]",
    ],
}
"""The positions that sums are of; a diagonal stands for its pair with key 0."""
LONG = 50
"""Characters of an index that gets a line of its own."""
AXES = {"b": 0, "h": 1, "i": 2, "j": 2, "c": 3}
"""The axes of sums along which elements are chosen by a name."""


def values(plan: Plan, options: tuple[str, ...] = ()) -> dict[str, object]:
    """By the names that templates use; `options` are what calls give last."""
    names = [landing.name for landing in plan.landings]
    trained = trained_inputs(plan.variant)
    return {
        "landing_names": names,
        "landing_tuple": f"({', '.join(names)}{',' if len(names) == 1 else ''})",
        "given_names": ", ".join([*_given(plan), *options]),
        "input_count": len(trained),
        "landing_lines": [line for landing in plan.landings for line in _lines(plan, landing, trained)],
    }


def calls(plan: Plan) -> list[str]:
    """The functions of `support/live.py` that the lines call."""
    trained = trained_inputs(plan.variant)
    return called_by([line for landing in plan.landings for line in _lines(plan, landing, trained)])


def shape(landing: Landing) -> str:
    """Of the sums of a landing."""
    return SHAPES[landing.home] if landing.home is not Home.PAIR else f"{kernel_name(landing.read.input)}.shape"


def asked(plan: Plan, home: Home) -> list[str]:
    """For each landing of a home, Python that tells whether its input's gradient is asked for."""
    return list(dict.fromkeys(wanted(plan, landing) for landing in plan.landings if landing.home is home))


def wanted(plan: Plan, landing: Landing) -> str:
    """Python that tells whether the gradient by a landing's input is asked for."""
    return f"wanted[{3 + trained_inputs(plan.variant).index(landing.read.input)}]"


def _given(plan: Plan) -> list[str]:
    inputs = [given.name for given in ordered_inputs(plan.variant)]
    names = [kernel_name(name) for name in (*inputs, *(parameter.name for parameter in plan.variant.parameters))]
    count = len(inputs)
    lists = ["list_number"] if plan.listed is not None else []
    return ["q", "k", "v", *names[:count], "offsets", "scale", "offset", *names[count:], *lists]


def _lines(plan: Plan, landing: Landing, trained: list[str]) -> list[str]:
    """From the sums of a landing to the total of its input."""
    name, total = kernel_name(landing.read.input), f"totals[{trained.index(landing.read.input)}]"
    if landing.home is Home.PAIR:
        return _where_asked(landing, [f"{total} = _landed({total}, {name}, None, {landing.name})"])
    place = TensorPrinter(plan.variant).place(landing.read)
    used = {AXES[axis] for axis in _chosen_by(plan, landing.read)}
    rest = tuple(axis for axis in range(4) if axis not in used)
    found = landing.name
    if landing.home in (Home.QUERY_ROWS, Home.KEY_ROWS) and not landing.read.channels:
        found += "[..., :1]"  # a row's share of what all of its channels read is the same at each
    sums = f"{found}.sum({rest}, keepdim=True, dtype=torch.float64)" if rest else found
    lines = [line.format(name=landing.name) for line in POSITIONS[landing.home]]
    for k, index in enumerate(place):
        if len(index) > LONG:
            lines.append(f"index_{k} = {index}")
            place[k] = f"index_{k}"
    tupled = f"({', '.join(place)}{',' if len(place) == 1 else ''})"
    return _where_asked(landing, [*lines, f"{total} = _landed({total}, {name}, {tupled}, {sums})"])


def _where_asked(landing: Landing, lines: list[str]) -> list[str]:
    return [f"if {landing.name} is not None:", *(f"    {line}" for line in laid_out(lines, 8))]


def _chosen_by(plan: Plan, read: Read) -> set[str]:
    """The names that choose an element; where queries stand may differ from batch row to batch row."""
    axes = plan.variant.input(read.input).axes
    found = {*(axis for axis in axes if axis in AXES), *(variables(read) & AXES.keys())}
    return found | ({"b"} if "i" in found else set())
