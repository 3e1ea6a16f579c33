"""One attention: its declarations, its definitions and its clauses, together making a variant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from attngen.ir import nodes
from attngen.ir.bodies import expressions
from attngen.ir.check import clauses as clauses_of
from attngen.ir.check import declarations, pairwise, recurrence
from attngen.ir.check.clauses import Clauses
from attngen.ir.check.definitions import check_definitions, define
from attngen.ir.check.elaborate import Elaborator
from attngen.ir.check.measure import Work
from attngen.ir.check.report import Report
from attngen.ir.check.scope import Definition, Scope, Value, no_keyword, no_module_name
from attngen.ir.expr import Expr, Kind, Parameter, Read, Variable, distinct
from attngen.language import ast
from attngen.language.format import format_clauses

PARTITIONS = {
    "ring": {
        "layout": ("contiguous", "zigzag", "striped"),
        "block": (),
        "send": ("keys", "queries"),
    }
}
"""What may be said of each way to partition: one of some words, or a number."""


def attention(node: ast.Attention, file_names: Scope, report: Report, work: Work) -> nodes.Variant | None:
    """The checked variant, or `None` where something is wrong (and reported)."""
    before = len(report.diagnostics)
    no_keyword(node.name, report)
    no_module_name(node.name, report)
    names = Scope(file_names)
    clauses = Clauses(node, names, report, Elaborator(report, work), clauses_of.once(node, report))
    ends = Elaborator(report, work, allow_inf=True)
    parameters = declarations.parameters(node.parameters, names, ends)
    inputs = declarations.inputs(clauses.all(ast.Input), names, ends)
    define(node.clauses, names, report)
    recurrence.declare_states(clauses)
    lets = _lets(clauses)
    order = _order(clauses)
    recurrent = bool(clauses.all(ast.State)) or "out" in clauses.single
    body = recurrence.body(clauses) if recurrent else pairwise.body(clauses)
    assertions = _assertions(clauses)
    partition = _partition(clauses)
    check_definitions(names, clauses.elaborator)
    if body is None or report.failed(since=before):
        return None
    doc = clauses.one(ast.Doc)
    variant = nodes.Variant(
        name=node.name.text,
        doc=" ".join(doc.text.split()) if doc else "",
        parameters=parameters,
        inputs=inputs,
        assertions=assertions,
        order=order,
        body=body,
        lets=lets,
        partition=partition,
        text=tuple(format_clauses(node)),
        span=node.name.span,
    )
    _warn_of_unused(variant, report)
    return replace(variant, warnings=tuple(report.diagnostics[before:]))


def _lets(clauses: Clauses) -> tuple[nodes.Let, ...]:
    """The named expressions, elaborated for their names' sake; a wrong one names nothing."""
    found = []
    for node in clauses.all(ast.Let):
        binding = clauses.names.bindings.get(node.name.text)
        if not isinstance(binding, Definition) or binding.body is not node.value:
            clauses.elaborator.expr(node.value, clauses.names)  # its name was refused; its mistakes count
            continue
        value = clauses.elaborator.expand(binding, (), node.value.span)
        if value is not None:
            found.append(nodes.Let(node.name.text, value))
    return tuple(found)


def _order(clauses: Clauses) -> nodes.Order | None:
    node = clauses.one(ast.Order)
    if node is None:
        return None
    name, span = node.parameter.text, node.parameter.span
    inner = Scope(clauses.names, {name: Value(Variable(Kind.INT, span=span, name=name), span)})
    step = clauses.scalar("order", node.body, Kind.INT, inner)
    return None if step is None else nodes.Order(node.name.text, name, step, node.span)


def _assertions(clauses: Clauses) -> tuple[nodes.Assertion, ...]:
    found = []
    for node in clauses.all(ast.Plain):
        condition = clauses.scalar("assert", node.value, Kind.BOOL) if node.word == "assert" else None
        if condition is not None:
            found.append(nodes.Assertion(condition, node.value.span.text, node.span))
    return tuple(found)


def _partition(clauses: Clauses) -> nodes.Partition | None:
    node = clauses.one(ast.Partition)
    if node is None or not clauses_of.known(node.method, tuple(PARTITIONS), "partition", clauses.report):
        return None
    found: dict[str, Any] = {}
    for hint in node.hints:
        ways = PARTITIONS[node.method.text]
        if not clauses_of.known(hint.name, tuple(ways), "say more of a partition", clauses.report):
            continue
        choices, value = ways[hint.name.text], hint.value
        if choices and isinstance(value, ast.Name):
            if clauses_of.known(
                ast.Word(value.text, span=value.span), choices, f"choose a {hint.name.text}", clauses.report
            ):
                found[hint.name.text] = value.text
        elif not choices and isinstance(value, ast.Number) and value.text.isdigit() and int(value.text) > 0:
            found[hint.name.text] = int(value.text)
        else:
            wanted = (
                f"one of {', '.join(f'`{name}`' for name in choices)}" if choices else "a number of tokens, at least 1"
            )
            span = hint.name.span if value is None else value.span
            clauses.report.error("E0306", f"`{hint.name.text}` must be {wanted}", span)
    return nodes.Partition(**found)


def _warn_of_unused(variant: nodes.Variant, report: Report) -> None:
    """A parameter or input on which nothing depends."""
    used = set()
    for part in distinct(*_expressions(variant)):
        if isinstance(part, Parameter):
            used.add(part.name)
        elif isinstance(part, Read):
            used.add(part.input)
    declared: Iterable[nodes.Parameter | nodes.Input] = (*variant.parameters, *variant.inputs)
    for one in declared:
        if one.name not in used:
            what = "input" if isinstance(one, nodes.Input) else "parameter"
            help = "the call would ask for it in vain"
            report.warning("W0201", f"the {what} `{one.name}` is never used", one.span, help=help)


def _expressions(variant: nodes.Variant) -> Iterator[Expr]:
    """Every expression of a variant that has an effect."""
    yield from expressions(variant.body)
    if variant.order is not None:
        yield variant.order.step
    yield from (assertion.condition for assertion in variant.assertions)
    ends = [end for given in variant.inputs for end in (given.range.low, given.range.high)]
    yield from (end for end in ends if end is not None)
