"""Backward kernels against autograd through the interpreter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_calls import Limits, calls
from kernel_variants import CASES, Case, Inputs, Sizes, normal
from kernel_variants import given as given_inputs

import attngen
from attngen.analysis.walk import Periodic
from attngen.fuzz.attempt import assert_right as judge
from attngen.fuzz.call import Call
from attngen.fuzz.gradient_oracle import assert_gradients, by_result, gradients, wanted
from attngen.fuzz.making import laid_out
from attngen.fuzz.oracle import assert_close, expected
from attngen.fuzz.ways import Way
from attngen.schedule.plan import plan

EXAMPLES = settings().max_examples
LIMITS = {
    "cpp": Limits(tokens=300, pairs=10_000, batch=2, heads=(1, 2, 4), channels=48),
    "triton": Limits(tokens=80, pairs=3_000, batch=2, heads=(1, 2, 4), channels=40),
}
BACKENDS = tuple(LIMITS)
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
    "by a sink that is chosen": Case(
        "attention chosen_sink { input own[h]: float"
        " score scale * dot(q, k) sink (if h mod 2 == 0 then own[h] else 0.25 * own[h]) }",
        inputs=given_inputs(own=normal("h")),
    ),
    "by distances of moved tokens": Case(
        "attention moved { input table[m]: float"
        " score scale * dot(q, k) + table[clamp(i - j, -3, 9) + 3] mask (i - j) mod 3 == 0 and j <= i }",
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


def is_tested(name: str, backend: str, call: Call) -> bool:
    """Compiling takes minutes: half precision, and inputs in any but float32, are left to the deep profile."""
    return (
        DEEP
        or backend == "triton"
        or call.q.dtype in ((torch.float32,) if name in OF_INPUTS else (torch.float32, torch.bfloat16))
    )


def check(name: str, backend: str, data: st.DataObject) -> None:
    variant = attngen.load(TESTED[name].text)
    call = data.draw(calls(TESTED[name], LIMITS[backend]).filter(lambda call: is_tested(name, backend, call)))
    seed, layout = data.draw(st.integers(0, 99)), data.draw(st.sampled_from(["contiguous", "sliced"]))
    dy, dlse = by_result(variant, call, seed)
    dy = laid_out(dy, layout)
    kernel = attngen.build(variant, backend=backend, **call.parameters)
    found = gradients(kernel, call, dy, dlse)
    assert_gradients(wanted(variant, call, dy, dlse), found)
    again = gradients(kernel, call, dy, dlse)
    assert all(torch.equal(one, other) for one, other in zip(found, again, strict=True)), "not the same twice"


@pytest.mark.parametrize("name", TESTED)
@settings(max_examples=EXAMPLES // 4)
@given(data=st.data())
def test_cpp(name: str, data: st.DataObject) -> None:
    check(name, "cpp", data)


@pytest.mark.parametrize("name", TESTED)
@settings(max_examples=max(4, EXAMPLES // 8))
@given(data=st.data())
def test_triton(name: str, data: st.DataObject) -> None:
    check(name, "triton", data)


def assert_right(text: str, call: Call, backend: str) -> attngen.Kernel:
    """The gradients of a call, by a seeded gradient of its result."""
    variant = attngen.load(text)
    dy, dlse = by_result(variant, call, 1)
    kernel = attngen.build(variant, backend=backend, **call.parameters)
    assert_gradients(wanted(variant, call, dy, dlse), gradients(kernel, call, dy, dlse))
    return kernel


def seeded(tokens: int, heads: int = 2, keys: int | None = None, batch: int = 2) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(tokens)
    q, k, v = (torch.randn(batch, heads, n, 8, generator=generator) for n in (tokens, keys or tokens, keys or tokens))
    return q, k, v


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scored", ["table[clamp(i - j, -3, 9) + 3]", "key[j] * query[i]", "table[min(i * j, 12)]"])
def test_moved_tokens(scored: str, backend: str) -> None:
    """Tokens are walked in another order, which is that of sums for queries, keys, distances and elements as well."""
    tokens = 400
    inputs = {"table": torch.randn(13), "key": torch.randn(tokens), "query": torch.randn(tokens)}
    used = {name: given for name, given in inputs.items() if name in scored}
    declared = {"table": "input table[m]: float", "key": "input key[j]: float", "query": "input query[i]: float"}
    text = (
        f"attention moved {{ {' '.join(declared[name] for name in used)} score scale * dot(q, k) + {scored}"
        " mask (i - j) mod 5 == 0 and 0 <= i - j < 300 }"
    )
    q, k, v = seeded(tokens, heads=2 if backend == "cpp" else 1, batch=2 if backend == "cpp" else 1)
    kernel = assert_right(text, Call(q, k, v, inputs=used), backend)
    costs = kernel.prepare(q, k, **used).tiles.costs
    assert min(costs) < costs[0]  # as tokens lie


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "text",
    [
        "attention a { input temp[h]: float score dot(q, k) * temp[h] mask j <= i }",
        "attention a { input tau[h]: float score exp(tau[h]) * dot(l2norm(q), l2norm(k)) }",
        "attention a { input bias[h]: float score bias[h] * (i - j) mask j <= i }",
        "attention a { input element[h]: float score scale * dot(q, k) - element[h] * abs(i - j) }",
        "attention a { input x[h]: float input x_[h]: float score dot(q, k) + x[h] * j + x_[h] * i }",
        "attention a { input a[h]: float input a_2[h]: float score dot(q, k) + a[h] * (a[h] + a_2[h] * j) }",
        "attention a { input s[h]: float sink softplus(s[h]) }",
    ],
)
def test_inputs_of_heads(text: str, backend: str) -> None:
    """A product in a slope, no product at all, names like those of kernels, and inputs that are read twice."""
    q, k, v = seeded(70)
    inputs = {given.name: torch.rand(2) * 0.1 for given in attngen.load(text).inputs}
    assert_right(text, Call(q, k, v, inputs=inputs), backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "text",
    [
        "attention a { input z[j]: float score scale * dot(q, k * z[j]) }",
        "attention a { input s[h]: float score scale * dot(q * s[h], k) mask j <= i }",
        "attention a { input s[b]: float score scale * dot(l2norm(q + s[b]), k * s[b]) }",
        "attention a { input f[c]: float input z[h, i]: float score scale * dot(q * f[c] * z[h, i], k) }",
    ],
)
def test_inputs_of_rows(text: str, backend: str) -> None:
    """Inputs that all channels of a row read, and those that each has of its own."""
    q, k, v = seeded(41)
    sizes = {"b": 2, "h": 2, "i": 41, "j": 41, "c": 8}
    variant = attngen.load(text)
    inputs = {given.name: torch.rand([sizes[axis] for axis in given.axes]) + 0.5 for given in variant.inputs}
    assert_right(text, Call(q, k, v, inputs=inputs), backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mask", ["j <= i", "j <= i and p[h, j] > 0.5"])
def test_an_input_that_no_score_reads(mask: str, backend: str) -> None:
    q, k, v = seeded(20)
    assert_right(
        f"attention a {{ input p[h, j]: float mask {mask} }}", Call(q, k, v, inputs={"p": torch.rand(2, 20)}), backend
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("rows", "rate"),
    [
        ("q * g ^ (i * c), k * g ^ (-j * c)", 0.99),
        ("q * exp(g * (h + 1) * i), k * exp(-(g * (h + 1) * j))", 0.01),
    ],
)
def test_rates_that_the_host_computes(rows: str, rate: float, backend: str) -> None:
    text = f"attention a(g: float in (0, 1]) {{ score scale * dot({rows}) mask j <= i }}"
    assert_right(text, Call(*seeded(30, keys=37), {"g": rate}), backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("heads", [(4, 2, 2), (4, 2, 1), (2, 1, 2)])
def test_heads_that_share_keys(heads: tuple[int, int, int], backend: str) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, count, 37, 8, generator=generator) for count in heads)
    assert_right("attention a { mask j <= i }", Call(q, k, v), backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("tokens", [40, 150])
def test_masks_that_repeat(tokens: int, backend: str) -> None:
    """Keys are walked period by period as well, where a period is longer than a tile or shorter."""
    for text, block in (("(i - j) div w mod 2 == 0", 40), ("j <= i and (i - j) div w mod 3 == 0", 7)):
        q, k, v = seeded(tokens, heads=1, keys=tokens + 9, batch=1)
        variant = f"attention a(w: int in [1, inf)) {{ mask {text} }}"
        call = Call(q, k, v, {"w": block}, offset=3)
        kernel = assert_right(variant, call, backend)
        assert isinstance(plan(kernel.variant).by_keys, Periodic)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_to_differentiate(backend: str) -> None:
    kernel = attngen.build(CASES["bias"].text, backend=backend)
    q, k = (torch.randn(0, 2, n, 8, requires_grad=True) for n in (40, 45))
    bias = torch.randn(2, 40, 45, requires_grad=True)
    kernel(q, k, k, bias=bias).sum().backward()
    assert bias.grad is not None and not bias.grad.any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_of_zeros_have_gradients(backend: str) -> None:
    """The length of a row has no slope at 0, and keys that nobody sees are often padding."""
    kernel = attngen.build("attention a { score 8.0 * dot(l2norm(q), l2norm(k)) mask j < 30 }", backend=backend)
    q, k, v = seeded(45)
    k[:, :, 30:] = 0
    leaves = [rows.requires_grad_() for rows in (q, k, v)]
    found = torch.autograd.grad(kernel(*leaves).square().sum(), leaves)
    assert all(bool(each.isfinite().all()) for each in found) and not found[1][:, :, 30:].any()


@pytest.mark.parametrize("tokens", [64, 65, 67, 71, 73, 77])
def test_blocks_of_few_rows(tokens: int) -> None:
    """What products write behind a block is no row of the tile; pairs of bfloat16 would multiply it."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):  # what a thread keeps is not zero any more
        q, k, v = (torch.randn(1, 4, tokens, 8, generator=generator).to(torch.bfloat16) for _ in "qkv")
        assert_right("attention a { mask j <= i }", Call(q, k, v), "cpp")


