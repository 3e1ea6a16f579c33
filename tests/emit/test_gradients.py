"""Backward kernels in C++ against autograd through the interpreter."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gradient_oracle import assert_gradients, trained_inputs, wanted
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_calls import Limits, calls, laid_out
from kernel_variants import CASES, Case
from oracle import Call
from torch import Tensor

import attngen
from attngen.ir.nodes import Softmax

EXAMPLES = settings().max_examples
LIMITS = Limits(tokens=300, pairs=10_000, batch=2, heads=(1, 2, 4), channels=48)
DEEP = EXAMPLES >= 1000
FORMS = "alibi softcap documents dilated squared_relu summed".split()
"""One variant for each way to walk, to order tokens and to normalise: compiling them all takes minutes."""
SPECS = Path(__file__).parents[2] / "specs"
BASE = {"base": st.just(10000.0)}
OF_ROWS = {
    "rope": Case((SPECS / "rope.attn").read_text(encoding="utf-8"), BASE),
    "xpos": Case((SPECS / "xpos.attn").read_text(encoding="utf-8"), BASE),
    "lm_infinite": Case(
        (SPECS / "lm_infinite.attn").read_text(encoding="utf-8"),
        {"window": st.integers(1, 60), "sinks": st.integers(0, 9)},
    ),
    "norms": Case("attention norms { score 8.0 * dot(l2norm(q), l2norm(k)) + dot(silu(q), k) mask j <= i }"),
}
"""Products of rows that are changed before: turned, grown, chosen by the pair, normalised."""
TESTED = {**CASES, **OF_ROWS} if DEEP else {**{name: CASES[name] for name in FORMS}, **OF_ROWS}


def is_tested(name: str, call: Call) -> bool:
    """Turned rows have an even width; half precision is compiled in the deep profile alone."""
    return (name not in OF_ROWS or call.q.shape[3] % 2 == 0) and (DEEP or call.q.dtype != torch.float16)


def by_result(call: Call, variant: attngen.Variant, layout: str, seed: int) -> tuple[Tensor, Tensor | None]:
    """Random gradients by y and, for a softmax, by its log-sum-exp."""
    generator = torch.Generator().manual_seed(seed)
    heads = max(rows.shape[1] for rows in (call.q, call.k, call.v))
    shape = (call.q.shape[0], heads, call.q.shape[2], call.v.shape[3])
    dy = laid_out(torch.randn(shape, generator=generator).to(call.q.dtype), layout)
    softmax = isinstance(variant.pairwise.normalization, Softmax)
    return dy, torch.randn(shape[:3], generator=generator) if softmax and seed % 2 else None


def gradients(kernel: attngen.Kernel, call: Call, dy: Tensor, dlse: Tensor | None) -> tuple[Tensor, ...]:
    """By q, k, v and the inputs of floats."""
    inputs = dict(call.inputs)
    for name in trained_inputs(call):
        inputs[name] = call.inputs[name].detach().requires_grad_()
    rows = [each.detach().requires_grad_() for each in (call.q, call.k, call.v)]
    options = {"scale": call.scale, "offset": call.offset}
    if dlse is None:
        y, by = kernel(*rows, **options, **inputs), [dy]
        results = [y]
    else:
        results, by = [*kernel(*rows, **options, return_lse=True, **inputs)], [dy, dlse]
    leaves = [*rows, *(inputs[name] for name in trained_inputs(call))]
    return torch.autograd.grad(results, leaves, by)


@pytest.mark.parametrize("name", TESTED)
@settings(max_examples=EXAMPLES // 4)
@given(data=st.data())
def test_gradients(name: str, data: st.DataObject) -> None:
    variant = attngen.load(TESTED[name].text)
    call = data.draw(calls(TESTED[name], LIMITS).filter(lambda call: is_tested(name, call)))
    dy, dlse = by_result(
        call, variant, data.draw(st.sampled_from(["contiguous", "sliced"])), data.draw(st.integers(0, 99))
    )
    kernel = attngen.build(variant, backend="cpp", **call.parameters)
    found = gradients(kernel, call, dy, dlse)
    assert_gradients(wanted(variant, call, dy, dlse), found)
    again = gradients(kernel, call, dy, dlse)
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True)), "not the same twice"
