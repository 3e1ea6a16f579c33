"""The channels of states. They are not written: a state has those that its update gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from attngen.errors import Span
from attngen.ir.check.elaborate import Elaborator
from attngen.ir.check.measure import Work
from attngen.ir.check.report import Report
from attngen.ir.check.scope import Scope, StateName, Value
from attngen.ir.expr import Expr, Kind, Row
from attngen.ir.functions import SCALAR
from attngen.language import ast


class Lenient(Elaborator):
    """Elaborates what can be without the states that are not known yet; only the channels of a result matter."""

    __slots__ = ()

    def _too_much(self, span: Span) -> None:
        """Said where the states are elaborated to stay."""

    def apply(self, function: str, arguments: Sequence[Expr | None], span: Span) -> Expr | None:
        result = Elaborator.apply(self, function, arguments, span)
        present = [argument for argument in arguments if argument is not None]
        if result is not None or function not in SCALAR or not present:
            return result
        channels = {channel for argument in present for channel in argument.channels}
        return Row(Kind.FLOAT, tuple(sorted(channels)), span=span)


def infer(states: Sequence[ast.State], names: Scope, work: Work) -> None:
    """Bind the states in `names` with their channels: the least ones that their updates give back.

    All states start unknown. Channels only ever grow, so this ends. What is wrong is not reported here.
    """
    declared = {name: state for name, state in names.bindings.items() if isinstance(state, StateName)}
    names.bindings.update((name, Value(None, state.span)) for name, state in declared.items())
    known: dict[str, StateName] = {}
    before = None
    while known != before:
        before = dict(known)
        known |= _round(states, Lenient(Report(), work), names, declared, known)
        names.bindings.update(known)
    names.bindings.update(declared | known)


def _round(
    states: Sequence[ast.State],
    elaborator: Lenient,
    names: Scope,
    declared: dict[str, StateName],
    known: dict[str, StateName],
) -> dict[str, StateName]:
    """The states with the channels that their updates give for what is known of all states."""
    found = {}
    for node in states:
        state = known.get(node.name.text, declared.get(node.name.text))
        update = elaborator.expr(node.value, names)
        if state is not None and update is not None:
            found[state.name] = replace(state, channels=tuple(sorted({*state.channels, *update.channels})))
    return found
