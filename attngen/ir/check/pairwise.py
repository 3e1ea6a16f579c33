"""The pairwise body: score or weight, mask and normalisation."""

from __future__ import annotations

from attngen.ir import nodes
from attngen.ir.check.clauses import Clauses, known
from attngen.ir.check.report import Report
from attngen.ir.check.typing import apply
from attngen.ir.expr import TRUE, Apply, Expr, Kind, Row
from attngen.ir.expr import Parameter as ParameterExpr
from attngen.language import ast

NORMALIZE = ("softmax", "sum", "count", "none")


def body(clauses: Clauses) -> nodes.Pairwise | None:
    """A weight for each pair and what it is divided by, or `None` where something is wrong."""
    score, weight, mask = (clauses.plain(word) for word in ("score", "weight", "mask"))
    given = [clause for clause in (score, weight) if clause is not None]
    values = [clauses.scalar(clause.word, clause.value, Kind.FLOAT) for clause in given]
    pairs = clauses.scalar("mask", mask.value, Kind.BOOL) if mask else TRUE
    normalization = _normalization(clauses)
    if score is not None and weight is not None:
        label = f"the score is on line {score.span.line}"
        help = "a score is a logit, a weight is used as it is"
        message = "an attention has a `score` or a `weight`, not both"
        clauses.report.error("E0302", message, weight.span, label=label, help=help)
        return None
    value = values[0] if given else default_score(clauses.report)
    if value is None or pairs is None or normalization is None:
        return None
    return nodes.Pairwise(value, weight is None, pairs, normalization)


def default_score(report: Report) -> Expr | None:
    """`scale * dot(q, k)`."""
    q, k = (Row(Kind.FLOAT, ("c",), name=name) for name in "qk")
    product = Apply(Kind.FLOAT, function="dot", arguments=(q, k))
    scale = ParameterExpr(Kind.FLOAT, name="scale")
    return apply("*", (scale, product), product.span, report)


def _normalization(clauses: Clauses) -> nodes.Normalization | None:
    node, sink = clauses.one(ast.Normalize), clauses.plain("sink")
    logit = None if sink is None else clauses.scalar("sink", sink.value, Kind.FLOAT)
    argument = None if node is None else node.argument
    eps = None if argument is None else clauses.scalar("normalize", argument, Kind.FLOAT)
    method = _method(clauses, node)
    if method is None or (sink is not None and logit is None) or (argument is not None and eps is None):
        return None
    if sink is not None and method != "softmax":
        clauses.report.error("E0304", "a `sink` is a logit beside the keys and needs softmax", sink.span)
        return None
    if eps is not None:
        return nodes.Sum(eps)
    if method == "softmax":
        return nodes.Softmax(logit)
    return nodes.Count() if method == "count" else nodes.Unnormalized()


def _method(clauses: Clauses, node: ast.Normalize | None) -> str | None:
    """The way to normalise: the one that is given, or softmax for a score."""
    score, weight, report = clauses.plain("score"), clauses.plain("weight"), clauses.report
    if node is None:
        if weight is None or score is not None:
            return "softmax"
        help = "add `normalize sum(1e-6)`, `normalize count` or `normalize none`"
        report.error("E0303", "a `weight` says nothing about its normalisation", weight.span, help=help)
        return None
    if not known(node.method, NORMALIZE, "normalize", report):
        return None
    method = node.method.text
    if (method == "sum") != (node.argument is not None):
        form, number = ("sum(1e-6)", "one argument") if method == "sum" else (method, "no argument")
        report.error("E0306", f"`{method}` takes {number}", node.span, help=f"write `normalize {form}`")
        return None
    if method == "softmax" and weight is not None and score is None:
        report.error("E0303", "softmax takes a score, not a weight", node.span, help="write `score log(...)`")
        return None
    return method