@pytest.mark.parametrize("width", [32, 64, 96, 128])
@pytest.mark.parametrize("text", ["attention a { mask j <= i }", "attention a { score 0.1 * dot(q, k) * abs(i - j) }"])
def test_widths_of_tiles(text: str, width: int) -> None:
    """CPUs that multiply tiles of bfloat16 take channels by 32 and rows by 16, however many there are."""
    generator = torch.Generator().manual_seed(width)
    for queries, keys in ((64, 128), (77, 150), (9, 300), (129, 65)):
        q = torch.randn(1, 4, queries, width, generator=generator).to(torch.bfloat16)
        k, v = (torch.randn(1, 2, keys, width, generator=generator).to(torch.bfloat16) for _ in "kv")
        call = Call(q, k, v[..., : width - 8])
        kernel = assert_right(text, call, "cpp")
        assert_close(expected(kernel.variant, call), *kernel(call.q, call.k, call.v, return_lse=True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["by distances of moved tokens", "by data"])
def test_batch_rows_whose_queries_stand_elsewhere(name: str, backend: str) -> None:
    q, k, v = seeded(5, keys=90)
    inputs = TESTED[name].inputs(torch.Generator().manual_seed(1), {"b": 2, "h": 2, "i": 5, "j": 90}, {})
    assert_right(TESTED[name].text, Call(q, k, v, inputs=inputs, offset=torch.tensor([3, 60])), backend)


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


@pytest.mark.parametrize("given_heads", [1, 2])
@pytest.mark.parametrize("backend", BACKENDS)
def test_heads_share_elements_of_pairs(given_heads: int, backend: str) -> None:
    """Each pair has an element of its own, and heads that share one come one after the other."""
    q, k, v = seeded(9, heads=4)
    bias = torch.randn(given_heads, 9, 9, generator=torch.Generator().manual_seed(0))
    text = "attention a { input bias[h, i, j]: float  score scale * dot(q, k) + bias[h, i, j]  mask j <= i }"
    assert_right(text, Call(q, k, v, {}, {"bias": bias}), backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sinks_read_what_the_host_has_computed(backend: str) -> None:
    """And nothing else of the kernel does."""
    q, k, v = seeded(9)
    text = "attention a { input x[h]: float  mask causal  sink x[h] * (h + 1) }"
    assert_right(text, Call(q, k, v, {}, {"x": torch.tensor([0.5, -0.25])}), backend)


@pytest.mark.parametrize("function", ["silu", "softplus", "relu", "tanh", "elu"])
@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_slopes_of_large_arguments(function: str, backend: str) -> None:
    """Near 1, 0 or a power of e, and not what cancels of numbers that are as large as the argument."""
    kernel = attngen.build(f"attention a {{ weight {function}(dot(q, k)) normalize count }}", backend=backend)
    q = torch.tensor([3e8, 40.0, -40.0, -3e8]).view(1, 1, 4, 1).requires_grad_()
    k = torch.ones(1, 1, 1, 1)
    (found,) = torch.autograd.grad(kernel(q, k, k, offset=0).sum(), q)
    (exact,) = torch.autograd.grad(kernel.reference(q.double(), k, k, offset=0).sum(), q)
    assert torch.allclose(found, exact, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_what_cancels_of_rows_of_dy_does(backend: str) -> None:
    """All values are the same and so no weight matters, though shares of rows in bfloat16 are rounded."""
    made = attngen.build("attention a { weight 1 + dot(q, k) ^ 2 mask causal normalize sum(0.0) }", backend=backend)
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randint(0, 3, (1, 1, 40, 4), generator=generator).bfloat16().requires_grad_() for _ in range(2))
    row = 2 * torch.randint(0, 2, (1, 1, 1, 24), generator=generator).bfloat16() - 1
    dy = torch.randn(1, 1, 40, 24, generator=generator).bfloat16()
    dq, dk = torch.autograd.grad(made(q, k, row.expand(-1, -1, 40, -1)), (q, k), dy)
    assert max(dq.abs().max(), dk.abs().max()) < 1e-5


@pytest.mark.parametrize("mask", ["0 <= i - j < 50", "j <= i and (i - j < 20 or j < 40)", "i div 40 == j div 40"])
def test_small_tiles_have_every_walk(mask: str) -> None:
    """With full tiles in the middle, which partial ones step over, along keys and along queries."""
    q, k, v = seeded(100, heads=1, batch=1)
    kernel = attngen.build(f"attention walked {{ mask {mask} }}", backend="triton")
    reached = judge(kernel, Call(q, k, v), Way("in other tiles", tile=(32, 16)), backward=True)
    assert reached["full tiles"] and reached["partial tiles"] and reached["gradients"]
