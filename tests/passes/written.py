"""Random pairwise specs as text, and what the interpreter makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from hypothesis import strategies as st
from predicates import HEADER, predicates
from torch import Tensor

from attngen.errors import Source
from attngen.ir import nodes
from attngen.ir.check import check
from attngen.reference import Result, attention

LEAVES = (
    *(
        "dot(q, k)",
        "dot(k, q)",
        "scale",
        "x",
        "slope[h]",
        "bias[i]",
        "i - j",
        "0.0",
        "1.0",
        "1",
        "2.0",
        "0.5",
        "i",
        "h",
    ),
    *("dot(2 * q, k * x)", "dot(l2norm(q), l2norm(k)) ", "dot(q[(c + 1) mod D] * slope[h] * 3, k)"),
)
PLAIN_LEAVES = LEAVES[:-3]
"""Those without operations on rows."""
MASKS = predicates(1).filter(lambda text: "table" not in text)


@st.composite
def floats(draw: st.DrawFn, depth: int = 3, leaves: Sequence[str] = LEAVES) -> str:
    """A score: products and quotients of what is fixed and what is not, constants and identities among them."""
    form = draw(st.integers(0, 12)) if depth else 0
    if form <= 1:
        return draw(st.sampled_from(leaves))
    left = draw(floats(depth - 1, leaves))
    if form <= 3:
        return f"({left}) * ({draw(floats(depth - 1, leaves))})"
    if form <= 5:
        return f"({left}) {draw(st.sampled_from('+-'))} ({draw(floats(depth - 1, leaves))})"
    match form:
        case 6:
            return f"({left}) / {draw(st.sampled_from(('x', '1.0', '4', '(1 + slope[h] * slope[h])', 'scale')))}"
        case 7:
            return f"({left}) ^ {draw(st.sampled_from(('1', '2', '3', '4', '2.0', '(1 + 1)')))}"
        case 8:
            return f"abs({left}) ^ {draw(st.sampled_from(('0.5', '0', '2.5', 'x')))}"
        case 9:
            return f"-({left})"
        case 10:
            return f"(if {draw(st.sampled_from(('i < w', 'h == 0', 'true', 'seen[j]')))} then {left} else 1.0)"
        case 11:
            return f"{draw(st.sampled_from(('min', 'max')))}({left}, {draw(floats(depth - 1, leaves))})"
    return f"{draw(st.sampled_from(('tanh', 'sigmoid', 'sin', 'relu')))}({left})"


CLAUSES = ("weight {} normalize none", "weight {} normalize sum(x * 2 - 0)", "score {} sink x * 1")


@st.composite
def specs(draw: st.DrawFn, clauses: Sequence[str] = CLAUSES, leaves: Sequence[str] = LEAVES) -> str:
    """A whole attention; its inputs and parameters are those of `meaning`."""
    header = HEADER.replace("s: int", "s: int, x: float").replace("mask", "input slope[h]: float input bias[i]: float")
    clause = draw(st.sampled_from(clauses)).format(draw(floats(leaves=leaves)))
    return f"{header} {clause} mask {draw(MASKS)} }}"


PARAMETERS = {"w": 2, "g": 2, "s": 1, "x": 1.75}


def checked_spec(text: str) -> nodes.Variant:
    return check(Source("random.attn", text))[0]


def tensors(n: int = 4, m: int = 5) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """q, k, v with one value channel per key, so that y is the matrix of weights; and the inputs."""
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 2, count, 4, generator=generator, dtype=torch.float64) for count in (n, m))
    inputs = {
        "seen": torch.tensor([True, False, True, True, False]),
        "chosen": torch.tensor([True, False]),
        "place": torch.tensor([3, -1, 2, 0, 1]),
        "table": torch.zeros(1),
        "near": torch.tensor([0, 3, 1, 2, 0]),
        "length": torch.tensor([3]),
        "slope": torch.tensor([0.5, -1.25]),
        "bias": torch.randn(n, generator=generator),
    }
    return q, k, torch.eye(m, dtype=torch.float64).expand(1, 2, m, m), inputs


def meaning(spec: nodes.Variant) -> Result:
    """What a spec means in one call."""
    q, k, v, inputs = tensors()
    return attention(spec, q, k, v, parameters=PARAMETERS, inputs=inputs)


def assert_same_meaning(before: nodes.Variant, after: nodes.Variant) -> None:
    """Masks are equal, and numbers up to the rounding of float64."""
    one, other = meaning(before), meaning(after)
    assert torch.equal(one.live, other.live)
    finite = one.y[one.y.isfinite()].abs()
    scale = 1 + (float(finite.max()) if finite.numel() else 0)
    torch.testing.assert_close(one.y, other.y, rtol=1e-7, atol=1e-9 * scale, equal_nan=True)
    if one.lse is not None and other.lse is not None:
        torch.testing.assert_close(one.lse, other.lse, rtol=1e-7, atol=1e-9, equal_nan=True)
