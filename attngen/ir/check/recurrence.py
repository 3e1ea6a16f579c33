"""The recurrent body: states that are updated together from their old values, and what is read."""

from __future__ import annotations

from attngen.ir import nodes
from attngen.ir.check import channels
from attngen.ir.check.clauses import Clauses
from attngen.ir.check.scope import StateName, Value, declare
from attngen.ir.check.typing import listed_axes
from attngen.ir.expr import Expr, Kind, Row, distinct
from attngen.language import ast

MOST_STATES = 64
"""States that pass their channels on to each other, one by one, are looked at as often as there are states."""
PAIRWISE_ONLY = ("score", "weight", "mask", "sink", "normalize")


def declare_states(clauses: Clauses) -> None:
    """Give the states their names and channels; nothing else can be elaborated before."""
    states = clauses.all(ast.State)
    for node in states[:MOST_STATES]:
        declare(clauses.names, node.name, StateName(node.name.text, (), node.name.span), clauses.report)
    for node in states[MOST_STATES:]:
        declare(clauses.names, node.name, Value(None, node.name.span), clauses.report)
    if len(states) > MOST_STATES:
        message = f"a recurrence has at most {MOST_STATES} states"
        clauses.report.error("E0313", message, states[MOST_STATES].name.span, help="a state may be a row, or a matrix")
    channels.infer(states[:MOST_STATES], clauses.names, clauses.elaborator.work)


def body(clauses: Clauses) -> nodes.Recurrent | None:
    """States and `out`, or `None` where something is wrong."""
    report, states, out = clauses.report, clauses.all(ast.State), clauses.plain("out")
    for word in PAIRWISE_ONLY:
        if word in clauses.single:
            help = "use `state` and `out`, or `score` and `mask`"
            report.error("E0310", f"a recurrence has no `{word}`", clauses.single[word].span, help=help)
    updates = [_state(clauses, node) for node in states]
    result = None if out is None else _out(clauses, out)
    if out is None or not states:
        missing = "out" if out is None else "state"
        report.error("E0305", f"a recurrence needs `{missing}`", clauses.node.name.span)
    checked = tuple(update for update in updates if update is not None)
    if result is None or not states or len(checked) < len(states):
        return None
    _all_reached(clauses, checked, result)
    return nodes.Recurrent(checked, result)


def _all_reached(clauses: Clauses, states: tuple[nodes.State, ...], out: Expr) -> None:
    """Every state reaches `out`, by itself or by the states that read it; one that does not has no effect."""
    updates = {state.name: state.update for state in states}
    reached: set[str] = set()
    waiting = [out]
    while waiting:
        read = {part.name for part in distinct(waiting.pop()) if isinstance(part, Row)}
        new = (read & updates.keys()) - reached
        reached |= new
        waiting.extend(updates[name] for name in new)
    for state in states:
        if state.name not in reached:
            help = "read it in `out`, or leave it out"
            clauses.report.error("E0312", f"`out` does not depend on the state `{state.name}`", state.span, help=help)


def _state(clauses: Clauses, node: ast.State) -> nodes.State | None:
    update = clauses.expr("state", node.value)
    update = None if update is None else clauses.of_kind(Kind.FLOAT, update, "state", node.value.span)
    binding = clauses.names.bindings.get(node.name.text)
    if update is None or not isinstance(binding, StateName):
        return None
    if update.channels != binding.channels:
        message = f"the update of `{node.name.text}` loses channels of the state"
        label = f"this has {listed_axes(update)}, the state [{', '.join(binding.channels)}]"
        clauses.report.error("E0209", message, node.value.span, label=label)
        return None
    return nodes.State(node.name.text, update.channels, update, node.span)


def _out(clauses: Clauses, node: ast.Plain) -> Expr | None:
    result = clauses.expr("out", node.value)
    result = None if result is None else clauses.of_kind(Kind.FLOAT, result, "out", node.value.span)
    if result is not None and result.channels != ("e",):
        message, label = "`out` is a row over the value channels `e`", f"this has {listed_axes(result)}"
        clauses.report.error("E0209", message, node.value.span, label=label)
        return None
    return result
