"""The clauses of one attention, each of them checked, together making a variant."""

from __future__ import annotations

from dataclasses import dataclass, field

from attngen.errors import Span, suggest
from attngen.ir import nodes
from attngen.ir.check import recurrence
from attngen.ir.check.declarations import input_, own_axes, parameter
from attngen.ir.check.elaborate import Elaborator
from attngen.ir.check.scope import Definition, Report, Scope, Value, declare
from attngen.ir.check.typing import an, apply, to_float
from attngen.ir.expr import TRUE, Apply, Expr, Kind, Row, Variable, walk
from attngen.ir.expr import Parameter as ParameterExpr
from attngen.language import ast

NORMALIZE = ("softmax", "sum", "count", "none")
PARTITIONS = ("ring",)
ALLOWED = {
    "score": frozenset("bhij"),
    "weight": frozenset("bhij"),
    "mask": frozenset("bhij"),
    "sink": frozenset("bh"),
    "assert": frozenset("h"),
    "order": frozenset("h"),
    "normalize": frozenset(),
    "state": frozenset("bht"),
    "out": frozenset("bht"),
}
"""The variables that an expression of a clause may depend on, beside channels."""
WITH_ROWS = frozenset(("score", "weight", "mask", "state", "out"))


def _stands(part: Expr, allowed: frozenset[str], rows: bool) -> bool:
    """Whether a variable or row has a value where `allowed` variables (and rows) have one."""
    if isinstance(part, Row):
        return rows
    return not isinstance(part, Variable) or part.name in allowed or bool(part.channels)


@dataclass(slots=True)
class Clauses:
    """The clauses of an attention by their word, and what they have in common."""

    node: ast.Attention
    names: Scope
    report: Report
    elaborator: Elaborator
    inputs: tuple[nodes.Input, ...] = ()
    single: dict[str, ast.Item] = field(default_factory=dict)

    def all(self, kind: type[ast.Item]) -> list[ast.Item]:
        return [clause for clause in self.node.clauses if isinstance(clause, kind)]

    def plain(self, word: str) -> ast.Plain | None:
        found = self.single.get(word)
        return found if isinstance(found, ast.Plain) else None

    def expr(self, word: str, value: ast.Expr, extra: frozenset[str] = frozenset()) -> Expr | None:
        """An expression of a clause, over the variables that the clause allows."""
        expr = self.elaborator.expr(value, self.names)
        if expr is None:
            return None
        allowed = ALLOWED[word] | extra
        wrong = [part for part in walk(expr) if not _stands(part, allowed, rows=word in WITH_ROWS)]
        for part in wrong:
            listed = ", ".join(f"`{name}`" for name in sorted(ALLOWED[word]))
            help = "it may depend on " + (f"{listed}, " if listed else "") + "parameters and sizes"
            self.report.error("E0212", f"`{part.span.text}` has no value in `{word}`", part.span, help=help)
        return None if wrong else expr

    def scalar(self, word: str, value: ast.Expr, kind: Kind, extra: frozenset[str] = frozenset()) -> Expr | None:
        """An expression without channels, of one kind (ints are promoted)."""
        expr = self.expr(word, value, extra)
        if expr is None:
            return None
        if expr.channels:
            axes = ", ".join(expr.channels)
            self.report.error(
                "E0209",
                f"`{word}` is one value per pair, not a row",
                value.span,
                label=f"this has the channels [{axes}]",
                help="`dot(x, y)` sums over channels",
            )
            return None
        if kind is Kind.FLOAT and expr.kind is Kind.INT:
            expr = to_float(expr)
        if expr.kind is not kind:
            self.report.error("E0204", f"`{word}` is {an(kind)}, not {an(expr.kind)}", value.span)
            return None
        return expr


