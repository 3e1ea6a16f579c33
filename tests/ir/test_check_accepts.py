"""What the checker accepts, and what it makes of it: channels, promotions, normalisation, defaults."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from marked import checked

from attngen.errors import Source
from attngen.ir import nodes
from attngen.ir.check import check, prelude
from attngen.ir.check.scope import Definition
from attngen.ir.expr import (
    EARLIER,
    TRUE,
    Apply,
    Constant,
    Kind,
    Parameter,
    Read,
    Row,
    Variable,
    integer,
    variable,
    walk,
)
from attngen.ir.functions import FUNCTIONS
from attngen.ir.show import show_expr

VARIANTS = Path(__file__).with_name("variants.attn")
STATES = {
    "linear_transformer_r": [("S", ("c", "e")), ("z", ("c",))],
    "performer_r": [("S", ("e", "m")), ("z", ("m",))],
    "lightning_r": [("S", ("c", "e"))],
    "retention_r": [("S", ("c", "e"))],
    "gla": [("S", ("c", "e"))],
    "mamba1": [("S", ("c", "e"))],
    "mamba2": [("S", ("c", "e"))],
    "mamba_backward": [("S", ("c", "e"))],
    "rwkv5": [("S", ("c", "e"))],
    "rwkv6": [("S", ("c", "e"))],
    "rwkv7": [("S", ("c", "e"))],
    "deltanet": [("S", ("c", "e"))],
    "gated_deltanet": [("S", ("c", "e"))],
    "kda": [("S", ("c", "e"))],
}


@cache
def variants() -> dict[str, nodes.Variant]:
    return {variant.name: variant for variant in check(Source(str(VARIANTS), VARIANTS.read_text(encoding="utf-8")))}


def body(name: str) -> nodes.Recurrent:
    found = variants()[name].body
    assert isinstance(found, nodes.Recurrent)
    return found


def test_all_are_accepted_without_a_warning() -> None:
    assert len(variants()) == VARIANTS.read_text(encoding="utf-8").count("\nattention ")
    assert [variant.name for variant in variants().values() if variant.warnings] == []


def test_the_recurrent_ones_and_the_channels_of_their_states() -> None:
    recurrent = [name for name, variant in variants().items() if isinstance(variant.body, nodes.Recurrent)]
    assert {name: [(state.name, state.channels) for state in body(name).states] for name in recurrent} == STATES
    assert all(body(name).out.channels == ("e",) for name in recurrent)


def test_every_function_gets_what_it_takes() -> None:
    """The arithmetic of the checked trees never mixes kinds, and every kind is the one of the table."""
    for variant in variants().values():
        parts = (
            [variant.body.score, variant.body.mask]
            if isinstance(variant.body, nodes.Pairwise)
            else [variant.body.out, *(state.update for state in variant.body.states)]
        )
        for part in (node for expr in parts for node in walk(expr)):
            if isinstance(part, Apply):
                function = FUNCTIONS[part.function]
                values = part.arguments[1:] if part.function == "if" else part.arguments
                assert len(part.arguments) == function.arity
                assert len({value.kind for value in values}) == 1, part
                assert part.kind is (function.gives or values[0].kind)


@pytest.mark.parametrize(
    ("name", "normalization"),
    [
        ("full", nodes.Softmax()),
        ("retention", nodes.Unnormalized()),
        ("linear_transformer", nodes.Sum(Constant(Kind.FLOAT, value=1e-6))),
    ],
)
def test_normalization(name: str, normalization: nodes.Normalization) -> None:
    assert variants()[name].pairwise.normalization == normalization


def test_a_sink_belongs_to_softmax() -> None:
    found = variants()["attention_sink"].pairwise.normalization
    assert isinstance(found, nodes.Softmax) and found.sink is not None
    counted = checked("attention a { score 1 normalize count }").pairwise
    assert (counted.normalization, counted.logit) == (nodes.Count(), True)


def test_the_default_score_is_the_written_one() -> None:
    full, written = variants()["full"].pairwise, checked("attention a { score scale * dot(q, k) }").pairwise
    assert full == written and full.logit and full.mask == TRUE
    scale, dot = Parameter(Kind.FLOAT, name="scale"), full.score.arguments[1]  # type: ignore[union-attr]
    assert full.score == Apply(Kind.FLOAT, function="*", arguments=(scale, dot))


def test_a_weight_is_no_logit() -> None:
    assert not variants()["retention"].pairwise.logit


def test_ints_are_promoted_where_they_meet_floats() -> None:
    score = checked("attention a(cap: float) { score cap * (i - j) + 1 }").pairwise.score
    distance = Apply(Kind.INT, function="-", arguments=(variable("i"), variable("j")))
    product = Apply(
        Kind.FLOAT,
        function="*",
        arguments=(Parameter(Kind.FLOAT, name="cap"), Apply(Kind.FLOAT, function="float", arguments=(distance,))),
    )
    assert score == Apply(Kind.FLOAT, function="+", arguments=(product, Constant(Kind.FLOAT, value=1.0)))


def test_a_clause_of_floats_promotes_an_int() -> None:
    assert checked("attention a { score 2 sink 3 }").pairwise == nodes.Pairwise(
        Constant(Kind.FLOAT, value=2.0), True, TRUE, nodes.Softmax(Constant(Kind.FLOAT, value=3.0))
    )
    update = body_of("state n0 = t out v * n0").states[0].update
    assert update == Apply(Kind.FLOAT, function="float", arguments=(variable("t"),))


def body_of(clauses: str) -> nodes.Recurrent:
    found = checked(f"attention a {{ {clauses} }}").body
    assert isinstance(found, nodes.Recurrent)
    return found


@pytest.mark.parametrize(
    ("clauses", "channels"),
    [
        ("state S = S + new  let new = outer(k, v) - outer(k, dot(k, S))  out dot(q, S)", [("c", "e")]),
        ("state S = if t == 0 then outer(k, v) else S - outer(k, dot(k, S))  out dot(q, S)", [("c", "e")]),
        ("def kept(X) = X - outer(k, dot(k, X))  state S = kept(S + outer(k, v))  out dot(q, S)", [("c", "e")]),
        ("state m = m + 1  state z = z * m + k  out v * dot(q, z) * prev(m)", [(), ("c",)]),
        ("state A = dot(q, C) + v  state C = outer(k, A)  out A", [("e",), ("c", "e")]),
        ("state A = C  state C = A + v  out A", [("e",), ("e",)]),
        ("state A = A  out v + A", [()]),
    ],
)
def test_the_channels_of_states_are_inferred(clauses: str, channels: list[tuple[str, ...]]) -> None:
    assert [state.channels for state in body_of(clauses).states] == channels


def test_prev_of_an_input_reads_it_at_the_token_before() -> None:
    update = (
        body_of("input g[b, t, c]: float  state S = prev(g[b, t]) * S + outer(k, v)  out dot(q, S)").states[0].update
    )
    read = next(part for part in walk(update) if isinstance(part, Read))
    assert read.indices == (variable("b"), EARLIER, Variable(Kind.INT, ("c",), name="c"))
    assert read.channels == ("c",)
    assert show_expr(read) == "prev(g[b, t, c])"


def test_prev_keeps_the_channels() -> None:
    out = body_of("state S = S + outer(k, v)  out dot(q, prev(S))").out
    state = Row(Kind.FLOAT, ("c", "e"), name="S")
    previous = Apply(Kind.FLOAT, ("c", "e"), function="prev", arguments=(state,))
    assert out == Apply(Kind.FLOAT, ("e",), function="dot", arguments=(Row(Kind.FLOAT, ("c",), name="q"), previous))


def test_comparisons_chain() -> None:
    mask = checked("attention a { mask 0 <= i - j < 4 }").pairwise.mask
    assert mask == checked("attention a { mask 0 <= i - j and i - j < 4 }").pairwise.mask


def test_min_of_three() -> None:
    three, nested = (checked(f"attention a {{ score {text} }}") for text in ("max(i, j, 1)", "max(max(i, j), 1)"))
    assert three.pairwise == nested.pairwise


def test_parameters_and_inputs() -> None:
    variant = checked(
        "attention a(w: int = 2 * 3 in [1, 9), cap: float = 1) { input doc[b, n]: int in [0, w) sorted "
        "mask doc[b, i] < w  score cap }"
    )
    window, cap = variant.parameters
    assert (window.default, window.kind, cap.default, type(cap.default)) == (6, Kind.INT, 1.0, float)
    assert window.range == nodes.Range(integer(1), integer(9), True, False)
    assert variant.input("doc") == nodes.Input(
        "doc", ("b", "n"), Kind.INT, nodes.Range(integer(0), Parameter(Kind.INT, name="w"), True, False), True
    )
    assert variant.parameter("cap") is cap


def test_lets_assertions_order_and_doc_are_kept() -> None:
    variant = checked(
        'attention a(g: int) { doc "two\n   lines" let block = i div g let row = q * 2 assert M mod g == 0 '
        "order p(x) = M - 1 - x mask p(j) <= p(i) and block == j div g "
        "partition ring(layout = striped, block = 64, send = queries) }"
    )
    assert (variant.name, variant.doc) == ("a", "two lines")
    assert variant.partition == nodes.Partition("striped", 64, "queries")
    assert checked("attention a { partition ring }").partition == nodes.Partition()
    assert [let.name for let in variant.lets] == ["block", "row"]
    assert [(one.text, one.condition.kind) for one in variant.assertions] == [("M mod g == 0", Kind.BOOL)]
    assert variant.order is not None and variant.order.variable == "x"
    assert Variable(Kind.INT, name="x") in set(walk(variant.order.step))


def test_an_order_is_a_function() -> None:
    ordered = checked("attention a { order p(x) = M - x mask p(j) < p(i) }")
    assert ordered.pairwise.mask == checked("attention a { mask M - j < M - i }").pairwise.mask


def test_definitions_may_stand_behind_their_uses() -> None:
    assert checked("attention a { mask f(i) < j def f(x) = x + one let one = 1 }").pairwise.mask.kind is Kind.BOOL


@pytest.mark.parametrize(
    "definition",
    [definition for definition in prelude().bindings.values() if isinstance(definition, Definition)],
    ids=lambda definition: definition.form,
)
def test_the_prelude_is_usable(definition: Definition) -> None:
    """Every definition of the prelude gives a value for rows, or else for ints."""
    results = []
    for argument in ("q", "i"):
        arguments = ", ".join([argument] + ["3"] * (len(definition.parameters) - 1))
        call = f"{definition.name}({arguments})" if definition.parameters else definition.name
        for text in (f"mask {call}", f"score {call}", f"score dot({call}, k)"):
            try:
                results.append(checked(f"attention a {{ {text} }}"))
            except ValueError:
                continue
    assert results
