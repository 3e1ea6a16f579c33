"""Random calls of kernels: shapes, head counts, dtypes, strides, offsets, scales, parameters and inputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from kernel_variants import Case
from torch import Tensor

from attngen.fuzz.call import Call
from attngen.fuzz.making import laid_out
from attngen.fuzz.recipes import STRIDES

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Limits:
    """How large a call may get: tokens, pairs (N times M), channels, batch rows and heads."""

    tokens: int
    pairs: int
    channels: int = 80
    batch: int = 3
    heads: tuple[int, ...] = (1, 2, 3, 4, 6)


@st.composite
def calls(draw: st.DrawFn, case: Case, limits: Limits) -> Call:
    """A call that the variant accepts."""
    heads = draw(st.sampled_from(limits.heads))
    divisors = [n for n in range(1, heads + 1) if heads % n == 0]
    counts = [draw(st.sampled_from(divisors)) for _ in "qkv"]
    counts[draw(st.integers(0, 2))] = heads
    batch = draw(st.integers(1, limits.batch))
    lengths = st.one_of(st.integers(1, 40), st.integers(1, limits.tokens), st.sampled_from([0, 1]))
    keys = draw(lengths)
    queries = min(draw(lengths), limits.pairs // max(keys, 1))
    if case.inside:
        queries = min(queries, keys)
    width, value_width = (draw(st.integers(1, limits.channels)) for _ in "DE")
    dtype = draw(st.sampled_from(DTYPES))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    shapes = [(counts[0], queries, width), (counts[1], keys, width), (counts[2], keys, value_width)]
    rows = [
        laid_out(torch.randn(batch, *shape, generator=generator).to(dtype), draw(st.sampled_from(STRIDES)))
        for shape in shapes
    ]
    parameters = {name: draw(strategy) for name, strategy in case.parameters.items()}
    sizes = {"b": batch, "h": heads, "i": queries, "j": keys}
    return Call(
        *rows,
        parameters=parameters,
        inputs=case.inputs(generator, sizes, parameters),
        scale=draw(st.one_of(st.none(), st.floats(0.01, 0.5), st.sampled_from([-0.2, 0.0]))),
        offset=draw(offsets(batch, queries, keys, case.inside)),
    )


@st.composite
def offsets(draw: st.DrawFn, batch: int, queries: int, keys: int, inside: bool) -> int | Tensor | None:
    """None, a number, or a tensor; also where queries stand before the first key and beyond the last one."""
    low, high = (0, keys - queries) if inside else (-queries - 5, keys + 20)
    position = st.integers(low, high)
    kind = draw(st.sampled_from(["none", "number", "tensor"]))
    if kind == "none":
        return None
    if kind == "number":
        return draw(position)
    dtype = draw(st.sampled_from([torch.int32, torch.int64]))
    return torch.tensor([draw(position) for _ in range(batch)], dtype=dtype)


def one_hot(call: Call, keys: range) -> Call:
    """The same call with values that are 1 in the channel of their key; scores small, so that no weight vanishes."""
    count = call.k.shape[2]
    values = torch.eye(count)[:, keys.start : keys.stop].expand(*call.v.shape[:2], -1, -1)
    return Call(
        call.q.float() * 0.1,
        call.k.float() * 0.1,
        values.to(torch.float32),
        call.parameters,
        call.inputs,
        call.scale,
        call.offset,
    )
