"""What the host computes before a launch, in float64: expressions over parameters, sizes and h."""

from __future__ import annotations

from dataclasses import dataclass, field

from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Size, Variable, children, distinct, with_children
from attngen.schedule.names import Namer


@dataclass(frozen=True, slots=True)
class HostValue:
    """A number, or with `per_head` one for each head; `exact` ones keep float64 on their way to the kernel."""

    name: str
    value: Expr
    per_head: bool
    exact: bool


@dataclass(slots=True)
class Hoisting:
    """Takes host expressions out of kernel expressions."""

    namer: Namer
    values: list[HostValue] = field(default_factory=list)
    _done: dict[tuple[Expr, bool], Expr] = field(default_factory=dict)

    def hoisted(self, expr: Expr, exact: bool) -> Expr:
        """The expression with names in place of its largest parts that hold a float and that the host can compute."""
        if (expr, exact) not in self._done:  # tests of tiles share their parts many times over
            self._done[expr, exact] = self._hoisted(expr, exact)
        return self._done[expr, exact]

    def _hoisted(self, expr: Expr, exact: bool) -> Expr:
        if is_of_host(expr) and not isinstance(expr, Constant) and any(p.kind is Kind.FLOAT for p in distinct(expr)):
            return Variable(expr.kind, name=self._name(expr, exact))
        below = children(expr)
        visited = tuple(self.hoisted(child, exact) for child in below)
        return expr if visited == below else with_children(expr, visited)

    def _name(self, expr: Expr, exact: bool) -> str:
        for known in self.values:
            if known.value == expr and known.exact == exact:
                return known.name
        per_head = any(isinstance(part, Variable) for part in distinct(expr))
        value = HostValue(self.namer.of_constant(expr), expr, per_head, exact)
        self.values.append(value)
        return value.name


def is_of_host(expr: Expr, *also: str) -> bool:
    """Whether the host can compute an expression: it is made of constants, parameters, sizes, h and `also`."""
    fixed = (Constant, Parameter, Size, Apply)
    names = ("h", *also)
    return all(part.name in names if isinstance(part, Variable) else isinstance(part, fixed) for part in distinct(expr))
