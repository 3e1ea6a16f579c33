"""Values of pairs that kernels look up by their distance: how launchers make the tables, and how kernels read them."""

from __future__ import annotations

from attngen.emit.layout import laid_out
from attngen.emit.python import size_name
from attngen.emit.tensors import TensorPrinter
from attngen.ir.expr import Expr, Parameter, Size, Variable, distinct
from attngen.schedule.distances import DISTANCE
from attngen.schedule.plan import Plan
from attngen.schedule.statements import Statement

SLACK = 256
"""Distances beyond those of tokens, which the largest tiles may ask for."""
FEW = 128
"""Calls with fewer queries or keys compute the values: a table would take longer."""


def lookup(statement: Statement, row: str, computed: str) -> list[str]:
    """A value, from its table where there is one; `row` are rows of queries, along their axis."""
    name = statement.name
    return [
        f"if {name}_by_distance_ptr is not None:",
        f"    {name} = tl.load({name}_by_distance_ptr + ({row} - j + M + {SLACK}))",
        "else:",
        *(f"    {line}" for line in laid_out([f"{name} = {computed}"], 8)),
    ]


def makers(plan: Plan) -> str:
    """The functions that make tables, one for each value."""
    return "\n\n\n".join(_maker(plan, statement, value) for statement, value in plan.by_distance.items())


def made(plan: Plan) -> list[str]:
    """How a call gets its tables, if it is worth them and knows where its queries stand."""
    lines = []
    for statement, value in plan.by_distance.items():
        ends = f"offset - M - {SLACK}, offset + N + {SLACK}, q.device"
        given = ", ".join([ends, *_numbers(value)])
        worth = f"min(N, M) < {FEW} or isinstance(offset, Tensor)"
        lines.append(f"{statement.name}_by_distance = None if {worth} else _{statement.name}_by_distance({given})")
    return lines


def _maker(plan: Plan, statement: Statement, value: Expr) -> str:
    name = f"_{statement.name}_by_distance"
    numbers = _numbers(value)
    given = ["first: int", "stop: int", "device: torch.device", *(f"{each}: float" for each in numbers)]
    printer = TensorPrinter(plan.variant, plan.host, called=str)
    lines = [f"{DISTANCE.name} = torch.arange(first, stop, device=device)", f"found = {printer.text(value)}"]
    return "\n".join(
        [
            "@lru_cache(maxsize=16)",
            f"def {name}({', '.join(given)}) -> Tensor:",
            f'    """`{statement.name}` at the distances i - j from `first` on, as kernels compute it."""',
            *(f"    {line}" for line in laid_out(lines, 4)),
            "    return found",
        ]
    )


def _numbers(value: Expr) -> list[str]:
    """The numbers of a call that a value needs, by the names that callers have for them."""
    parts = distinct(value)
    found = [part.name for part in parts if isinstance(part, (Parameter, Variable)) and part != DISTANCE]
    return sorted(dict.fromkeys([*found, *(size_name(part.axis) for part in parts if isinstance(part, Size))]))
