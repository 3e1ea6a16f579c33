"""What depends on i - j alone is computed for diagonals of C++ tiles, and is the same as for pairs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import attngen
from attngen.emit.cpp.diagonals import diagonals
from attngen.fuzz.call import Call
from attngen.fuzz.oracle import assert_close, expected
from attngen.schedule.plan import Plan, plan

MASKS = {
    "wave": "sin((i - j) / 5) > 0.1",
    "power": "exp((j - i) / 40.0) > 0.2 and 0.9 ^ (j - i) < 40.0",
    "table": "j <= i and keep[min(abs(i - j), 8)]",
    "both": "i - j < 90 and (0.97 ^ abs(i - j) > 0.4 or i + j > 150)",
}
"""Masks that no order of tokens makes denser: in an order there are no diagonals."""
SCORES = {
    "plain": "scale * dot(q, k)",
    "log": "scale * dot(q, k) - log(abs(i - j) + 1.0)",
    "own": "scale * dot(q, k) * (2.0 + tanh((i - j) / 50)) + bias[h, min(abs(j - i) div 3, 20)]",
}


CALLS = {
    "N": st.sampled_from([1, 7, 64, 65, 150]),
    "M": st.sampled_from([1, 100, 128, 129, 300]),
    "offset": st.sampled_from([None, 0, 37, 2**31 + 11]),
}


def agrees(name: str, score: str, mask: str, N: int, M: int, offset: int | None, dtype: torch.dtype) -> Plan:
    """The kernel computes what the interpreter does."""
    inputs = {"keep": torch.arange(9) % 4 != 1, "bias": torch.randn(2, 21, generator=torch.Generator().manual_seed(N))}
    declared = {"keep": "input keep[r]: bool ", "bias": "input bias[h, m]: float "}
    used = {name: given for name, given in inputs.items() if f"{name}[" in mask + score}
    text = f"{''.join(declared[name] for name in used)} score {score} mask {mask}"
    kernel = attngen.build(f"attention {name} {{ {text} }}", backend="cpp")
    generator = torch.Generator().manual_seed(M)
    q, k, v = (torch.randn(1, 2, rows, 16, generator=generator).to(dtype) for rows in (N, M, M))
    y, lse = kernel(q, k, v, offset=offset, return_lse=True, **used)
    wanted = expected(kernel.variant, Call(q, k, v, inputs=used, offset=offset))
    assert_close(replace(wanted, lse=None), y, None)
    assert torch.allclose(lse.double(), wanted.lse, atol=1e-5)
    return kernel.plan


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("score", SCORES)
@given(**CALLS, data=st.data())
def test_diagonals_are_the_pairs(
    mask: str, score: str, N: int, M: int, offset: int | None, data: st.DataObject
) -> None:
    # Diagonals are float32 whatever the tokens are: one score in both types saves the compilation of the others.
    dtype = data.draw(st.sampled_from([torch.float32, torch.bfloat16])) if score == "own" else torch.float32
    made = agrees(f"by_{mask}_{score}", SCORES[score], MASKS[mask], N, M, offset, dtype)
    assert diagonals(made).kept


@pytest.mark.parametrize("mask", ["(i - j) mod 5 != 2", "keep[(i - j) mod 9]"])
@given(**CALLS)
def test_moved_tokens_have_none(mask: str, N: int, M: int, offset: int | None) -> None:
    made = agrees("moved", SCORES["log"], f"j <= i and {mask}", N, M, offset, torch.float32)
    assert made.ordered and not diagonals(made).kept


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("score dot(q, k) + (if (i - j) mod 4 == 0 then 1.0 else 0.0)", 1),
        ("mask (i - j) mod 9 == 0", 0),  # tokens may be walked in another order
        ("score dot(q, k) - log(i - j + 1.0) mask j <= i", 1),
        ("input far[d]: float score dot(q, k) + far[M - 1 - i + j] mask j <= i", 1),
        ("input far[d]: float score dot(q, k) + far[M - 1 - 2 * i + j] mask j <= i", 0),
        ("mask 0 <= i - j < 9", 0),  # as cheap as looking it up
        ("mask (i + j) mod 4 == 0", 0),
        ("input x[j]: float score dot(q, k) + x[j]", 0),
        ("input x[n]: float score dot(q, k) + x[i] - x[j]", 0),
        ("mask (i - j) mod (j + 1) == 0", 0),
    ],
)
def test_what_is_found(text: str, count: int) -> None:
    assert len(diagonals(plan(attngen.load(f"attention a {{ {text} }}"))).kept) == count


@pytest.mark.parametrize("M", [100, 128, 200])
def test_pairs_that_do_not_exist_are_not_at_fault(M: int) -> None:
    """The table ends with the largest distance of a live pair; behind the last key there are none."""
    kernel = attngen.build(
        "attention a { input far[d]: float score dot(q, k) + far[(M - 1 - (i - j)) div 2] mask j <= i }", backend="cpp"
    )
    assert diagonals(kernel.plan).fault != kernel.plan.fault, "diagonals hold where it reads"
    q, last = torch.ones(1, 1, M, 16), (M - 1) // 2
    assert kernel(q, q, q, far=torch.zeros(last + 1)).shape == q.shape
    with pytest.raises(ValueError, match="reads far outside of an axis"):
        kernel(q, q, q, far=torch.zeros(last))
