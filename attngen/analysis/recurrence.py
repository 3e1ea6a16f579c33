"""The canonical form of recurrences, which every kernel of the family computes.

Each state is a matrix over a key axis and a value axis, of which a vector has one only:

    S <- decay * S + erased (erases . S) + key value^T

and tokens read `row . S`, with what the token writes or before it. An update that is not of this form is refused,
with the term that is in the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from attngen.analysis.factored import times, total
from attngen.analysis.laws import ONE, ZERO
from attngen.analysis.linear import NotLinear, Piece, depends, is_state, pieces
from attngen.analysis.writes import along, written
from attngen.errors import Diagnostic, SpecError
from attngen.ir import nodes
from attngen.ir.expr import Apply, Expr, Kind, Row, children, rewrite, with_children

ALLOWED = (
    "a state may be scaled by a factor over b, h, t and the axis along which `out` reads it, and one "
    "`outer(b, dot(a, S))` and one `outer(k, v)` may be added to it"
)


@dataclass(frozen=True, slots=True)
class Carried:
    """A state: what each token makes of it. Factors are over the key axis or none; `value` over the value axis or none.

    `erases` reads the state before the token, and what it reads is added back at `erased`; both or none are there.
    An axis that a vector does not have is `None`; there the key, or the value, is a number. A state is forgotten where
    an int of `within` differs from the token before.
    """

    name: str
    key_axis: str | None
    value_axis: str | None
    decay: Expr
    key: Expr
    value: Expr
    erases: Expr | None = None
    erased: Expr | None = None
    within: tuple[Expr, ...] = ()

    @property
    def rows(self) -> tuple[Expr, ...]:
        """All that tokens bring to it."""
        found = (self.decay, self.key, self.value, self.erases, self.erased, *self.within)
        return tuple(row for row in found if row is not None)


@dataclass(frozen=True, slots=True)
class Reading:
    """`row . S` of a state, or the state itself where it has no key axis; `before` what the token writes."""

    name: str
    state: str
    row: Expr
    before: bool


@dataclass(frozen=True, slots=True)
class Recurrence:
    """States, what tokens read from them, and what the readings come to: `out`, over rows by the readings' names."""

    states: tuple[Carried, ...]
    readings: tuple[Reading, ...]
    out: Expr


def canonical(variant: nodes.Variant) -> Recurrence:
    """The canonical form of a recurrent variant.

    Raises:
        SpecError: an update is not of that form, or `out` does not read states by rows (E0401).
    """
    body = variant.recurrent
    try:
        found = _Readings([])
        out = found.named(body.out)
        read = {reading.state: reading for reading in reversed(found.readings)}
        wanted = [reading.state for reading in found.readings]
        order = sorted({*wanted}, key=wanted.index)
        updates = {state.name: state for state in body.states}
        states = tuple(_carried(updates[name], read[name]) for name in order)
    except NotLinear as problem:
        message = f"`{variant.name}` is no recurrence that can be compiled: {problem.reason}"
        raise SpecError((Diagnostic("E0401", message, problem.span, help=ALLOWED),)) from None
    return Recurrence(states, tuple(found.readings), out)


@dataclass(frozen=True, slots=True)
class _Readings:
    """What `out` reads, each once."""

    readings: list[Reading]

    def named(self, expr: Expr) -> Expr:
        """The expression over what is read, by names."""
        if not depends(expr):
            return expr
        if is_state(expr):
            return self._term(pieces(expr)[0])
        if isinstance(expr, Apply) and expr.function == "dot":
            try:
                return total([self._term(piece) for piece in pieces(expr)])
            except NotLinear as problem:
                return self._inside(expr, problem)
        return self._below(expr)

    def _inside(self, expr: Expr, problem: NotLinear) -> Expr:
        """A product over rows that are made of vectors, which are read as they are."""
        try:
            return self._below(expr)
        except NotLinear:
            raise problem from None

    def _below(self, expr: Expr) -> Expr:
        named = with_children(expr, tuple(map(self.named, children(expr))))
        return times(named) if isinstance(expr, Apply) and expr.function == "*" else named

    def _term(self, piece: Piece) -> Expr:
        """A piece of what is read, with the reading by its name."""
        state = piece.state
        if state is None:
            return piece.factor
        before = isinstance(state, Apply)
        row = state.arguments[0] if isinstance(state, Apply) else state
        assert isinstance(row, Row)
        if piece.by is None and len(row.channels) > 1:
            raise NotLinear(f"`{row.name}` is a matrix, and no row reads it", piece.span)
        read = Reading(self._name(row.name), row.name, ONE if piece.by is None else piece.by, before)
        same = [known for known in self.readings if replace(known, name=read.name) == read]
        if any(known.state == row.name and known.row.channels != read.row.channels for known in self.readings):
            raise NotLinear(f"`{row.name}` is read along two axes", piece.span)
        if not same:
            self.readings.append(read)
        channels = tuple(sorted(frozenset(row.channels) - frozenset(read.row.channels)))
        return times(piece.factor, Row(Kind.FLOAT, channels, name=(same or [read])[0].name))

    def _name(self, state: str) -> str:
        number = sum(known.state == state for known in self.readings)
        return f"{state}_read" if number == 0 else f"{state}_read_{number}"