def attention(node: ast.Attention, file_names: Scope, report: Report) -> nodes.Variant | None:
    """The checked variant, or `None` where something is wrong (and reported)."""
    before = len(report.diagnostics)
    names = Scope(file_names)
    elaborator = Elaborator(report)
    clauses = Clauses(node, names, report, elaborator)
    parameters = _parameters(clauses)
    clauses.inputs = _inputs(clauses)
    elaborator.own_axes |= own_axes(clauses.inputs)
    _define(clauses)
    _once(clauses)
    order = _order(clauses)
    recurrent = bool(clauses.all(ast.State)) or "out" in clauses.single
    body = recurrence.body(clauses) if recurrent else _pairwise(clauses)
    lets = _lets(clauses)
    assertions = _assertions(clauses)
    _unused(clauses)
    if body is None or any(d.severity == "error" for d in report.diagnostics[before:]):
        return None
    partition = clauses.single.get("partition")
    return nodes.Variant(
        name=node.name.text,
        doc=_doc(clauses),
        parameters=parameters,
        inputs=clauses.inputs,
        assertions=assertions,
        order=order,
        body=body,
        lets=lets,
        partition=partition.method.text if isinstance(partition, ast.Partition) else None,
        warnings=tuple(report.diagnostics[before:]),
        span=node.name.span,
    )


def _parameters(clauses: Clauses) -> tuple[nodes.Parameter, ...]:
    found = []
    for node in clauses.node.parameters:
        checked = parameter(node, clauses.names, clauses.report)
        declare(clauses.names, node.name, checked, clauses.report)
        found.append(checked)
    return tuple(found)


def _inputs(clauses: Clauses) -> tuple[nodes.Input, ...]:
    found = []
    for node in clauses.all(ast.Input):
        assert isinstance(node, ast.Input)
        checked = input_(node, clauses.names, clauses.report)
        declare(clauses.names, node.name, checked, clauses.report)
        found.append(checked)
    return tuple(found)


def define(node: ast.Let | ast.Def | ast.Order, names: Scope, report: Report) -> None:
    """Bind a definition to its name; it is elaborated where it is used."""
    if isinstance(node, ast.Let):
        definition = Definition(node.name.text, (), node.value, names, node.name.span)
    elif isinstance(node, ast.Def):
        parameters = tuple(word.text for word in node.parameters)
        inner = Scope()
        for word in node.parameters:
            declare(inner, word, Definition(word.text, (), node.body, names, word.span), report)
        definition = Definition(node.name.text, parameters, node.body, names, node.name.span)
    else:
        definition = Definition(node.name.text, (node.parameter.text,), node.body, names, node.name.span)
    declare(names, node.name, definition, report)


def _define(clauses: Clauses) -> None:
    for clause in clauses.node.clauses:
        if isinstance(clause, (ast.Let, ast.Def, ast.Order)):
            define(clause, clauses.names, clauses.report)


def _once(clauses: Clauses) -> None:
    """Clauses that may stand once, by their word."""
    for clause in clauses.node.clauses:
        word = clause.word if isinstance(clause, ast.Plain) else type(clause).__name__.lower()
        if word in ("let", "def", "input", "state", "assert"):
            continue
        if word in clauses.single:
            line = clauses.single[word].span.line
            help = "join them with `and`" if word == "mask" else "keep one"
            span = Span(clause.span.source, clause.span.start, clause.span.start + len(word))
            clauses.report.error("E0301", f"`{word}` is given twice", span, label=f"first on line {line}", help=help)
        else:
            clauses.single[word] = clause
    if (partition := clauses.single.get("partition")) and isinstance(partition, ast.Partition):
        _known(partition.method, PARTITIONS, "partition", clauses.report)


def _known(word: ast.Word, known: tuple[str, ...], what: str, report: Report) -> bool:
    if word.text in known:
        return True
    listed = ", ".join(f"`{name}`" for name in known)
    help = suggest(word.text, known) or f"there is {listed}"
    report.error("E0306", f"there is no way to {what} called `{word.text}`", word.span, help=help)
    return False


def _order(clauses: Clauses) -> nodes.Order | None:
    node = clauses.single.get("order")
    if not isinstance(node, ast.Order):
        return None
    inner = Scope(clauses.names)
    name = node.parameter.text
    inner.bindings[name] = Value(Variable(Kind.INT, span=node.parameter.span, name=name), node.parameter.span)
    outer, clauses.names = clauses.names, inner
    step = clauses.scalar("order", node.body, Kind.INT, extra=frozenset((name,)))
    clauses.names = outer
    clauses.elaborator.used.add(node.name.text)
    return None if step is None else nodes.Order(node.name.text, name, step, node.span)


