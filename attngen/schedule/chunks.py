"""The plan of a recurrent kernel: which rows it computes of each token, and what it carries from chunk to chunk.

Tokens are taken in chunks. Inside of one, what a token reads of the others is a product of rows of tokens, weighed by
the decays between them; what it reads of all chunks before is a product with the state. "Transformers are SSMs",
arXiv:2405.21060, section 6; with the delta rule, arXiv:2406.06484, section 3.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from attngen.analysis.laws import ONE
from attngen.analysis.recurrence import Carried, Reading, Recurrence, canonical
from attngen.errors import Diagnostic, Span, SpecError
from attngen.ir import nodes
from attngen.ir.expr import EARLIER, Expr, Kind, Read, variables
from attngen.passes import simplify
from attngen.schedule.guards import demands, doubtful
from attngen.schedule.host import Hoisting, HostValue
from attngen.schedule.levels import Level
from attngen.schedule.names import Namer, kernel_name
from attngen.schedule.returns import Return, is_own_element, row_return, y_return
from attngen.schedule.tokens import TokenRow, Tokens, obstacle, with_readings


@dataclass(frozen=True, slots=True)
class ReadingPlan:
    """What each token reads from a state by a row; `before` what it writes."""

    name: str
    row: TokenRow
    before: bool


@dataclass(frozen=True, slots=True)
class StatePlan:
    """A state [key width, value width]: each width is 1 where an axis is missing. Without `decay` it keeps all."""

    name: str
    key_axis: str | None
    value_axis: str | None
    decay: TokenRow | None
    key: TokenRow
    value: TokenRow
    erases: TokenRow | None
    erased: TokenRow | None
    readings: tuple[ReadingPlan, ...]

    @property
    def called(self) -> str:
        """Its name in kernels."""
        return kernel_name(self.name)

    @property
    def axes(self) -> tuple[str, ...]:
        """Its axes in the order in which callers have them."""
        return tuple(sorted(axis for axis in (self.key_axis, self.value_axis) if axis is not None))

    @property
    def pattern(self) -> Hashable:
        """What has the same pattern can be carried beside it: only what is written, and of how many channels, differs.

        A sum of weights beside a sum of weighed values is so. What erases is alone, and so is what is read twice.
        """
        if self.erases is not None or len(self.readings) != 1:
            return self.name
        (reading,) = self.readings
        decay = None if self.decay is None else self.decay.name
        return self.key_axis, self.key.name, decay, reading.row.name, reading.before

    @property
    def leaving(self) -> tuple[TokenRow, ...]:
        """The rows that say what tokens leave of it; without any they leave all."""
        return tuple(row for row in (self.decay, self.erases, self.erased) if row is not None)

    @property
    def by_channel(self) -> bool:
        """Whether channels decay each in its own way."""
        return self.decay is not None and self.decay.axis is not None


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """A recurrent kernel: for each (batch row, head), chunk by chunk, states and rows of y.

    `rows` are computed for all tokens of a chunk before its states are carried on, and `y` behind that. Gradients go
    the other way: `y_return` hands them to readings, states to rows, and `returns` from rows to what these are made of.
    """

    variant: nodes.Variant
    form: Recurrence
    host: tuple[HostValue, ...]
    states: tuple[StatePlan, ...]
    rows: tuple[TokenRow, ...]
    y: TokenRow
    returns: tuple[Return, ...]
    y_return: Return

    @property
    def beside(self) -> list[tuple[StatePlan, ...]]:
        """The states, those of one pattern beside each other."""
        found: dict[Hashable, list[StatePlan]] = {}
        for state in self.states:
            found.setdefault(state.pattern, []).append(state)
        return [tuple(states) for states in found.values()]

    @property
    def exprs(self) -> list[Expr]:
        """All that kernels compute."""
        return [expr for part in self._parts for expr in part.exprs]

    @property
    def exact(self) -> list[Expr]:
        """What of that is computed in float64."""
        return [s.value for part in self._parts for s in part.statements if s.exact]

    def needed(self, names: Iterable[str]) -> list[str]:
        """Some rows, and those that they are made of, in the order in which they are computed."""
        found: set[str] = set(names)
        for row in reversed(self.rows):
            if row.name in found:
                found |= {row.projected.name} if row.projected is not None else set()
                found |= frozenset[str]().union(*map(variables, row.exprs))
        return [row.name for row in self.rows if row.name in found]

    @property
    def _parts(self) -> tuple[TokenRow | Return, ...]:
        return (*self.rows, self.y, *self.returns, self.y_return)

    @property
    def trained(self) -> frozenset[str]:
        """The rows through which gradients go on."""
        return frozenset(each.name for each in self.returns)

    @property
    def hands_back(self) -> bool:
        """Whether tokens hand gradients to those before them, by what they read of inputs there."""
        shares = (leaf for each in (*self.returns, self.y_return) for leaf, _ in each.shares)
        return any(isinstance(leaf, Read) and EARLIER in leaf.indices for leaf in shares)

    @property
    def lacking(self) -> frozenset[str]:
        """The inputs whose gradients can't be computed yet."""
        products = {row.name for row in self.rows if row.matrix is not None}
        parts = [each for each in (*self.returns, self.y_return) if each.name not in products]
        reads = {leaf for each in parts for leaf, _ in each.shares if isinstance(leaf, Read)}
        return frozenset(leaf.input for leaf in reads if not is_own_element(leaf, self.variant))


