"""Specs of recurrences that between them have every part, and random calls of them."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from attngen.fuzz.recurrent_oracle import Given

HEAD = "input g[b, h, t]: float  input gc[b, h, t, c]: float  input w[h]: float  input wc[h, c]: float "
HEAD += "input beta[b, h, t]: float  input keep[b, h, t]: float  let u = l2norm(k) "
DECAYS = ["S", "0.9 * S", "exp(w[h]) * S", "exp(g[b, h, t]) * S", "exp(wc[h, c]) * S", "exp(gc[b, h, t, c]) * S"]
DECAYS += ["(if keep[b, h, t] > prev(keep[b, h, t]) then keep[b, h, t] else 0.0) * S"]
DECAYS += ["keep[b, h, t] * S", "(if t mod 5 == 3 then 0 else exp(g[b, h, t])) * S", "-0.5 * S"]
WRITES = ["outer(k, v)", "beta[b, h, t] * outer(tanh(k), v)", "outer(u, sigmoid(v)) / (1 + t)"]
ERASED = ["", " - beta[b, h, t] * outer(u, dot(u, {}))", " - outer(beta[b, h, t] * u, dot(l2norm(tanh(k)), {}))"]
OUTS = ["out dot(q, S)", "out scale * dot(q, prev(S)) + dot(q, wc[h, c] * k) * v"]
OUTS += ["out tanh(dot(tanh(q), S)) - dot(k, prev(S))"]
OUTS += ["state z = 0.5 * z + k  out dot(q, S) / (1 + abs(dot(q, z)))"]
OUTS += ["state z = 0.5 * z + k  state x = x + 1  out dot(q, S) * dot(q, z) / (1 + x)"]
ORDERS = ["", "", "order p(y) = N - 1 - y ", "order p(y) = if h mod 2 == 0 then (y + 5) mod N else y "]
SIZES = st.sampled_from([1, 2, 5, 16, 17, 40])
TOKENS = st.sampled_from([0, 1, 3, 15, 16, 17, 33, 50])


def text(decay: str, write: str, erased: str, out: str, order: str = "") -> str:
    update = f"{decay} + {write}" + erased.format(decay)
    return f"attention a {{ {HEAD} {order} state S = {update}  {out} }}"


EVERY = st.builds(text, *map(st.sampled_from, (DECAYS, WRITES, ERASED, OUTS, ORDERS)))
COMMON = [text(DECAYS[n], WRITES[n % 3], ERASED[n * 2 % 3], OUTS[n * 3 % 5], ORDERS[n % 4]) for n in range(10)]
"""Every part at least once; compiling takes the time."""


@st.composite
def calls(draw: st.DrawFn, few: bool = False) -> Given:
    """Rows and inputs of any heads and strides; gates from exactly 0 down to -1000, and factors from exactly 0 to 1.

    With `few`, heads and tokens of which Triton's interpreter does not take long.
    """
    batch, heads, tokens, width, values = (draw(each) for each in (st.integers(0, 2), SIZES, TOKENS, SIZES, SIZES))
    heads = min(heads, 4) if heads != 17 else 6
    if few:
        batch, heads, tokens = min(batch, 1), min(heads, 2), min(tokens, 17 if tokens % 2 else 34)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    dtype = draw(st.sampled_from([torch.float32, torch.float32, torch.bfloat16]))

    def rows(channels: int) -> Tensor:
        some = draw(st.sampled_from([each for each in range(1, heads + 1) if heads % each == 0]))
        swapped = draw(st.booleans())
        shape = (batch, tokens, some, channels) if swapped else (batch, some, tokens, channels)
        made = torch.randn(shape, generator=generator).to(dtype)
        return made.transpose(1, 2) if swapped else made

    def some(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    q, k, v = torch.randn(batch, heads, tokens, width, generator=generator).to(dtype), rows(width), rows(values)
    scale = draw(st.sampled_from([0.0, 0.1, 3.0, 1000.0]))
    inputs = {"g": -scale * some(batch, heads, tokens), "gc": -scale * some(batch, heads, tokens, width)}
    shared = draw(st.sampled_from([each for each in range(1, heads + 1) if heads % each == 0]))
    inputs |= {"w": -some(shared), "wc": -some(shared, width), "beta": some(batch, shared, tokens)}
    inputs["keep"] = some(batch, shared, tokens) * (some(batch, shared, tokens) > 0.2)
    states = {"S": some(batch, heads, width, values), "z": some(batch, heads, width), "x": some(batch, heads)}
    return Given((q, k, v), inputs, states if draw(st.booleans()) else {})
