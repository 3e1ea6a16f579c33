"""Expressions: names are looked up, definitions expanded, kinds and channels found."""

from __future__ import annotations

from dataclasses import dataclass, field

from attngen.errors import Span, suggest
from attngen.ir import nodes
from attngen.ir.check import reads, scope, typing
from attngen.ir.check.scope import Definition, Report, Scope, StateName, Value
from attngen.ir.expr import Apply, Constant, Expr, Kind, Parameter, Rechannel, Row, Size, Variable, walk
from attngen.ir.functions import CALLABLE, FUNCTIONS
from attngen.language import ast

LARGEST = 20_000
"""Nodes that one expression may expand to."""


@dataclass(slots=True)
class Elaborator:
    """Turns written expressions into checked ones; what is wrong goes into the report and gives `None`."""

    report: Report
    allow_inf: bool = False
    used: set[str] = field(default_factory=set)
    own_axes: set[str] = field(default_factory=set)
    _expanding: list[Definition] = field(default_factory=list)

    def expr(self, node: ast.Expr, names: Scope) -> Expr | None:
        match node:
            case ast.Number():
                kind = Kind.INT if isinstance(node.value, int) else Kind.FLOAT
                return Constant(kind, span=node.span, value=node.value)
            case ast.Truth():
                return Constant(Kind.BOOL, span=node.span, value=node.value)
            case ast.Name():
                return self._name(node, names)
            case ast.Call():
                return self._call(node, names)
            case ast.Index():
                return self._index(node, names)
            case ast.Unary():
                function = "neg" if node.operator == "-" else "not"
                return self._apply(function, (node.operand,), node.span, names)
            case ast.Binary():
                return self._apply(node.operator, (node.left, node.right), node.span, names)
            case ast.Compare():
                return self._compare(node, names)
            case ast.Conditional():
                return self._apply("if", (node.condition, node.then, node.otherwise), node.span, names)

    def _apply(self, function: str, operands: tuple[ast.Expr, ...], span: Span, names: Scope) -> Expr | None:
        arguments = [self.expr(operand, names) for operand in operands]
        found = tuple(argument for argument in arguments if argument is not None)
        if len(found) < len(arguments):
            return None
        return self._bounded(typing.apply(function, found, span, self.report), span)

    def _compare(self, node: ast.Compare, names: Scope) -> Expr | None:
        operands = [self.expr(operand, names) for operand in node.operands]
        chain: Expr | None = None
        for k, operator in enumerate(node.operators):
            left, right = operands[k], operands[k + 1]
            if left is None or right is None:
                return None
            span = node.operands[k].span.to(node.operands[k + 1].span)
            link = typing.apply(operator, (left, right), span, self.report)
            if link is None:
                return None
            chain = link if chain is None else typing.apply("and", (chain, link), node.span, self.report)
        return chain

    # names

    def _name(self, node: ast.Name, names: Scope) -> Expr | None:
        name = node.text
        binding = names.find(name)
        if isinstance(binding, Definition) and binding.parameters:
            form = f"{name}({', '.join(binding.parameters)})"
            self.report.error("E0205", f"`{name}` is a definition with arguments", node.span, help=f"write `{form}`")
            return None
        if binding is not None:
            return self._bound(name, binding, node.span)
        builtin = self._builtin(name, node.span)
        if builtin is None:
            self._unknown(name, node.span, names)
        return builtin

    def _bound(self, name: str, binding: scope.Binding, span: Span) -> Expr | None:
        self.used.add(name)
        match binding:
            case Value():
                return binding.expr
            case Definition():
                return self._expand(binding, (), span)
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
        if name == "inf":
            self.report.error("E0201", "`inf` is only for ranges", span, help="leave pairs out with `mask`")
            return
        if name == "n":
            self.report.error("E0201", "`n` is an axis, not a position", span, help="use `i` or `j`, or the size `M`")
            return
        if name in CALLABLE:
            self.report.error("E0201", f"`{name}` is a function", span, help=f"write `{name}(...)`")
            return
        known = [*names.names(), *scope.RESERVED]
        self.report.error("E0201", f"nothing is called `{name}`", span, help=suggest(name, known))

    # calls

    def _call(self, node: ast.Call, names: Scope) -> Expr | None:
        name = node.function.text
        binding = names.find(name)
        if isinstance(binding, Definition) and binding.parameters:
            self.used.add(name)
            arguments = tuple(Value(self.expr(argument, names), argument.span) for argument in node.arguments)
            if len(arguments) != len(binding.parameters):
                self._wrong_number(name, len(binding.parameters), len(arguments), node.span)
                return None
            return self._expand(binding, arguments, node.span)
        if name == "size":
            return self._size(node)
        if name not in CALLABLE:
            known = [k for k in names.names() if isinstance(names.find(k), Definition)]
            help = suggest(name, [*CALLABLE, *known]) or "functions of your own are `def name(x) = ...`"
            self.report.error("E0206", f"there is no function `{name}`", node.function.span, help=help)
            return None
        return self._function(name, node, names)

    def _function(self, name: str, node: ast.Call, names: Scope) -> Expr | None:
        arity = FUNCTIONS[name].arity
        if name in ("min", "max") and len(node.arguments) > 2:
            first, *rest = [self.expr(argument, names) for argument in node.arguments]
            for argument in rest:
                if first is None or argument is None:
                    return None
                first = typing.apply(name, (first, argument), node.span, self.report)
            return first
        if len(node.arguments) != arity:
            self._wrong_number(name, arity, len(node.arguments), node.span)
            return None
        result = self._apply(name, node.arguments, node.span, names)
        if name == "prev" and isinstance(result, Apply):
            (state,) = result.arguments
            if not isinstance(state, Row) or state.name in scope.ROWS:
                self.report.error("E0213", "`prev` takes the name of a state", node.span)
                return None
        return result

    def _wrong_number(self, name: str, wanted: int, given: int, span: Span) -> None:
        plural = "" if wanted == 1 else "s"
        self.report.error("E0205", f"`{name}` takes {wanted} argument{plural}, not {given}", span)

    def _size(self, node: ast.Call) -> Expr | None:
        argument = node.arguments[0]
        if len(node.arguments) == 1 and isinstance(argument, ast.Name):
            if argument.text in self.own_axes:
                return Size(Kind.INT, span=node.span, axis=argument.text)
            help = suggest(argument.text, self.own_axes) or "the lengths of `i`, `j`, `n` are N, M, M"
            self.report.error(
                "E0215", f"no input has an axis of its own called `{argument.text}`", argument.span, help=help
            )
            return None
        self.report.error("E0205", "`size` takes the name of an axis", node.span)
        return None

    def _expand(self, definition: Definition, arguments: tuple[Value, ...], span: Span) -> Expr | None:
        """The body of a definition with its arguments in place."""
        if definition in self._expanding:
            self.report.error("E0207", f"`{definition.name}` is defined in terms of itself", definition.span)
            return None
        inner = Scope(definition.scope)
        inner.bindings.update(zip(definition.parameters, arguments, strict=True))
        self._expanding.append(definition)
        if definition.parameters:
            self.report.notes.append((f"in `{definition.name}`, used", span))
        try:
            return self._bounded(self.expr(definition.body, inner), span)
        finally:
            self._expanding.pop()
            if definition.parameters:
                self.report.notes.pop()

    def _bounded(self, expr: Expr | None, span: Span) -> Expr | None:
        if expr is None or sum(1 for _, _ in zip(walk(expr), range(LARGEST + 1), strict=False)) <= LARGEST:
            return expr
        self.report.error(
            "E0208",
            f"this expands to more than {LARGEST} operations",
            span,
            help="definitions multiply what they are given",
        )
        return None

    # indices

    def _index(self, node: ast.Index, names: Scope) -> Expr | None:
        name = node.name.text
        binding = names.find(name)
        if isinstance(binding, nodes.Input):
            self.used.add(name)
            axes = reads.index_axes(binding, len(node.indices))
            indices = tuple(
                self._axis_index(index, axis, names) for index, axis in zip(node.indices, axes, strict=False)
            )
            if len(axes) != len(node.indices):
                reads.wrong_count(binding, len(node.indices), node.span, self.report)
                return None
            found = tuple(index for index in indices if index is not None)
            return reads.read(binding, found, node.span, self.report) if len(found) == len(indices) else None
        row = self._name(ast.Name(name, span=node.name.span), names)
        if row is None:
            return None
        return self._rechannel(node, row, names)

    def _axis_index(self, index: ast.Expr, axis: str, names: Scope) -> Expr | None:
        """An index of an input; an own axis under its own name, unless that is defined, is a channel."""
        if isinstance(index, ast.Name) and index.text == axis and axis in self.own_axes and names.find(axis) is None:
            return Variable(Kind.INT, (axis,), span=index.span, name=axis)
        return self.expr(index, names)

    def _rechannel(self, node: ast.Index, row: Expr, names: Scope) -> Expr | None:
        """`x[index]`: a row at another channel."""
        index = self.expr(node.indices[0], names)
        if index is None:
            return None
        if len(row.channels) != 1 or len(node.indices) != 1:
            axes = ", ".join(row.channels) or "none"
            self.report.error(
                "E0211",
                f"`{node.name.text}` is no input, and no row with one channel axis",
                node.span,
                label=f"its channel axes: {axes}",
                help="inputs are declared with `input name[axes]: type`",
            )
            return None
        if index.kind is not Kind.INT:
            self.report.error("E0204", "an index is an int", index.span, help="round it with `floor`")
            return None
        return Rechannel(row.kind, index.channels, span=node.span, row=row, axis=row.channels[0], index=index)
