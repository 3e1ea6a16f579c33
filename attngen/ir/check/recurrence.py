"""The recurrent body: states that are updated together from their old values, and what is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attngen.ir import nodes
from attngen.ir.check.scope import Report, StateName, declare
from attngen.ir.expr import Kind
from attngen.language import ast

if TYPE_CHECKING:
    from attngen.ir.check.clauses import Clauses

PAIRWISE_ONLY = ("score", "weight", "mask", "sink", "normalize")


def body(clauses: Clauses) -> nodes.Recurrent | None:
    """States and `out`, or `None` where something is wrong."""
    report = clauses.report
    states = [node for node in clauses.all(ast.State) if isinstance(node, ast.State)]
    for word in PAIRWISE_ONLY:
        if word in clauses.single:
            span = clauses.single[word].span
            report.error(
                "E0310", f"a recurrence has no `{word}`", span, help="use `state` and `out`, or `score` and `mask`"
            )
    out = clauses.plain("out")
    if out is None or not states:
        missing = "out" if out is None else "state"
        report.error("E0305", f"a recurrence needs `{missing}`", clauses.node.name.span)
        return None
    for node in states:
        declare(clauses.names, node.name, StateName(node.name.text, (), node.name.span), report)
    _infer_channels(clauses, states)
    updates = [clauses.expr("state", node.value) for node in states]
    result = clauses.expr("out", out.value)
    if result is None or any(update is None for update in updates):
        return None
    if result.kind is not Kind.FLOAT or result.channels != ("e",):
        axes = ", ".join(result.channels) or "none"
        report.error(
            "E0209", "`out` is a row over the value channels `e`", out.value.span, label=f"its channels: {axes}"
        )
        return None
    checked = tuple(
        nodes.State(node.name.text, update.channels, update, node.span)
        for node, update in zip(states, updates, strict=True)
        if update is not None
    )
    return nodes.Recurrent(checked, result)


def _infer_channels(clauses: Clauses, states: list[ast.State]) -> None:
    """Find the channels of the states: the least ones that their updates give back.

    Elaborated silently until nothing changes; what is wrong is reported by the pass that follows.
    """
    spoken, clauses.elaborator.report = clauses.elaborator.report, Report()
    for _ in range(len(states) + 2):
        before = {node.name.text: clauses.names.bindings.get(node.name.text) for node in states}
        for node in states:
            _widen(clauses, node)
        if before == {node.name.text: clauses.names.bindings.get(node.name.text) for node in states}:
            break
    clauses.elaborator.report = spoken


def _widen(clauses: Clauses, node: ast.State) -> None:
    """Give a state the channels of its update; where that has none yet, those of a part of it."""
    name = node.name.text
    known = clauses.names.bindings.get(name)
    if not isinstance(known, StateName):
        return
    parts = [node.value]
    while parts:
        part = parts.pop(0)
        expr = clauses.elaborator.expr(part, clauses.names)
        if expr is not None:
            channels = tuple(sorted({*known.channels, *expr.channels}))
            clauses.names.bindings[name] = StateName(name, channels, known.span)
            return
        if isinstance(part, ast.Binary):
            parts += [part.right, part.left]