def _carried(state: nodes.State, reading: Reading) -> Carried:
    """One state, whose key axis is the one that its readings sum over."""
    over = frozenset(reading.row.channels)
    key_axis = next(iter(over), None)
    value_axis = next((axis for axis in state.channels if axis not in over), None)
    terms = pieces(state.update)
    for term in terms:
        _refuse_strange(state, term, over)
    decays = [term.factor for term in terms if term.state is not None and term.by is None]
    key, value = written([term for term in terms if term.state is None], key_axis)
    erasing = [term for term in terms if term.by is not None]
    key, value = along(key, key_axis), along(value, value_axis)
    carried = Carried(state.name, key_axis, value_axis, total(decays) if decays else ZERO, key, value)
    if not erasing:
        return carried
    if any(term.by != erasing[0].by for term in erasing):
        raise NotLinear(f"`{state.name}` is read by two rows in its update", erasing[-1].span)
    return replace(carried, erases=erasing[0].by, erased=total([term.factor for term in erasing]))


def _refuse_strange(state: nodes.State, term: Piece, over: frozenset[str]) -> None:
    """A term of an update holds the state itself, is read as tokens read it, and knows no value axis."""
    if term.state is None:
        return
    if not (isinstance(term.state, Row) and term.state.name == state.name):
        raise NotLinear(f"the update of `{state.name}` reads another state", term.span)
    if term.by is not None and frozenset(term.by.channels) != over:
        raise NotLinear(f"`{state.name}` is read along another axis than by `out`", term.span)
    if not over.issuperset(term.factor.channels):
        axes = ", ".join(f"`{axis}`" for axis in sorted(set(term.factor.channels) - over))
        what = "what it erases" if term.by is not None else f"`{state.name}`"
        raise NotLinear(f"{what} is scaled by a factor over {axes}, along which `out` does not read it", term.span)


def equation(recurrence: Recurrence) -> nodes.Recurrent:
    """The canonical form as states and what is read, in the language's own words."""
    states, rows = [], {}
    for state in recurrence.states:
        axes = tuple(sorted(axis for axis in (state.key_axis, state.value_axis) if axis is not None))
        rows[state.name] = Row(Kind.FLOAT, axes, name=state.name)
        terms = [_of(axes, "*", state.decay, rows[state.name])]
        if state.erases is not None and state.erased is not None:
            terms.append(_of(axes, "*", state.erased, _reads(state.erases, rows[state.name])))
        if ZERO not in (state.key, state.value):
            terms.append(_of(axes, "*", state.key, state.value))
        states.append(nodes.State(state.name, axes, total(terms)))
    read: dict[str, Expr] = {}
    for reading in recurrence.readings:
        source: Expr = rows[reading.state]
        if reading.before:
            source = _of(source.channels, "prev", source)
        read[reading.name] = source if reading.row == ONE else _reads(reading.row, source)
    named = rewrite(recurrence.out, lambda node: read.get(node.name, node) if isinstance(node, Row) else node)
    return nodes.Recurrent(tuple(states), named)


def _of(channels: tuple[str, ...], function: str, *arguments: Expr) -> Expr:
    return Apply(Kind.FLOAT, channels, function=function, arguments=arguments)


def _reads(row: Expr, state: Expr) -> Expr:
    return _of(tuple(axis for axis in state.channels if axis not in row.channels), "dot", row, state)
