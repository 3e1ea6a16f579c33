"""Constants are computed and identities removed, in every clause."""

from __future__ import annotations

import pytest
from marked import checked

from attngen.ir import nodes
from attngen.ir.expr import TRUE
from attngen.ir.show import equation, show_expr
from attngen.passes.fold import fold

SCORES = {
    "1 * dot(q, k)": "dot(q, k)",
    "dot(q, k) * 1.0 / 1": "dot(q, k)",
    "dot(q, k) + 0 - 0.0": "dot(q, k)",
    "0 + dot(q, k)": "dot(q, k)",
    "0 - dot(q, k)": "0 - dot(q, k)",
    "1 / dot(q, k)": "1 / dot(q, k)",
    "0 * dot(q, k)": "0 * dot(q, k)",
    "dot(q, k) * (2 * 3 + 1)": "dot(q, k) * 7",
    "dot(q, k) + (if 3 < 2 then 1.0 else 0.5)": "dot(q, k) + 0.5",
    "dot(q, k) * sqrt(4.0)": "dot(q, k) * 2",
    "dot(q, k) + log(0.0)": "dot(q, k) + log(0)",
    "dot(1 * q, k + 0)": "dot(q, k)",
    "(i + 2 - i) * dot(q, k)": "2 * dot(q, k)",
    "dot(q, k) + (7 div 2) - (-7) div 2 - (-7) mod 4": "dot(q, k) + 3 - -4 - 1",
}
MASKS = {
    "true and j <= i": "j <= i",
    "j <= i or 1 < 2": "true",
    "not not (j <= i)": "j <= i",
    "i + 1 > i and j < i": "j < i",
    "j <= i and j <= i": "j <= i",
    "if 1 == 1 then j < i else j > i": "j < i",
    "(j + 0) div 1 <= 2 * i - i": "j <= i",
}


@pytest.mark.parametrize("score", SCORES)
def test_scores(score: str) -> None:
    assert show_expr(fold(checked(f"attention a {{ score {score} }}")).pairwise.score) == SCORES[score]


@pytest.mark.parametrize("mask", MASKS)
def test_masks(mask: str) -> None:
    assert show_expr(fold(checked(f"attention a {{ mask {mask} }}")).pairwise.mask) == MASKS[mask]


def test_every_clause_is_folded() -> None:
    text = """attention a {{ order p(x) = x + 0  let half = 1.0 / 2  score dot(q, k) * half  mask true or j < i {} }}"""
    sunk = fold(checked(text.format("sink 1 * scale")))
    assert equation(sunk) == ["order p(x) = x", "score dot(q, k) * 0.5", "sink scale"]
    assert [show_expr(let.value) for let in sunk.lets] == ["0.5"]
    assert equation(fold(checked(text.format("normalize sum(2 * 3.0)"))))[-1] == "normalize sum(6)"
    assert sunk.pairwise.mask == TRUE


def test_recurrences_are_folded() -> None:
    text = "attention a { state S = 1 * S + outer(k, v)  out dot(q, S) + 0 }"
    body = fold(checked(text)).body
    assert isinstance(body, nodes.Recurrent)
    assert [show_expr(body.states[0].update), show_expr(body.out)] == ["S + outer(k, v)", "dot(q, S)"]
