"""Small whole powers become products."""

from __future__ import annotations

import pytest
from marked import checked

from attngen.ir.show import show_expr
from attngen.passes.powers import powers

CASES = {
    "dot(q, k) ^ 1": "dot(q, k)",
    "dot(q, k) ^ 2": "dot(q, k) * dot(q, k)",
    "dot(q, k) ^ 4.0": "dot(q, k) * dot(q, k) * dot(q, k) * dot(q, k)",
    "dot(q, k) ^ 5": "dot(q, k) ^ 5",
    "dot(q, k) ^ 0": "dot(q, k) ^ 0",
    "dot(q, k) ^ 2.5": "dot(q, k) ^ 2.5",
    "dot(q, k) ^ (-1)": "dot(q, k) ^ -1",
    "dot(q, k) ^ scale": "dot(q, k) ^ scale",
    "2 ^ dot(q, k)": "2 ^ dot(q, k)",
    "dot(q ^ 2, k)": "dot(q * q, k)",
}


@pytest.mark.parametrize("score", CASES)
def test_powers(score: str) -> None:
    found = powers(checked(f"attention a {{ score {score} }}")).pairwise.score
    assert show_expr(found).replace("(-1)", "-1") == CASES[score]


def test_the_channels_of_rows_stay() -> None:
    found = powers(checked("attention a { score dot(q ^ 3, k) }")).pairwise.score
    assert found.channels == () and [part.channels for part in getattr(found, "arguments", ())] == [("c",), ("c",)]
