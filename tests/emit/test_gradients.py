"""Backward kernels in C++ against autograd through the interpreter."""

from __future__ import annotations

import pytest
import torch
from gradient_oracle import assert_gradients, by_result, gradients, wanted
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_calls import Limits, calls, laid_out
from kernel_variants import CASES, Case, Inputs, Sizes, normal
from kernel_variants import given as given_inputs
from oracle import Call

import attngen

EXAMPLES = settings().max_examples
LIMITS = Limits(tokens=300, pairs=10_000, batch=2, heads=(1, 2, 4), channels=48)
DEEP = EXAMPLES >= 1000
FORMS = "squared_relu summed bias".split()
"""What no spec shows (`tests/specs` tests them all): compiling every variant takes minutes."""
NORMS = "attention norms { score 8.0 * dot(l2norm(q), l2norm(k)) + dot(silu(q), k) mask j <= i }"


def table(elements: int, *axes: str) -> Inputs:
    """A table with an axis of its own, and one for each head or none."""

    def make(generator: torch.Generator, sizes: Sizes, _: object) -> dict[str, torch.Tensor]:
        return {"table": torch.randn(elements, *(sizes[axis] for axis in axes), generator=generator)}

    return make


OF_INPUTS = {
    "by pairs": Case(
        "attention by_pairs { input table[m, h]: float"
        " score scale * dot(q, k) + table[min(abs(i * i - j), 7), h] mask j <= i + 9 }",
        inputs=table(8, "h"),
    ),
    "by pairs for all heads": Case(
        "attention by_pairs_of_all { input table[m]: float score scale * dot(q, k) * table[(i * j) mod 5] }",
        inputs=table(5),
    ),
    "by rows": Case(
        "attention by_rows { input a[h, i]: float input z[j]: float"
        " weight exp(scale * dot(q, k) * a[h, i] + z[j]) normalize sum(0.5) }",
        inputs=given_inputs(a=normal("h", "i"), z=normal("j")),
    ),
    "by distances of moved tokens": Case(
        "attention moved { input table[m]: float"
        " score scale * dot(q, k) + table[clamp(i - j, -3, 9) + 3] mask (i div 4 - j div 4) mod 3 == 0 }",
        inputs=table(13),
    ),
    "by data": Case(
        "attention by_data { input table[m]: float input id[b, n]: int in [0, 6)"
        " score scale * dot(q, k) + table[id[b, i]] * table[id[b, j]] }",
        inputs=lambda generator, sizes, _: {
            **table(6)(generator, sizes, {}),
            "id": torch.randint(0, 6, (sizes["b"], sizes["j"]), generator=generator),
        },
        inside=True,
    ),
}
"""One for each way in which elements are chosen."""
OWN = {"norms": Case(NORMS), **OF_INPUTS}
TESTED = {**CASES, **OWN} if DEEP else {**{name: CASES[name] for name in FORMS}, **OWN}


def is_tested(call: Call) -> bool:
    """Half precision is compiled in the deep profile alone."""
    return DEEP or call.q.dtype != torch.float16


@pytest.mark.parametrize("name", TESTED)
@settings(max_examples=EXAMPLES // 4)
@given(data=st.data())
def test_gradients(name: str, data: st.DataObject) -> None:
    variant = attngen.load(TESTED[name].text)
    call = data.draw(calls(TESTED[name], LIMITS).filter(is_tested))
    seed, layout = data.draw(st.integers(0, 99)), data.draw(st.sampled_from(["contiguous", "sliced"]))
    dy, dlse = by_result(variant, call, seed)
    dy = laid_out(dy, layout)
    kernel = attngen.build(variant, backend="cpp", **call.parameters)
    found = gradients(kernel, call, dy, dlse)
    assert_gradients(wanted(variant, call, dy, dlse), found)
    again = gradients(kernel, call, dy, dlse)
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True)), "not the same twice"


@pytest.mark.parametrize("name", ["bias", "by pairs for all heads", "by rows"])
def test_several_threads(name: str) -> None:
    """Heads that add to the same elements do so in one order, and so do the tasks of a head: the same twice."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 8, 400, 4, generator=generator) for _ in "qkv")
    inputs = TESTED[name].inputs(generator, {"b": 2, "h": 8, "i": 400, "j": 400}, {})
    inputs = {label: each[:1] if name == "bias" else each for label, each in inputs.items()}  # one head for all
    kernel = attngen.build(TESTED[name].text, backend="cpp")
    call = Call(q, k, v, inputs=inputs)
    alone = gradients(kernel, call, torch.ones_like(q), None)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        several = [gradients(kernel, call, torch.ones_like(q), None) for _ in range(3)]
    finally:
        torch.set_num_threads(threads)
    for found in several:
        for one, other, first in zip(found, alone, several[0], strict=True):
            assert torch.equal(one, first)
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)
