"""`let`, `def` and `order`: names for expressions, expanded where they are used."""

from __future__ import annotations

from collections.abc import Iterable

from attngen.ir.check.elaborate import Elaborator
from attngen.ir.check.report import Report
from attngen.ir.check.scope import Definition, Scope, Value, declare
from attngen.language import ast


def define(items: Iterable[ast.Item], names: Scope, report: Report) -> None:
    """Bind definitions to their names; they may use each other in any order."""
    for node in items:
        match node:
            case ast.Let():
                _bind(node, (), node.value, names, report)
            case ast.Def():
                _bind(node, node.parameters, node.body, names, report)
            case ast.Order():
                _bind(node, (node.parameter,), node.body, names, report)


def _bind(
    node: ast.Let | ast.Def | ast.Order, words: tuple[ast.Word, ...], body: ast.Expr, names: Scope, report: Report
) -> None:
    inner = Scope()
    for word in words:
        declare(inner, word, Value(None, word.span), report)
    parameters = tuple(word.text for word in words)
    declare(names, node.name, Definition(node.name.text, parameters, body, names, node.name.span), report)


def check_definitions(names: Scope, elaborator: Elaborator) -> None:
    """Report what is wrong with definitions whatever their arguments are, even if nothing uses them."""
    for definition in [binding for binding in names.bindings.values() if isinstance(binding, Definition)]:
        unknown = tuple(Value(None, definition.span) for _ in definition.parameters)
        elaborator.expand(definition, unknown, definition.span)
