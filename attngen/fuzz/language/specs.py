"""Random specs with every clause."""

from __future__ import annotations

from hypothesis import strategies as st

from attngen.fuzz.language.clauses import FUNCTIONS, as_attention, asserted, named, seldom
from attngen.fuzz.language.expressions import bools, factors, products, scores
from attngen.fuzz.language.recurrences import recurrent
from attngen.fuzz.language.words import INPUTS_OF_PAIRS, PLAIN, Names, declared, fresh, numbers_of, of_heads, of_pairs

EPS = ("1e-3", "1e-3", "0.5 / (1 + M)", "2 ^ (-H)", "D / 100")
SINKS = ("0.5", "-1", "h", "0.25 * h - 1")
PARTITIONS = ("partition ring(layout=zigzag)", "partition ring(layout=striped, block=64)")
ORDERS = ("M - 1 - {}", "({} + 5) mod M", "(if h mod 2 == 0 then {} else M - 1 - {})")


@st.composite
def specs(draw: st.DrawFn, depth: int = 3) -> str:
    """The text of a file: an attention, seldom with another behind it, and functions that both may use."""
    if draw(st.integers(0, 14)) < 14:
        return draw(attentions(depth))
    shared = draw(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=2, unique=True))
    functions = [f"def {name}(x) = {draw(st.sampled_from(FUNCTIONS))}\n" for name in shared]
    first, second = (draw(attentions(depth, name, tuple(shared))) for name in ("random", "another"))
    return "\n".join(["".join(functions), first, second]).lstrip()


@st.composite
def attentions(draw: st.DrawFn, depth: int, name: str = "random", shared: tuple[str, ...] = ()) -> str:
    """Over pairs most of the time."""
    return draw(recurrent(name, shared)) if draw(st.integers(0, 4)) == 4 else draw(pairwise(depth, name, shared))


@st.composite
def pairwise(draw: st.DrawFn, depth: int = 3, name: str = "random", shared: tuple[str, ...] = ()) -> str:
    """A mask, a score or a weight, and how weights are divided."""
    names = of_pairs()
    names.share(shared)
    draw(declared(names, INPUTS_OF_PAIRS))
    heads = of_heads(names)
    clauses = [named(draw, names) for _ in range(draw(st.integers(0, 2)))]
    if seldom(draw):
        clauses.append(_order(draw, names))
    body, normalized = _weights(draw, names, heads, depth)
    clauses.append(body)
    if draw(st.integers(0, 9)):
        clauses.append(f"mask {draw(bools(names, depth))}")
    clauses += normalized
    clauses += asserted(draw)
    if seldom(draw):
        clauses.append(draw(st.sampled_from(PARTITIONS)))
    return as_attention(draw, names, clauses, name)


def _weights(draw: st.DrawFn, names: Names, heads: Names, depth: int) -> tuple[str, list[str]]:
    """What a pair weighs, and how weights are divided."""
    match draw(st.sampled_from(["score", "score", "none", "weight", "sink"])):
        case "none":
            return "", []
        case "weight":
            weight = draw(st.one_of(scores(names, depth - 1), products().map("exp(scale * {} / 4)".format)))
            # A sum of weights that may be negative can come near 0.
            divided = ["sum"] * ("exp(" in weight) + ["count", "none"]
            method = draw(st.sampled_from(divided))
            return f"weight {weight}", [f"normalize {method}" + (f"({_eps(draw, names)})" if method == "sum" else "")]
        case "sink":
            return f"score {draw(scores(names, depth - 1))}", [_sink(draw, names, heads)]
        case _:
            softmax = draw(st.sampled_from(["", "", "normalize softmax"]))
            return f"score {draw(scores(names, depth - 1))}", [softmax]


def _sink(draw: st.DrawFn, names: Names, heads: Names) -> str:
    """A number, or what an input of its own says, alone or with others."""
    match draw(st.sampled_from(["number", "computed", "input"])):
        case "number":
            return f"sink {draw(st.sampled_from(SINKS))}"
        case "computed":
            return f"sink {draw(factors(heads, 2))}"
        case _:
            name, axes = draw(fresh(names)), draw(st.sampled_from(["[h]", "[b]", "[b, h]"]))
            own = f"{name}{axes}"
            sink = draw(st.sampled_from(["{}", "{} + {other}", "(if h mod 2 == 0 then {} else {other})"]))
            written = sink.replace("{}", own).replace("{other}", draw(factors(heads, 1)))
            names.inputs.append(f"input {own}: float")
            return f"sink {written}"


def _eps(draw: st.DrawFn, names: Names) -> str:
    """What is added to a sum of weights: above 0."""
    return draw(st.sampled_from([*EPS, *map("0.1 * {}".format, numbers_of(names))]))


def _order(draw: st.DrawFn, names: Names) -> str:
    name = draw(fresh(names))
    names.ints += [f"{name}(i)", f"{name}(j)"] * 3
    return f"order {name}(x) = {draw(st.sampled_from(ORDERS)).replace('{}', 'x')}"
