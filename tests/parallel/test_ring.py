"""Attention whose queries and keys are shared by ranks is the attention of the whole: values and gradients, for any
layout, any number of ranks and any lengths."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_calls import Limits, calls
from kernel_variants import CASES
from torch import Tensor

import attngen
from attngen.fuzz.call import Call
from attngen.fuzz.gradient_oracle import assert_gradients, by_result, wanted
from attngen.fuzz.oracle import assert_close, expected
from attngen.fuzz.ring import on_ranks
from attngen.parallel.blocks import block_of

DEEP = settings.default.max_examples >= 1000
SOME = ["causal", "s2attn", "sink", "documents", "bias", "choice", "counted", "dilated"]
"""Between them: sinks, inputs along positions, queries, keys and both, counts, lists of tiles, empty rows."""
LIMITS = Limits(tokens=90, pairs=4000, channels=20, batch=2)
FEW = settings(max_examples=max(3, settings.default.max_examples // 5))
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


def some_call(tokens: tuple[int, int] = (40, 40), dtype: torch.dtype = torch.float32, **inputs: Tensor) -> Call:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, size, 8, generator=generator).to(dtype) for size in (tokens[0], tokens[1], tokens[1]))
    return Call(q, k, v, {}, inputs)


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("text", "call"),
    [
        # What is added to sums knows the whole, and so does whatever reads E.
        (
            "weight exp(scale * dot(q, k)) mask abs(i - j) < 9 normalize sum(1 + scale * N / (3 * M))",
            some_call((30, 40)),
        ),
        ("assert E == 8 weight exp(scale * dot(q, k)) / E mask abs(i - j) < 9 normalize sum(1)", some_call()),
        # Rows that see nothing, and blocks whose weights are all 0, where nothing is added.
        ("weight exp(scale * dot(q, k)) mask j < i - 2 normalize sum(0)", some_call()),
        (
            "weight relu(scale * dot(q, k) - (if j < 20 then 9 else 0)) mask j != 7 or i < 9 normalize sum(0.5)",
            some_call(),
        ),
        # Blocks whose scores are further apart than exponents of float32 reach.
        ("score scale * dot(q, k) + 20.0 * j", some_call()),
        ("score scale * dot(q, k) - 20.0 * j", some_call()),
        # Sums that are more than half precision holds.
        ("weight exp(6 + scale * dot(q, k)) mask abs(i - j) < 30 normalize sum(1)", some_call(dtype=torch.float16)),
        ("weight dot(q, k) mask j <= i normalize sum(40)", some_call()),
        # Inputs with names that what travels might have, and with keys in front of queries.
        (
            "input centre[b, h, i]: float score scale * dot(q, k) * centre[b, h, i]",
            some_call(centre=numbers(1, 2, 40)),
        ),
        ("input stats[h]: float score scale * dot(q, k) * stats[h]", some_call(stats=numbers(2))),
        ("input x[j, i]: float score scale * dot(q, k) + x[j, i] mask j <= i", some_call(x=numbers(40, 40))),
    ],
)
@pytest.mark.parametrize("send", ["keys", "queries"])
def test_what_once_was_wrong(text: str, call: Call, send: str) -> None:
    kernel = attngen.build(f"attention a {{ {text} }}")
    dy, _ = by_result(kernel.variant, call, 0)
    for y, lse, found, _ in on_ranks(kernel, call, dy, None, 3, layout="zigzag", send=send):
        assert_close(expected(kernel.variant, call), y, lse)
        assert_gradients(wanted(kernel.variant, call, dy, None), found)


def test_a_number_that_is_none_stays_one() -> None:
    """A model that diverges must be seen."""
    call = some_call()
    call.q[0, 0, 5, 0] = torch.nan
    kernel = attngen.build("attention a { mask j <= i }")
    y, *_ = on_ranks(kernel, call, torch.zeros_like(call.q), None, 3, layout="zigzag")[0]
    assert y[0, 0, 5].isnan().all()
    assert not y[0, 0, :5].isnan().any()
    assert not y[0, 1].isnan().any()


TABLE = """attention table {
  input full[m, h]: float
  score scale * dot(q, k) * full[abs(i - j), h]
  mask if 2 * i < i * i then not causal else scale < 2.5
}"""


def test_ranks_know_how_long_what_scores_read_is() -> None:
    """Lists hold the tiles that read outside, and so ask for lengths that the mask does not."""
    kernel, call = attngen.build(TABLE), some_call(full=numbers(40, 2))
    dy, _ = by_result(kernel.variant, call, 0)
    y, lse, found, _ = on_ranks(kernel, call, dy, None, 2, layout="zigzag")[0]
    assert_close(expected(kernel.variant, call), y, lse)
    assert_gradients(wanted(kernel.variant, call, dy, None), found, added=True)


def test_the_log_sum_exp_has_a_gradient() -> None:
    kernel, call = attngen.build("attention causal { mask j <= i }"), some_call()
    dy, dlse = by_result(kernel.variant, call, 1)
    assert dlse is not None
    results = on_ranks(kernel, call, dy, dlse, 2, layout="zigzag")
    assert_gradients(wanted(kernel.variant, call, dy, dlse), results[0].gradients)


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
