"""Random specs with every clause."""

from __future__ import annotations

from hypothesis import strategies as st

from attngen.fuzz.language.clauses import as_file, asserted, named
from attngen.fuzz.language.expressions import bools, products, scores
from attngen.fuzz.language.recurrences import recurrent
from attngen.fuzz.language.words import INPUTS_OF_PAIRS, Names, declared, fresh, of_pairs

DIVIDED = ("normalize sum(1e-3)", "normalize count", "normalize none")
SINKS = ("0.5", "-1", "h", "0.25 * h - 1")
PARTITIONS = ("partition ring(layout=zigzag)", "partition ring(layout=striped, block=64)")
ORDERS = ("M - 1 - {}", "({} + 5) mod M", "(if h mod 2 == 0 then {} else M - 1 - {})")


@st.composite
def specs(draw: st.DrawFn, depth: int = 3) -> str:
    """The text of a file with one attention; over pairs most of the time."""
    return draw(recurrent()) if draw(st.integers(0, 4)) == 0 else draw(pairwise(depth))


@st.composite
def pairwise(draw: st.DrawFn, depth: int = 3) -> str:
    """A mask, a score or a weight, and how weights are divided."""
    names = of_pairs()
    draw(declared(names, INPUTS_OF_PAIRS))
    clauses = [*names.inputs, *(named(draw, names) for _ in range(draw(st.integers(0, 2))))]
    if draw(st.integers(0, 9)) == 0:
        clauses.append(_order(draw, names))
    body, normalized = _weights(draw, names, depth)
    clauses.append(body)
    if draw(st.integers(0, 9)):
        clauses.append(f"mask {draw(bools(names, depth))}")
    clauses += normalized
    clauses += asserted(draw)
    if draw(st.integers(0, 19)) == 0:
        clauses.append(draw(st.sampled_from(PARTITIONS)))
    return as_file(names, clauses)


def _weights(draw: st.DrawFn, names: Names, depth: int) -> tuple[str, list[str]]:
    """What a pair weighs, and how weights are divided."""
    match draw(st.sampled_from(["score", "score", "none", "weight", "sink"])):
        case "none":
            return "", []
        case "weight":
            weight = draw(st.one_of(scores(names, depth - 1), products().map("exp(scale * {} / 4)".format)))
            # A sum of weights that may be negative can come near 0.
            return f"weight {weight}", [draw(st.sampled_from(DIVIDED if "exp(" in weight else DIVIDED[1:]))]
        case "sink":
            return f"score {draw(scores(names, depth - 1))}", [f"sink {draw(st.sampled_from(SINKS))}"]
        case _:
            softmax = draw(st.sampled_from(["", "", "normalize softmax"]))
            return f"score {draw(scores(names, depth - 1))}", [softmax]


def _order(draw: st.DrawFn, names: Names) -> str:
    name = draw(fresh(names))
    names.ints += [f"{name}(i)", f"{name}(j)"] * 3
    return f"order {name}(x) = {draw(st.sampled_from(ORDERS)).replace('{}', 'x')}"
