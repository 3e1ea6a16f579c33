"""Values of pairs that depend on i - j alone: computed once for each diagonal of a tile, not for each of its pairs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from attngen.ir.expr import (
    Apply,
    Constant,
    Expr,
    Read,
    Variable,
    children,
    distinct,
    rewrite,
    variables,
    with_children,
)
from attngen.ir.nodes import AXIS_SIZES
from attngen.schedule.distances import DISTANCE, over_distance
from attngen.schedule.levels import Level
from attngen.schedule.plan import Plan
from attngen.schedule.statements import Statement, Tile, needed

COSTLY = frozenset(
    "div mod ^ exp log log2 tanh sqrt rsqrt sin cos sigmoid softplus elu silu sine cosine floor ceil".split()
)
"""Functions that cost more than to look a value up."""


@dataclass(frozen=True, slots=True)
class Diagonals:
    """What a kernel computes for diagonals: `statements` over `i_minus_j`, in order, of which pairs need `kept`.

    The tiles are the plan's, where names of `kept` stand for what was taken out.
    """

    statements: tuple[Statement, ...]
    kept: tuple[Statement, ...]
    mask: Tile
    score: Tile
    fault: Tile

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """All that is computed for pairs."""
        return (self.mask, self.score, self.fault)


def diagonals(plan: Plan) -> Diagonals:
    """Take out of a plan's tiles what diagonals can hold; nothing where tokens are moved."""
    if plan.ordered:
        return Diagonals((), (), *plan.tiles)
    search = _Search(plan)
    tiles = [search.tile(tile, exact=tile is not plan.score) for tile in plan.tiles]
    slopes = (slope.value for slope in plan.slopes)
    used = {name for expr in (*(e for tile in tiles for e in tile.exprs), *slopes) for name in variables(expr)}
    kept = tuple(search.found[name] for name in search.found if name in used & search.costly)
    statements = needed(search.found.values(), *(Variable(s.value.kind, name=s.name) for s in kept))
    return Diagonals(tuple(replace(s, value=rewrite(s.value, over_distance)) for s in statements), kept, *tiles)


@dataclass(slots=True)
class _Search:
    plan: Plan
    found: dict[str, Statement] = field(default_factory=dict)
    costly: set[str] = field(default_factory=set)
    varying: set[str] = field(init=False)

    def __post_init__(self) -> None:
        statements = (s for tile in self.plan.tiles for s in tile.statements)
        self.varying = {"i", "j", *(product.name for product in self.plan.products)}
        self.varying |= {s.name for s in statements if s.level is not Level.HEAD}

    def tile(self, tile: Tile, exact: bool) -> Tile:
        """The same without what diagonals hold."""
        left: list[Statement] = []
        for statement in tile.statements:
            if statement.level is Level.PAIR and self._is_of_diagonal(statement.value):
                self.found[statement.name] = statement
                if self._is_costly(statement.value):
                    self.costly.add(statement.name)
                    continue
            left.append(replace(statement, value=self._taken_out(statement.value, statement.exact)))
        return Tile(tuple(left), self._taken_out(tile.result, exact))

    def _taken_out(self, expr: Expr, exact: bool) -> Expr:
        """The expression with a name for each of its largest parts that diagonals should hold."""
        if isinstance(expr, (Variable, Constant)):
            return expr
        if self._is_of_diagonal(expr) and self._is_costly(expr):
            name = f"by_distance_{len(self.found)}"
            self.found[name] = Statement(name, expr, Level.PAIR, exact)
            self.costly.add(name)
            return Variable(expr.kind, name=name)
        below = children(expr)
        taken = tuple(self._taken_out(child, exact) for child in below)
        return expr if taken == below else with_children(expr, taken)

    def _is_of_diagonal(self, expr: Expr) -> bool:
        """Whether a value of a pair varies with i - j alone; one of a tile's rows or keys is none."""
        names = variables(rewrite(expr, over_distance))
        if not names - {DISTANCE.name} <= (names - self.varying) | self.found.keys():
            return False
        placed = (
            index
            for part in distinct(expr)
            if isinstance(part, Read)
            for axis, index in zip(self.plan.variant.input(part.input).axes, part.indices, strict=True)
            if axis in AXIS_SIZES and axis not in "bh"
        )
        return not any(placed) and not names.isdisjoint({DISTANCE.name, *self.found})

    def _is_costly(self, expr: Expr) -> bool:
        if not variables(expr).isdisjoint(self.costly):
            return True
        return any(
            isinstance(part, Read) or (isinstance(part, Apply) and part.function in COSTLY) for part in distinct(expr)
        )
