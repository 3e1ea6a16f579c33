"""Trees that no spec could mean are refused, with the clause and the node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from marked import checked

from attngen.errors import Source
from attngen.ir import nodes
from attngen.ir.check import check
from attngen.ir.expr import TRUE, Apply, Constant, Expr, Kind, Parameter, Read, Row, integer, variable
from attngen.ir.verify import InvalidTree, verify

HALF, QUERY = Constant(Kind.FLOAT, value=0.5), variable("i")
SPEC = checked("attention a(x: float) { input slope[h]: float  score dot(q, k) * x + slope[h] }")


def with_score(score: Expr) -> nodes.Variant:
    return replace(SPEC, body=replace(SPEC.pairwise, score=score))


def applied(function: str, *arguments: Expr, kind: Kind = Kind.FLOAT) -> nodes.Variant:
    return with_score(Apply(kind, function=function, arguments=arguments))


BROKEN: dict[str, tuple[Callable[[], nodes.Variant], str]] = {
    "an int score": (lambda: with_score(QUERY), "`score` is a int, not a float"),
    "a float mask": (lambda: replace(SPEC, body=replace(SPEC.pairwise, mask=HALF)), "`mask` is a float, not a bool"),
    "an int sink": (lambda: normalized(nodes.Softmax(QUERY)), "`sink` is a int, not a float"),
    "a bool eps": (lambda: normalized(nodes.Sum(TRUE)), "`normalize` is a bool, not a float"),
    "no such function": (lambda: applied("cosh", HALF), "`cosh` with 1 arguments"),
    "arguments missing": (lambda: applied("+", HALF), "`+` with 1 arguments"),
    "mixed kinds": (lambda: applied("+", HALF, QUERY), "`+` of float, int"),
    "an int for a float": (lambda: applied("exp", QUERY), "`exp` of int"),
    "floats for ints": (lambda: applied("float", Apply(Kind.INT, function="div", arguments=(HALF, HALF))),
                        "`div` of float, float"),
    "a number for a bool": (lambda: applied("if", HALF, HALF, HALF), "`if` of float, float, float"),
    "branches of two kinds": (lambda: applied("if", TRUE, HALF, QUERY), "`if` of bool, float, int"),
    "a result of the wrong kind": (lambda: applied("float", Apply(Kind.INT, function="exp", arguments=(HALF,))),
                                   "`exp` of float gives int"),
    "a sum of the wrong kind": (lambda: applied("+", QUERY, QUERY), "`+` of int, int gives float"),
    "lost channels": (lambda: applied("*", Row(Kind.FLOAT, ("c",), name="q"), HALF),
                      "`*` has the channels [], not [c]"),
    "no such parameter": (lambda: with_score(Parameter(Kind.FLOAT, name="y")), "there is no parameter `y`"),
    "no such input": (lambda: with_score(Read(Kind.FLOAT, input="z")), "there is no input `z`"),
    "indices missing": (lambda: with_score(Read(Kind.FLOAT, input="slope")), "`slope` is read with 0 indices"),
    "deep inside": (lambda: applied("tanh", Apply(Kind.FLOAT, function="exp", arguments=(integer(1),))),
                    "`exp` of int"),
}  # fmt: skip


def normalized(normalization: nodes.Normalization) -> nodes.Variant:
    return replace(SPEC, body=replace(SPEC.pairwise, normalization=normalization))


@pytest.mark.parametrize("what", BROKEN)
def test_broken_trees_are_refused(what: str) -> None:
    broken, message = BROKEN[what]
    with pytest.raises(InvalidTree) as error:
        verify(broken())
    assert str(error.value).startswith("a: ") and str(error.value).endswith(message)


def test_orders_assertions_and_recurrences_are_looked_at() -> None:
    text = "attention a { order p(x) = x  state S = S + outer(k, v)  out dot(q, S)  assert M > 1 }"
    spec = checked(text)
    body = spec.body
    assert isinstance(body, nodes.Recurrent) and spec.order is not None
    row = Row(Kind.INT, ("c", "e"), name="S")
    for broken, message in (
        (replace(spec, order=replace(spec.order, step=HALF)), "`order` is a float"),
        (replace(spec, assertions=(replace(spec.assertions[0], condition=QUERY),)), "`assert` is a int"),
        (replace(spec, body=replace(body, states=(replace(body.states[0], update=row),))), "`state` is a int"),
        (replace(spec, body=replace(body, out=QUERY)), "`out` is a int"),
    ):
        with pytest.raises(InvalidTree, match=message):
            verify(broken)


def test_all_checked_trees_are_valid() -> None:
    path = Path(__file__).with_name("variants.attn")
    for spec in check(Source(str(path), path.read_text(encoding="utf-8"))):
        verify(spec)
