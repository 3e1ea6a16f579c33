"""What is the same for all pairs is multiplied first."""

from __future__ import annotations

import pytest
from marked import checked

from attngen.ir.show import show_expr
from attngen.passes.factors import factors

CASES = {
    "dot(q, k) * scale": "scale * dot(q, k)",
    "dot(q, k) * scale * x": "x * scale * dot(q, k)",
    "x * (scale * dot(q, k))": "x * scale * dot(q, k)",
    "(x * dot(q, k)) * f[i]": "x * (dot(q, k) * f[i])",
    "scale * dot(q, k) / x": "scale / x * dot(q, k)",
    "dot(q, k) / x": "dot(q, k) / x",
    "x * scale": "x * scale",
    "dot(q, k) * f[j]": "dot(q, k) * f[j]",
    "g[h] * (dot(q, k) * 2)": "g[h] * 2 * dot(q, k)",
    "x * tanh(dot(q, k) * x)": "x * tanh(x * dot(q, k))",
    "dot(q * x, k)": "dot(x * q, k)",
    "dot(2.0 * (q * x), k)": "dot(2 * x * q, k)",
    "scale * dot(q, k) - g[h] * (i - j)": "scale * dot(q, k) - g[h] * (i - j)",
}


@pytest.mark.parametrize("score", CASES)
def test_factors(score: str) -> None:
    text = f"attention a(x: float) {{ input f[n]: float  input g[h]: float  score {score}  mask j * 2 <= i * 2 }}"
    found = factors(checked(text))
    assert show_expr(found.pairwise.score) == CASES[score]
    assert show_expr(found.pairwise.mask) == "j * 2 <= i * 2"
