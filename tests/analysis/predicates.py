"""Random mask predicates as text, random calls, and what a mask is in numbers: evaluated by numpy, pair by pair."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from attngen.errors import Source
from attngen.ir import nodes
from attngen.ir.check import check
from attngen.ir.expr import Apply, Constant, Expr, Parameter, Read, Size, Variable

HEADER = """attention random(w: int in [0, inf), g: int in [1, inf), s: int) {
  input seen[n]: bool
  input chosen[h]: bool
  input place[n]: int
  input table[m]: int
  input near[n]: int in [0, 3]
  input length[b]: int in [1, inf)
  mask """
MORE = settings(max_examples=int(os.environ.get("ATTNGEN_FACTOR", "2")) * settings.default.max_examples)
"""A predicate is checked in a moment, and few of them meet any given rule."""


def variant(mask: str) -> nodes.Variant:
    """The variant with a mask over i, j, h, the parameters w, g, s and the inputs of `HEADER`."""
    return check(Source("random.attn", f"{HEADER}{mask} }}"))[0]


# predicates

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
NUMBERS = st.sampled_from(("s", "w", "g", "0", "1", "3", "M - 1", "length[b]", "-s", "w - s", "(M - 1) div g"))
OF_POSITION = (
    *("{v}",) * 5,
    "{v} div g",
    "({v} + s) div g",
    "({v} - w) div 2",
    "{v} div g * g",
    "{v} mod g",
    "({v} + s) mod 3",
    "2 * {v}",
    "-{v}",
    "g * {v}",
    "s * {v}",
    "w - {v}",
    "abs({v} - w)",
    "abs({v} - s)",
    "min({v}, w)",
    "max({v} - s, 0)",
    "clamp({v}, s, w)",
    "clamp({v} - w, 0, max(M - g, 0))",
    "(if h >= H div 2 then {v} else {v} + s)",
    "(if h >= H div 2 then {v} + g div 2 else {v}) div g",
    "(if {v} < w then {v} else s)",
    "(if {v} mod g == 0 then {v} + 1 else {v})",
    "table[{v}]",
    "table[{v} div g]",
    "place[{v}]",
    "near[{v}]",
    "({v} - near[{v}])",
)
OF_ANY_INT = tuple(form for form in OF_POSITION if "place" not in form and "near" not in form)
OF_BOTH = (
    "abs(i - j)",
    "abs(i div g - j div g)",
    "max(i, j)",
    "min(i - j, w)",
    "(i - j) div g",
    "(if j <= i then i - j else j - i)",
    "abs(abs(i - j) - s)",
    "max(i - j, j - s)",
    "clamp(j - i, s, w)",
    "(i - j) * g",
    "i * j",
)
FIXED = ("h >= H div 2", "chosen[h]", "s < w", "length[b] > w", "N == M", "true", "false")
PLAIN = ("seen[i]", "seen[j]", "seen[j] == seen[i]", "i < w", "i mod g == 0", "place[i] <= s", "near[i] < 4", "j <= i")


@st.composite
def terms(draw: st.DrawFn, v: str) -> str:
    """An int of the position `v`, one or two operations deep."""
    text = draw(st.sampled_from(OF_POSITION)).format(v=v)
    again = draw(st.integers(0, 3)) == 3
    return draw(st.sampled_from(OF_ANY_INT)).format(v=f"({text})") if again else text


@st.composite
def atoms(draw: st.DrawFn) -> str:
    """One comparison, a chain of two, or a bool of its own."""
    compare = st.sampled_from(COMPARISONS)
    match draw(st.integers(0, 6)):
        case 0:
            return f"{draw(st.sampled_from(OF_BOTH))} {draw(compare)} {draw(NUMBERS)}"
        case 1:
            low, high = draw(st.sampled_from((("<", "<="), ("<=", "<"), ("<=", "<="), (">", ">="))))
            return f"{draw(NUMBERS)} {low} {draw(terms('i'))} - {draw(terms('j'))} {high} {draw(NUMBERS)}"
        case 2:
            return draw(st.sampled_from((*FIXED, *PLAIN)))
        case 3:
            return f"{draw(terms('j'))} {draw(compare)} {draw(NUMBERS)}"
    sign = draw(st.sampled_from("+-"))
    return f"{draw(terms('i'))} {sign} {draw(NUMBERS)} {draw(compare)} {draw(terms('j'))}"


@st.composite
def predicates(draw: st.DrawFn, depth: int = 2) -> str:
    """A mask over i and j."""
    form = 0 if depth == 0 else draw(st.integers(0, 7))
    if form <= 1:
        return draw(atoms())
    left = draw(predicates(depth - 1))
    if form == 2:
        return f"not ({left})"
    right = draw(predicates(depth - 1))
    if form == 3:
        condition = draw(st.sampled_from((*FIXED, *PLAIN)) | atoms())
        return f"(if {condition} then {left} else {right})"
    return f"(({left}) {'and' if form <= 5 else 'or'} ({right}))"


# calls


@dataclass(frozen=True)
class Call:
    """The numbers of one call of one head."""

    N: int
    M: int
    offset: int
    query_tile: int
    key_tile: int
    names: Mapping[str, int]
    seed: int = 0

    @property
    def environment(self) -> dict[str, int | float | bool]:
        sizes = {"N": self.N, "M": self.M, "B": 1, "D": 4, "E": 4, "b": 0}
        return {**sizes, "H": 2, "h": 0, "KEY_TILE": self.key_tile, **self.names}

    def read(self, name: str, indices: tuple[int, ...]) -> int | bool:
        """Some value for each element, in its range."""
        mixed = hash((self.seed, name, *(int(index) for index in indices))) % 7919
        if name in ("seen", "chosen"):
            return mixed % 2 == 0
        return {"near": mixed % 4, "length": 1 + mixed % 20}.get(name, mixed % 23 - 4)

    def query_tiles(self) -> list[tuple[int, int]]:
        """The first and the last position of each query tile."""
        starts = range(0, self.N, self.query_tile)
        return [(a + self.offset, min(a + self.query_tile, self.N) - 1 + self.offset) for a in starts]


@st.composite
def calls(draw: st.DrawFn, names: Mapping[str, st.SearchStrategy[int]], inside: bool = False) -> Call:
    """Sizes up to 24, and offsets where rows stand before 0 or beyond M, unless `inside`."""
    keys = draw(st.integers(1, 24))
    queries = draw(st.integers(1, keys if inside else 24))
    offset = draw(st.integers(0, keys - queries) if inside else st.just(keys - queries) | st.integers(-6, 26))
    tiles = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    values = {name: draw(strategy) for name, strategy in names.items()}
    return Call(queries, keys, offset, *tiles, {"h": draw(st.integers(0, 1)), **values}, draw(st.integers(0, 99)))


PARAMETERS = {"w": st.integers(0, 9), "g": st.integers(1, 7), "s": st.integers(-5, 8)}
RANDOM_CALLS = st.lists(calls(PARAMETERS), min_size=3, max_size=3)


# what a mask is

NUMPY: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "div": np.floor_divide, "mod": np.mod, "neg": np.negative,
    "abs": np.abs, "min": np.minimum, "max": np.maximum, "clamp": lambda x, a, b: np.minimum(np.maximum(x, a), b),
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
    "and": np.logical_and, "or": np.logical_or, "not": np.logical_not, "if": np.where,
}  # fmt: skip


def values(expr: Expr, call: Call, names: Mapping[str, Any]) -> Any:
    """An int or bool expression on arrays."""
    match expr:
        case Constant():
            return expr.value
        case Variable() | Parameter():
            return names[expr.name]
        case Size():
            return names[expr.axis]
        case Read():
            indices = np.broadcast_arrays(*(values(index, call, names) for index in expr.indices))
            kind = bool if expr.kind.value == "bool" else int
            flat = [call.read(expr.input, each) for each in zip(*(index.ravel() for index in indices), strict=True)]
            return np.array(flat, kind).reshape(indices[0].shape)
        case Apply():
            return NUMPY[expr.function](*(values(argument, call, names) for argument in expr.arguments))
    raise TypeError(expr)


def live_pairs(mask: Expr, call: Call) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether query row r sees key j: [N, M]."""
    i = np.arange(call.N)[:, None] + call.offset
    j = np.arange(call.M)[None, :]
    found = values(mask, call, {**call.environment, "i": i, "j": j})
    return np.broadcast_to(np.asarray(found, bool), (call.N, call.M))
