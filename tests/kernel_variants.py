"""Variants that between them use everything a streaming kernel can do, with values for their parameters and inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from hypothesis import strategies as st
from torch import Tensor

Sizes = Mapping[str, int]
Inputs = Callable[[torch.Generator, Sizes, Mapping[str, int | float]], dict[str, Tensor]]


@dataclass(frozen=True)
class Case:
    """A spec, strategies for its parameters, and inputs for given sizes.

    `inside`: an input is read at the position of a query, so that every query must stand in the key sequence.
    """

    text: str
    parameters: Mapping[str, st.SearchStrategy[int | float]] = field(default_factory=dict)
    inputs: Inputs = lambda *_: {}
    inside: bool = False


def some_heads(generator: torch.Generator, heads: int) -> int:
    """A number that divides H."""
    divisors = [n for n in range(1, heads + 1) if heads % n == 0]
    return divisors[int(torch.randint(len(divisors), (), generator=generator))]


def normal(*axes: str) -> Callable[..., Tensor]:
    """A random tensor with these axes; heads are as many as some number that divides H."""

    def make(generator: torch.Generator, sizes: Sizes) -> Tensor:
        shape = [some_heads(generator, sizes["h"]) if axis == "h" else sizes[axis] for axis in axes]
        return torch.randn(shape, generator=generator)

    return make


def flags(*axes: str, share: float = 0.3) -> Callable[..., Tensor]:
    return lambda generator, sizes: normal(*axes)(generator, sizes) < share - 0.5


def given(**make: Callable[..., Tensor]) -> Inputs:
    return lambda generator, sizes, _: {name: function(generator, sizes) for name, function in make.items()}


def documents(generator: torch.Generator, sizes: Sizes) -> Tensor:
    return torch.randint(0, 4, (sizes["b"], sizes["j"]), generator=generator).sort(-1).values - 1


def slopes(generator: torch.Generator, sizes: Sizes) -> Tensor:
    return torch.rand(some_heads(generator, sizes["h"]), generator=generator) * 0.2


def layout(generator: torch.Generator, sizes: Sizes, parameters: Mapping[str, int | float]) -> dict[str, Tensor]:
    blocks = 1 + (max(sizes["i"], sizes["j"]) + 40) // int(parameters["g"])
    return {"layout": torch.rand(sizes["h"], blocks, blocks, generator=generator) < 0.5}


window = st.integers(1, 60)
block = st.integers(2, 40)
softcap = st.floats(0.5, 30)

CASES = {
    "full": Case("attention full { score scale * dot(q, k) }"),
    "causal": Case("attention causal_ { mask j <= i }"),
    "sliding": Case("attention sliding_(window: int in [1, inf)) { mask 0 <= i - j < window }", {"window": window}),
    "symmetric": Case("attention symmetric(w: int = 3) { mask abs(i - j) <= w }", {"w": st.integers(-1, 40)}),
    "block_local": Case(
        "attention block_local(g: int in [1, inf)) { mask j <= i and i div g == j div g }", {"g": block}
    ),
    "s2attn": Case(
        "attention s2attn(group: int in [2, inf)) { let shift = if h >= H div 2 then group div 2 else 0"
        " mask j <= i and (i + shift) div group == (j + shift) div group }",
        {"group": block},
    ),
    "alibi": Case(
        "attention alibi { input slope[h]: float score scale * dot(q, k) - slope[h] * (i - j) mask j <= i }",
        inputs=given(
            slope=lambda generator, sizes: torch.rand(some_heads(generator, sizes["h"]), generator=generator) * 0.2
        ),
    ),
    "alibi_prelude": Case("attention alibi_p { score scale * dot(q, k) - alibi_slope(h) * (i - j) mask j <= i }"),
    "softcap": Case(
        "attention softcap(cap: float = 50) { score cap * tanh(scale * dot(q, k) / cap) mask causal }", {"cap": softcap}
    ),
    "gemma2": Case(
        "attention gemma2(window: int = 4096, cap: float = 50) {"
        " score cap * tanh(scale * dot(q, k) / cap) mask 0 <= i - j < window }",
        {"window": window, "cap": softcap},
    ),
    "streaming_llm": Case(
        "attention streaming_llm(window: int, sinks: int = 4) { mask j <= i and (j < sinks or i - j < window) }",
        {"window": window, "sinks": st.integers(0, 50)},
    ),
    "sink": Case(
        "attention sink_ { input z[h]: float sink z[h] mask j <= i }",
        inputs=given(z=normal("h")),
    ),
    "t5": Case(
        "attention t5 { input table[bucket, h]: float"
        " score dot(q, k) + table[t5_bucket(max(i - j, 0)), h] mask j <= i }",
        inputs=lambda generator, sizes, _: {"table": torch.randn(32, sizes["h"], generator=generator)},
    ),
    "documents": Case(
        "attention documents { input doc[b, n]: int sorted mask j <= i and doc[b, i] == doc[b, j] }",
        inputs=given(doc=documents),
        inside=True,
    ),
    "pairs": Case("attention pairs { input seen[h, i, j]: bool mask seen[h, i, j] }", inputs=given(seen=flags(*"hij"))),
    "bias": Case(
        "attention bias_ { input bias[h, i, j]: float score scale * dot(q, k) + bias[h, i, j] mask j <= i + 2 }",
        inputs=given(bias=normal("h", "i", "j")),
    ),
    "key_bias": Case(
        "attention key_bias { input bias[b, j]: float score scale * dot(q, k) + bias[b, j] }",
        inputs=given(bias=normal("b", "j")),
    ),
    "prefix": Case(
        "attention prefix { input prefix[b]: int mask j <= i or j < prefix[b] }",
        inputs=lambda generator, sizes, _: {"prefix": torch.randint(-3, 60, (sizes["b"],), generator=generator)},
    ),
    "layout": Case(
        "attention layout_(g: int in [1, inf)) { input layout[h, qb, kb]: bool"
        " mask j <= i and layout[h, i div g, j div g] }",
        {"g": block},
        layout,
        inside=True,
    ),
    "span": Case(
        "attention span_(ramp: float in (0, inf)) { input span[h]: float"
        " score scale * dot(q, k) + log(clamp((ramp + span[h] - (i - j)) / ramp, 0, 1))"
        " mask 0 <= i - j < ceil(ramp + span[h]) }",
        {"ramp": st.floats(1, 40)},
        inputs=lambda generator, sizes, _: {"span": torch.rand(sizes["h"], generator=generator) * 40},
    ),
    "choice": Case(
        "attention choice_ { input x[b, j]: float input level[i]: float"
        " score if x[b, j] > level[i] then scale * dot(q, k) else -scale * dot(q, k) / 2 + x[b, j]"
        " mask j <= i or x[b, j] * 3 < 0.25 }",
        inputs=given(x=normal("b", "j"), level=normal("i")),
    ),
    "dilated": Case(
        "attention dilated(w: int in [1, inf), r: int in [1, inf)) {"
        " mask j <= i and (i - j) mod r == 0 and i - j < w * r }",
        {"w": window, "r": st.integers(1, 9)},
    ),
    "dilated_blocks": Case(
        "attention dilated_blocks(g: int in [1, inf), r: int in [1, inf)) { mask (i div g - j div g) mod r == 0 }",
        {"g": block, "r": st.integers(1, 4)},
    ),
    "blocks_and_window": Case(
        "attention blocks_and_window(g: int in [1, inf)) {"
        " mask (i div g - j div g) mod 2 == 0 or i - j < 4 and j <= i }",
        {"g": block},
    ),
    "blocks_of_some": Case(
        "attention blocks_of_some(g: int in [1, inf), s: int) {"
        " mask if h < H div 2 then i < s or (i div g - j div g) mod 2 == 0 else j <= i }",
        {"g": st.integers(1, 90), "s": st.integers(-3, 60)},
    ),
    "striped": Case(
        "attention striped(g: int in [1, inf), r: int in [1, inf)) { mask j <= i + g and (j div g) mod r == h mod 2 }",
        {"g": st.integers(1, 70), "r": st.integers(1, 3)},
    ),
    "negated": Case(
        "attention negated(g: int in [1, inf)) {"
        " mask not (i - j > g or j > i + 2 and not j mod g == 1) or h == H - 1 and i == j }",
        {"g": block},
    ),
    "pinned": Case(
        "attention pinned(on: bool = true, w: int = 5) { input mark[n]: bool mask (j <= i and i - j < w) or"
        " mark[i] and on and not mark[j] }",
        {"w": window, "on": st.booleans()},
        inputs=given(mark=lambda generator, sizes: torch.rand(sizes["j"], generator=generator) < 0.2),
        inside=True,
    ),
    "sigmoid": Case(
        "attention sigmoid_(bias: float) { weight sigmoid(scale * dot(q, k) + bias) mask j <= i normalize none }",
        {"bias": st.floats(-2, 2)},
    ),
    "squared_relu": Case("attention squared_relu { weight relu(scale * dot(q, k)) ^ 2 normalize none }"),
    "averaged": Case(
        "attention averaged(w: int in [1, inf)) {"
        " weight 1 mask 0 <= i - j < w and (i + j) mod 3 != 0 normalize count }",
        {"w": window},
    ),
    "counted": Case("attention counted { weight dot(q, k) mask j < i - 2 normalize count }"),
    "summed": Case(
        "attention summed(eps: float) {"
        " weight exp(scale * dot(q, k)) mask j <= i or j mod 5 == 0 normalize sum(eps * 2) }",
        {"eps": st.floats(0.1, 3)},
    ),
    "summed_scores": Case("attention summed_scores { score scale * dot(q, k) mask abs(i - j) > 4 normalize sum(0.5) }"),
    "decaying": Case(
        "attention decaying { input gamma[h]: float in (0, 1]"
        " weight scale * dot(q, k) * gamma[h] ^ (i - j) mask j <= i normalize none }",
        inputs=given(gamma=lambda generator, sizes: 1 - slopes(generator, sizes)),
    ),
}
