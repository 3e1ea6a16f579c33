"""How a random call is made: what Hypothesis draws and shrinks, from which tensors follow.

A recipe holds numbers and words alone. The simplest of each come first, for that is where shrinking ends: few tokens,
one head, rows of ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite

from hypothesis import strategies as st

from attngen.emit.checks import own_axes
from attngen.ir import nodes
from attngen.ir.evaluate import Number, evaluate
from attngen.ir.expr import Kind

STRIDES = ("contiguous", "token first", "channel first", "sliced", "shared")
"""How rows lie in memory; `shared` gives every batch row those of the first."""
STYLES = ("ones", "steps", "normal", "sparse", "large")
"""What numbers rows and inputs hold."""
FORMS = ("plain", "plain", "few bits", "many bits", "sliced", "shared")
"""How inputs lie in memory: in float32 or int64, in the fewest bits, in float64, or with strides as rows have them."""
DTYPES = ("float32", "bfloat16", "float16")
INSIDE = 1e-3
"""How far from an open end a float is at least, as a part of the range."""
OFTEN_ONE = (1, 1, 1, 1, 1, 1, 1, 4)
"""Times as many pairs as usual: two tiles by two are many."""
PRIMES = (2, 3, 5, 7, 11, 13, 23, 31, 61, 127, 251)
HEADS = (1, 2, 3, 4, 5, 6)
SCALES = st.one_of(
    st.none(), st.none(), st.integers(1, 50).map(lambda hundredth: hundredth / 100), st.sampled_from([-0.2, 0.0])
)

POSITIONS = st.one_of(st.integers(0, 40), st.sampled_from([1000, 2**24 + 1, 2**31 - 3, 2**33]))
"""Of the first token of a recurrence."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large calls may get.

    Attributes:
        tokens: of queries and of keys.
        pairs: queries times keys.
        channels, batch, heads: at most so many.
        tile: the borders of tiles are near multiples of it.
        far: the largest int that a parameter without an end gets. Triton's interpreter knows no scalars of 64 bits.
    """

    tokens: int
    pairs: int
    channels: int
    batch: int
    heads: int
    tile: int
    far: int = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """A call of a variant.

    Attributes:
        heads: of q, k and v; each divides the largest.
        strides, styles: of q, k and v.
        parameters: by name.
        inputs, forms: the style of each input, and how it lies in memory.
        shared: by which of its divisors the number of heads of each input is divided, counted from the first.
        own: elements along the axes that inputs alone have, at least; more, where they are read.
        offset: of a pairwise call, one number or one for each batch row; the position of a recurrence.
        states: whether states are carried into the first token of a recurrence.
    """

    batch: int
    heads: tuple[int, int, int]
    queries: int
    keys: int
    width: int
    value_width: int
    dtype: str
    strides: tuple[str, str, str]
    styles: tuple[str, str, str]
    parameters: Mapping[str, Number]
    inputs: Mapping[str, str] = field(default_factory=dict)
    forms: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)
    own: Mapping[str, int] = field(default_factory=dict)
    scale: float | None = None
    offset: int | tuple[int, ...] | None = None
    states: bool = False
    seed: int = 0


@st.composite
def recipes(draw: st.DrawFn, variant: nodes.Variant, limits: Limits, dtypes: tuple[str, ...] = DTYPES) -> Recipe:
    """Calls that a variant may accept; what it asks of them beside ranges is found when they are made."""
    recurrent = isinstance(variant.body, nodes.Recurrent)
    most = draw(st.sampled_from([heads for heads in HEADS if heads <= limits.heads]))
    divisors = [heads for heads in range(1, most + 1) if most % heads == 0]
    heads = [draw(st.sampled_from(divisors)) for _ in "qkv"]
    heads[draw(st.integers(0, 2))] = most
    batch = draw(st.sampled_from([*range(1, limits.batch + 1)] * 4 + [0]))
    keys = draw(_lengths(limits))
    pairs = limits.pairs * draw(st.sampled_from(OFTEN_ONE))
    queries = keys if recurrent else min(draw(st.one_of(_lengths(limits), st.just(keys))), pairs // max(keys, 1))
    return Recipe(
        batch=batch,
        heads=(heads[0], heads[1], heads[2]),
        queries=queries,
        keys=keys,
        width=draw(_channels(limits)),
        value_width=draw(_channels(limits)),
        dtype=draw(st.sampled_from(dtypes)),
        strides=draw(st.tuples(*[st.sampled_from(STRIDES)] * 3)),
        styles=draw(st.tuples(*[st.sampled_from(STYLES)] * 3)),
        parameters=draw(parameters(variant, keys, limits.far)),
        inputs={given.name: draw(st.sampled_from(STYLES)) for given in variant.inputs},
        forms={given.name: draw(st.sampled_from(FORMS)) for given in variant.inputs},
        shared={given.name: draw(st.integers(0, 2)) for given in variant.inputs if "h" in given.axes},
        own={axis: draw(st.integers(1, 9)) for axis in own_axes(variant)},
        scale=draw(SCALES),
        offset=draw(POSITIONS if recurrent else offsets(batch, queries, keys)),
        states=recurrent and variant.order is None and draw(st.booleans()),
        seed=draw(st.integers(0, 999)),
    )


def _lengths(limits: Limits) -> st.SearchStrategy[int]:
    """Few, primes, around the borders of tiles, and any."""
    borders = [n * limits.tile + off for n in (1, 2, 3) for off in (-1, 0, 1)]
    known = sorted({0, 1, *PRIMES, *borders})
    return st.one_of(
        st.integers(1, min(40, limits.tokens)),
        st.sampled_from([each for each in known if each <= limits.tokens]),
        st.integers(0, limits.tokens),
    )


def _channels(limits: Limits) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from([1, 8, 16]), st.integers(1, limits.channels))


@st.composite
def parameters(draw: st.DrawFn, variant: nodes.Variant, tokens: int, far: int) -> dict[str, Number]:
    """Values in their ranges: defaults, the ends, and what is of the size of the sequence."""
    found: dict[str, Number] = {}
    for given in variant.parameters:
        found[given.name] = draw(_values(given, found, tokens, far))
    return found


def _values(given: nodes.Parameter, before: Mapping[str, Number], tokens: int, far: int) -> st.SearchStrategy[Number]:
    if given.kind is Kind.BOOL:
        return st.booleans()
    low, high = ends(given.range, before)
    default = [] if given.default is None else [st.just(given.default)]
    if given.kind is Kind.INT:
        first, last = _whole(given.range, low, high, far)
        near = st.integers(first, max(first, min(last, max(first, 0) + 12)))
        long = st.integers(first, max(first, min(last, max(first, 0) + tokens + 8)))
        return st.one_of(near, long, *default, st.just(last))
    least = low if isfinite(low) else (high - 4 if isfinite(high) else -4.0)
    most = high if isfinite(high) else least + 8.0
    room = INSIDE * (most - least)  # near an open end, numbers are what float32 does not hold
    inside = st.floats(least + room * (not given.range.closed_low), most - room * (not given.range.closed_high))
    return st.one_of(*default, inside)


def ends(bounds: nodes.Range, before: Mapping[str, Number]) -> tuple[float, float]:
    """The ends of a range, infinite where there is none."""
    low = -inf if bounds.low is None else float(evaluate(bounds.low, before))
    high = inf if bounds.high is None else float(evaluate(bounds.high, before))
    return low, high


def _whole(bounds: nodes.Range, low: float, high: float, far: int) -> tuple[int, int]:
    last = far if high == inf else math.ceil(high) - (not bounds.closed_high)
    if low == -inf:
        return (-8 if last > 0 else last - 40), last
    return math.floor(low) + (not bounds.closed_low), last


@st.composite
def offsets(draw: st.DrawFn, batch: int, queries: int, keys: int) -> int | tuple[int, ...] | None:
    """None, inside of the keys, anywhere, or one for each batch row."""
    inside, anywhere = st.integers(0, max(0, keys - queries)), st.integers(-queries - 5, keys + 20)
    far = st.sampled_from([2**31 - 3, 2**33, -(2**33)])
    kind = draw(st.sampled_from(["none", "inside", "anywhere", "each inside", "each", "far"]))
    if kind == "none":
        return None
    if kind.startswith("each"):
        return tuple(draw(inside if kind == "each inside" else st.one_of(anywhere, far)) for _ in range(batch))
    return draw({"inside": inside, "anywhere": anywhere, "far": far}[kind])
