"""Attention whose queries and keys are shared by ranks is the attention of the whole: values and gradients, for any
layout, any number of ranks and any lengths."""

from __future__ import annotations

import pytest
import torch
from gradient_oracle import assert_gradients, by_result, wanted
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_calls import Limits, calls
from kernel_variants import CASES
from oracle import Call, assert_close, expected
from ring_calls import on_ranks

import attngen
from attngen.parallel.blocks import block_of

DEEP = settings.default.max_examples >= 1000
SOME = ["causal", "s2attn", "sink", "documents", "bias", "choice", "counted", "summed", "averaged", "dilated"]
"""Between them: sinks, inputs along positions, queries, keys and both, sums, counts, lists of tiles, empty rows."""
LIMITS = Limits(tokens=90, pairs=4000, channels=20, batch=2)
FEW = settings(max_examples=max(4, settings.default.max_examples // 5))
LAYOUTS = st.sampled_from(["contiguous", "zigzag", "striped"])


def fits(name: str, call: Call) -> bool:
    """What queries read along positions lies where they do, so that both must be the same tokens."""
    if isinstance(call.offset, torch.Tensor):
        return False
    variant = attngen.load(CASES[name].text)
    read = any(not cut.travels and "n" in variant.input(cut.of).axes for cut in block_of(variant).inputs)
    return not read or (call.q.shape[2] == call.k.shape[2] and call.offset in (None, 0))


@st.composite
def shared_calls(draw: st.DrawFn, name: str) -> Call:
    """A call whose tokens ranks can share."""
    call = draw(calls(CASES[name], LIMITS))
    if isinstance(call.offset, torch.Tensor):
        call = Call(call.q, call.k, call.v, call.parameters, call.inputs, call.scale, int(call.offset[0]))
    if not fits(name, call):
        generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
        q = torch.randn(*call.q.shape[:2], call.k.shape[2], call.q.shape[3], generator=generator).to(call.q.dtype)
        call = Call(q, call.k, call.v, call.parameters, call.inputs, call.scale, None)
    return call


def test_what_is_added_to_sums_knows_the_whole() -> None:
    text = "attention a { weight exp(scale * dot(q, k)) mask abs(i - j) < 9 normalize sum(1 + scale * N / (3 * M)) }"
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, tokens, 8, generator=generator) for tokens in (30, 40, 40))
    call = Call(q, k, v)
    kernel = attngen.build(text)
    dy, _ = by_result(kernel.variant, call, 0)
    for y, _, found, _ in on_ranks(kernel, call, dy, None, 3, layout="zigzag"):
        assert_close(expected(kernel.variant, call), y, None)
        assert_gradients(wanted(kernel.variant, call, dy, None), found)


@pytest.mark.parametrize("name", CASES if DEEP else SOME)
@FEW
@given(
    data=st.data(), ranks=st.integers(1, 5), layout=LAYOUTS, block=st.sampled_from([1, 7, 16]), seed=st.integers(0, 9)
)
def test_ranks_agree_with_the_interpreter(
    name: str, data: st.DataObject, ranks: int, layout: str, block: int, seed: int
) -> None:
    call = data.draw(shared_calls(name))
    kernel = attngen.build(CASES[name].text, **call.parameters)
    dy, dlse = by_result(kernel.variant, call, seed)
    send = data.draw(st.sampled_from(["keys", "queries"]))
    results = on_ranks(kernel, call, dy, dlse, ranks, layout=layout, block=block, send=send)
    y, lse, found, _ = results[-1]
    assert_close(expected(kernel.variant, call), y, lse)
    assert_gradients(wanted(kernel.variant, call, dy, dlse), found)
    assert all(torch.equal(y, other[0]) for other in results)