def _pairwise(clauses: Clauses) -> nodes.Pairwise | None:
    score, weight, mask = (clauses.plain(word) for word in ("score", "weight", "mask"))
    if score is not None and weight is not None:
        clauses.report.error(
            "E0302",
            "an attention has a `score` or a `weight`, not both",
            weight.span,
            label=f"the score is on line {score.span.line}",
            help="a score is a logit, a weight is used as it is",
        )
        return None
    given = score or weight
    value = clauses.scalar(given.word, given.value, Kind.FLOAT) if given else default_score(clauses.report)
    pairs = clauses.scalar("mask", mask.value, Kind.BOOL) if mask else TRUE
    normalization = _normalization(clauses, logit=weight is None)
    if value is None or pairs is None or normalization is None:
        return None
    return nodes.Pairwise(value, weight is None, pairs, normalization)


def default_score(report: Report) -> Expr | None:
    """`scale * dot(q, k)`."""
    q, k = (Row(Kind.FLOAT, ("c",), name=name) for name in "qk")
    product = Apply(Kind.FLOAT, function="dot", arguments=(q, k))
    scale = ParameterExpr(Kind.FLOAT, name="scale")
    return apply("*", (scale, product), product.span, report)


def _normalization(clauses: Clauses, logit: bool) -> nodes.Normalization | None:
    node = clauses.single.get("normalize")
    sink = clauses.plain("sink")
    report = clauses.report
    if not isinstance(node, ast.Normalize):
        if not logit:
            weight = clauses.plain("weight")
            assert weight is not None
            report.error(
                "E0303",
                "a `weight` says nothing about its normalisation",
                weight.span,
                help="add `normalize sum(1e-6)`, `normalize count` or `normalize none`",
            )
            return None
        return _softmax(clauses, sink)
    if not _known(node.method, NORMALIZE, "normalize", report):
        return None
    method = node.method.text
    if (method == "sum") != (node.argument is not None):
        form = "normalize sum(1e-6)" if method == "sum" else f"normalize {method}"
        report.error(
            "E0306",
            f"`{method}` takes {'one argument' if method == 'sum' else 'no argument'}",
            node.span,
            help=f"write `{form}`",
        )
        return None
    if method == "softmax":
        if not logit:
            report.error("E0303", "softmax takes a score, not a weight", node.span, help="write `score log(...)`")
            return None
        return _softmax(clauses, sink)
    if sink is not None:
        report.error("E0304", "a `sink` is a logit beside the keys and needs softmax", sink.span)
        return None
    if method == "sum":
        assert node.argument is not None
        eps = clauses.scalar("normalize", node.argument, Kind.FLOAT)
        return None if eps is None else nodes.Sum(eps)
    return nodes.Count() if method == "count" else nodes.Unnormalized()


def _softmax(clauses: Clauses, sink: ast.Plain | None) -> nodes.Softmax | None:
    if sink is None:
        return nodes.Softmax()
    value = clauses.scalar("sink", sink.value, Kind.FLOAT)
    return None if value is None else nodes.Softmax(value)


def _lets(clauses: Clauses) -> tuple[nodes.Let, ...]:
    """The named expressions, elaborated for their names' sake; a row or a wrong one names nothing."""
    found = []
    for node in clauses.all(ast.Let):
        assert isinstance(node, ast.Let)
        value = clauses.elaborator.expr(node.value, clauses.names)
        if value is not None and not value.channels:
            found.append(nodes.Let(node.name.text, value))
    return tuple(found)


def _assertions(clauses: Clauses) -> tuple[nodes.Assertion, ...]:
    found = []
    for node in clauses.all(ast.Plain):
        assert isinstance(node, ast.Plain)
        if node.word == "assert":
            condition = clauses.scalar("assert", node.value, Kind.BOOL)
            if condition is not None:
                found.append(nodes.Assertion(condition, node.value.span.text, node.span))
    return tuple(found)


def _unused(clauses: Clauses) -> None:
    for name, binding in clauses.names.bindings.items():
        if name in clauses.elaborator.used:
            continue
        what = {nodes.Parameter: "parameter", nodes.Input: "input"}.get(type(binding))
        if what:
            clauses.report.warning(
                "W0201", f"the {what} `{name}` is never used", binding.span, help="the call would ask for it in vain"
            )


def _doc(clauses: Clauses) -> str:
    doc = clauses.single.get("doc")
    return " ".join(doc.text.split()) if isinstance(doc, ast.Doc) else ""
