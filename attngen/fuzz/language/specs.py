"""Random specs with every clause."""

from __future__ import annotations

from hypothesis import strategies as st

from attngen.fuzz.language.expressions import bools, factors, ints, products, scores
from attngen.fuzz.language.words import Names, declared, fresh

DIVIDED = ("normalize sum(1e-3)", "normalize count", "normalize none")
SINKS = ("0.5", "-1", "h", "0.25 * h - 1")
PARTITIONS = ("partition ring(layout=zigzag)", "partition ring(layout=striped, block=64)")
FUNCTIONS = ("x div 3", "2 * x + 1", "(x + 4) mod 7", "max(x, 2)", "abs(x - 8)")
ASSERTIONS = ("M > 0", "H >= 1", "M + N < 100000", "D > 0")
ORDERS = ("M - 1 - {}", "({} + 5) mod M", "(if h mod 2 == 0 then {} else M - 1 - {})")
DECAYS = ("1", "0.9", "-0.5", "exp(-abs({h}))", "exp(-abs({t}))", "sigmoid({t})", "exp(-abs({tc}))", "exp(-abs({hc}))")
WRITTEN = ("outer(k, v)", "outer(tanh(k), v)", "0.5 * outer(l2norm(k), silu(v))", "sigmoid({t}) * outer(k, v)")
U = "outer(l2norm(k), dot(l2norm(k), S))"
ERASED = ("", "", f" - sigmoid({{t}}) * {U}", f" - 0.5 * {U}")
READ = ["dot(q, S)", "scale * dot(q, S)", "dot(tanh(q), S)", "dot(q, prev(S))", "dot(q, S) + 0.5 * v"]
READ += ["dot(q, S) * sigmoid({h})"]
GAPS = {"h": "[h]", "t": "[b, h, t]", "hc": "[h, c]", "tc": "[b, h, t, c]"}
"""Inputs of recurrences: their axes, which are also how they are read."""


@st.composite
def specs(draw: st.DrawFn, depth: int = 3) -> str:
    """The text of a file with one attention; over pairs most of the time."""
    return draw(recurrent()) if draw(st.integers(0, 4)) == 0 else draw(pairwise(depth))


@st.composite
def pairwise(draw: st.DrawFn, depth: int = 3) -> str:
    """A mask, a score or a weight, and how weights are divided."""
    names = Names()
    draw(declared(names))
    clauses = [*names.inputs, *(_named(draw, names) for _ in range(draw(st.integers(0, 2))))]
    if draw(st.integers(0, 9)) == 0:
        clauses.append(_order(draw, names))
    body, normalized = _weights(draw, names, depth)
    clauses.append(body)
    if draw(st.integers(0, 9)):
        clauses.append(f"mask {draw(bools(names, depth))}")
    clauses += normalized
    if draw(st.integers(0, 9)) == 0:
        clauses.append(f"assert {draw(st.sampled_from(ASSERTIONS))}")
    if draw(st.integers(0, 19)) == 0:
        clauses.append(draw(st.sampled_from(PARTITIONS)))
    return _file(names, clauses)


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


def _named(draw: st.DrawFn, names: Names) -> str:
    """A let or a def; what follows may speak of it."""
    name = draw(fresh(names))
    match draw(st.sampled_from(["int", "bool", "float", "function"])):
        case "int":
            text, known = draw(ints(names, 2)), names.ints
        case "bool":
            text, known = draw(bools(names, 1)), names.bools
        case "float":
            text, known = draw(factors(names, 2)), names.floats
        case _:
            names.ints += [f"{name}(i)", f"{name}(j - 1)"]
            return f"def {name}(x) = {draw(st.sampled_from(FUNCTIONS))}"
    known.append(name)
    return f"let {name} = {text}"


def _order(draw: st.DrawFn, names: Names) -> str:
    name = draw(fresh(names))
    names.ints += [f"{name}(i)", f"{name}(j)"] * 3
    return f"order {name}(x) = {draw(st.sampled_from(ORDERS)).replace('{}', 'x')}"


@st.composite
def recurrent(draw: st.DrawFn) -> str:
    """A state that decays and is written to, and what is read from it."""
    names = Names()
    forms = [draw(st.sampled_from(each)) for each in (DECAYS, WRITTEN, ERASED, READ)]
    inputs = {}
    for gap, axes in GAPS.items():
        if any(f"{{{gap}}}" in form for form in forms):
            name = draw(fresh(names))
            inputs[gap] = f"{name}{axes}"
            names.inputs.append(f"input {name}{axes}: float")
    decay, written, erased, out = (_gaps_filled(form, inputs) for form in forms)
    clauses = [*names.inputs]
    if draw(st.integers(0, 5)) == 0:
        clauses.append(f"order p_(x) = {draw(st.sampled_from(['M - 1 - x', '(x + 3) mod M']))}")
    clauses.append(f"state S = {decay} * S + {written}{erased}")
    if draw(st.integers(0, 3)) == 0:
        clauses.append("state Z = 0.5 * Z + k")
        out = f"{out} / (1 + abs(dot(q, Z)))"
    return _file(names, [*clauses, f"out {out}"])


def _gaps_filled(form: str, inputs: dict[str, str]) -> str:
    for gap, read in inputs.items():
        form = form.replace(f"{{{gap}}}", read)
    return form


def _file(names: Names, clauses: list[str]) -> str:
    parameters = f"({', '.join(names.parameters)})" if names.parameters else ""
    lines = "\n".join(f"  {clause}" for clause in clauses if clause)
    return f"attention random{parameters} {{\n{lines}\n}}\n"
