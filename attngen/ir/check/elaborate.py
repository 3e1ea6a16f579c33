"""Expressions: names are looked up, definitions expanded, kinds and channels found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from attngen.errors import Span
from attngen.ir import nodes
from attngen.ir.check import calls, reads, scope, typing
from attngen.ir.check.measure import DEEPEST, STEPS, Measure, Work
from attngen.ir.check.report import Report
from attngen.ir.check.scope import Definition, Scope, StateName, Value
from attngen.ir.expr import Constant, Expr, Kind, Parameter, Row, Size, Variable
from attngen.language import ast

INT_MAX = 2**63 - 1
FLOAT_MAX = sys.float_info.max


@dataclass(slots=True)
class Elaborator:
    """Turns written expressions into checked ones; what is wrong goes into the report and gives `None`."""

    report: Report
    work: Work = field(default_factory=Work)
    allow_inf: bool = False
    _lets: dict[Definition, Expr | None] = field(default_factory=dict)
    _expanding: list[Definition] = field(default_factory=list)
    _measure: Measure = field(default_factory=Measure)
    _steps: int = 0
    _level: int = 0
    _overflowed: bool = False

    def expr(self, node: ast.Expr, names: Scope) -> Expr | None:
        """The checked expression, or `None` where something is wrong (and reported)."""
        self._steps += 1
        self.work.steps += 1
        if self._steps > STEPS or self._level > DEEPEST or self.work.is_too_much:
            self._too_much(node.span)
            return None
        self._level += 1
        result = self._bounded(self._elaborate(node, names), node.span)
        self._level -= 1
        return result

    def exprs(self, written: Sequence[ast.Expr], names: Scope) -> list[Expr | None]:
        found = []
        for node in written:  # a loop, because a comprehension is one more call on the stack
            found.append(self.expr(node, names))  # noqa: PERF401
        return found

    def apply(self, function: str, arguments: Sequence[Expr | None], span: Span) -> Expr | None:
        return self._bounded(typing.apply(function, arguments, span, self.report), span)

    def _elaborate(self, node: ast.Expr, names: Scope) -> Expr | None:
        match node:
            case ast.Number():
                return self._number(node)
            case ast.Truth():
                return Constant(Kind.BOOL, span=node.span, value=node.value)
            case ast.Name():
                return self.name(node.text, node.span, names)
            case ast.Call():
                return calls.call(self, node, names)
            case ast.Index():
                return reads.index(self, node, names)
            case ast.Unary():
                function = "neg" if node.operator == "-" else "not"
                return self.apply(function, self.exprs((node.operand,), names), node.span)
            case ast.Binary():
                return self.apply(node.operator, self.exprs((node.left, node.right), names), node.span)
            case ast.Compare():
                return self._compare(node, names)
            case ast.Conditional():
                return self.apply("if", self.exprs((node.condition, node.then, node.otherwise), names), node.span)

    def _number(self, node: ast.Number) -> Expr | None:
        try:
            value = node.value
        except ValueError:  # Python refuses to read ints of thousands of digits
            value = INT_MAX + 1
        if value > (INT_MAX if isinstance(value, int) else FLOAT_MAX):
            self.report.error("E0216", "this number is too large", node.span, help="ints and floats have 64 bits")
            return None
        return Constant(Kind.INT if isinstance(value, int) else Kind.FLOAT, span=node.span, value=value)

    def _compare(self, node: ast.Compare, names: Scope) -> Expr | None:
        operands = self.exprs(node.operands, names)
        chain: Expr | None = None
        for k, operator in enumerate(node.operators):
            span = node.operands[k].span.to(node.operands[k + 1].span)
            link = self.apply(operator, operands[k : k + 2], span)
            chain = link if k == 0 else self.apply("and", (chain, link), node.span)
        return chain

    # names

    def name(self, name: str, span: Span, names: Scope) -> Expr | None:
        binding = names.find(name)
        if isinstance(binding, Definition) and binding.parameters:
            help = f"write `{binding.form}`"
            self.report.error("E0205", f"`{name}` is a definition with arguments", span, help=help)
            return None
        if binding is not None:
            return self._bound(name, binding, span)
        builtin = self._builtin(name, span)
        if builtin is None:
            self._unknown(name, span, names)
        return builtin

    def _bound(self, name: str, binding: scope.Binding, span: Span) -> Expr | None:
        match binding:
            case Value():
                return binding.expr
            case Definition():
                return self.expand(binding, (), span)
            case StateName():
                return Row(Kind.FLOAT, binding.channels, span=span, name=name)
            case nodes.Parameter():
                return Parameter(binding.kind, span=span, name=name)
            case nodes.Input():
                return reads.read(binding, (), span, self.report)

    def _builtin(self, name: str, span: Span) -> Expr | None:
        if name in scope.POSITIONS:
            return Variable(Kind.INT, span=span, name=name)
        if name in scope.CHANNELS:
            return Variable(Kind.INT, (name,), span=span, name=name)
        if name in scope.SIZES:
            return Size(Kind.INT, span=span, axis=name)
        if name in scope.ROWS:
            return Row(Kind.FLOAT, scope.ROWS[name], span=span, name=name)
        if name == "scale":
            return Parameter(Kind.FLOAT, span=span, name=name)
        if name == "inf" and self.allow_inf:
            return Constant(Kind.FLOAT, span=span, value=float("inf"))
        return None

    def _unknown(self, name: str, span: Span, names: Scope) -> None:
        message, help = f"nothing is called `{name}`", ""
        if name == "inf":
            message, help = "`inf` is only for ranges", "leave pairs out with `mask`"
        elif name == "n":
            message, help = "`n` is an axis, not a position", "use `i` or `j`, or the size `M`"
        elif name in scope.FUNCTION_NAMES:
            message, help = f"`{name}` is a function", f"write `{name}(...)`"
        elif names.has_axis(name):
            message, help = f"`{name}` is an axis, not a value", f"`size({name})` is its length"
        elif name in ("True", "False"):
            help = f"write `{name.lower()}`"
        else:
            help = self.report.suggestion(name, chain(scope.VALUES, names.names()))
        self.report.error("E0201", message, span, help=help)

    # definitions

    def expand(self, definition: Definition, arguments: tuple[Value, ...], span: Span) -> Expr | None:
        """The body of a definition with its arguments in place, standing at `span`."""
        if definition in self._expanding:
            self._circular(definition)
            return None
        if definition not in self._lets:
            value = self._body(definition, arguments, span)
            if definition.parameters:
                return None if value is None else replace(value, span=span)
            self._lets[definition] = value
        known = self._lets[definition]
        return None if known is None else replace(known, span=span)

    def _body(self, definition: Definition, arguments: tuple[Value, ...], span: Span) -> Expr | None:
        inner = Scope(definition.scope, dict(zip(definition.parameters, arguments, strict=True)))
        noted = bool(definition.parameters) and span != definition.span
        if noted:
            self.report.notes.append((f"in `{definition.name}`, used", span))
        self._expanding.append(definition)
        value = self.expr(definition.body, inner)
        self._expanding.pop()
        if noted:
            self.report.notes.pop()
        return value

    def _circular(self, definition: Definition) -> None:
        """Reported at the definition of the circle that is written first, wherever it was entered."""
        circle = self._expanding[self._expanding.index(definition) :]
        first = min(circle, key=lambda one: (one.span.source.name, one.span.start))
        self.report.error("E0207", f"`{first.name}` is defined in terms of itself", first.span)

    # limits

    def weigh(self, expr: Expr) -> None:
        """Count the nodes of an expression that is looked at as a whole."""
        self.work.steps += self._measure.size(expr)

    def _bounded(self, expr: Expr | None, span: Span) -> Expr | None:
        excess = "" if expr is None else self._measure.excess(expr)
        if excess:
            help = "definitions multiply what they are given"
            self.report.error("E0208", f"this expands to {excess}", span, help=help)
        return None if excess else expr

    def _too_much(self, span: Span) -> None:
        """Said once, because everything that is left would say it again."""
        if not self._overflowed and not self.work.is_said:
            self._overflowed, self.work.is_said = True, self.work.is_too_much
            excess = f"more than {DEEPEST} levels"
            if self._steps > STEPS or self.work.is_too_much:
                excess = f"more than {STEPS if self._steps > STEPS else self.work.most} operations"
            help = "definitions multiply what they are given"
            self.report.error("E0208", f"the definitions used here expand to {excess}", span, help=help)