def chunk_plan(variant: nodes.Variant) -> ChunkPlan:
    """Decide how a recurrent variant is computed.

    Raises:
        SpecError: it cannot be compiled yet.
    """
    simple = simplify(variant)
    form = canonical(simple)
    if problems := obstacles(simple, form):
        raise SpecError(problems)
    given = [parameter.name for parameter in simple.parameters if parameter.kind is not Kind.FLOAT]
    given += [tensor.name for tensor in simple.inputs]
    given += [state.name for state in form.states]
    namer = Namer({let.value: let.name for let in simple.lets}, {kernel_name(name) for name in given})
    tokens = Tokens(namer, Hoisting(namer))
    names = {reading.name: namer.fresh(reading.name) for reading in form.readings}
    states = tuple(_state(state, form.readings, names, tokens) for state in form.states)
    widths = {state.name: state.value_axis for state in form.states}
    read = {names[each.name]: Level.PAIR if widths[each.state] is not None else Level.QUERY for each in form.readings}
    y = tokens.result(with_readings(form.out, names), "y", read)
    rows = tuple(tokens.rows.values())
    returns = [row_return(row, tokens) for row in reversed(rows)]
    return ChunkPlan(
        variant=simple,
        form=form,
        states=states,
        rows=rows,
        y=y,
        returns=tuple(each for each in returns if each.shares),
        y_return=y_return(read, tokens),
        host=tuple(tokens.hoisting.values),
    )


def _state(state: Carried, readings: tuple[Reading, ...], names: dict[str, str], tokens: Tokens) -> StatePlan:
    """A state, and the rows of tokens that it takes."""
    label = state.name
    return StatePlan(
        name=label,
        key_axis=state.key_axis,
        value_axis=state.value_axis,
        decay=None if state.decay == ONE else tokens.row(state.decay, f"{label}_decay"),
        key=tokens.row(state.key, f"{label}_key"),
        value=tokens.row(state.value, f"{label}_value"),
        erases=None if state.erases is None else tokens.row(state.erases, f"{label}_erases"),
        erased=None if state.erased is None else tokens.row(state.erased, f"{label}_erased"),
        readings=tuple(
            ReadingPlan(names[each.name], tokens.row(each.row, f"{label}_query"), each.before)
            for each in readings
            if each.state == label
        ),
    )


def obstacles(variant: nodes.Variant, form: Recurrence) -> tuple[Diagnostic, ...]:
    """Why a recurrence in its canonical form cannot be compiled yet; nothing if it can."""
    spans = {state.name: state.span for state in variant.recurrent.states}
    for state in form.states:
        if state.value_axis not in (None, "e"):
            return (_not_yet("values over another axis than `e` can't be compiled yet", spans[state.name]),)
    parts = [(state.name, row) for state in form.states for row in state.rows]
    parts += [(reading.state, reading.row) for reading in form.readings]
    checked = frozenset(demands(variant))
    for name, row in [*parts, (form.states[0].name, form.out)]:
        reason = obstacle(row)
        if reason is None and (part := doubtful(row, variant, checked)) is not None:
            what = "an index that may leave its axis" if isinstance(part, Read) else "a divisor that may be 0"
            reason = f"{what} can't be looked for yet: declare ranges that rule it out", part.span
        if reason is not None:
            return (_not_yet(reason[0], reason[1] if reason[1].text else spans[name]),)
    return ()


def _not_yet(message: str, span: Span) -> Diagnostic:
    return Diagnostic("E0406", message, span, help='`backend="reference"` computes it, slowly and in float64')
