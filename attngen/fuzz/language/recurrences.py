"""Random recurrences: states that decay, are written to and erased from, and what is read from them."""

from __future__ import annotations

from hypothesis import strategies as st

from attngen.fuzz.language.clauses import as_attention, asserted, named, seldom
from attngen.fuzz.language.expressions import SMALL, bools, factors
from attngen.fuzz.language.words import INPUTS_OF_TOKENS, Names, declared, fresh, of_tokens

KEYS = (
    "{0}", "{0}", "l2norm({0})", "tanh({0})", "(elu({0}) + 1)", "exp({0} / 4)", "({0} * {1})", "({0} + {1})",
    "rotate({0}, t * theta(100))",
)  # fmt: skip
VALUES = ("v", "v", "silu(v)", "tanh(v)", "(v * {1})", "(v + 0.5 * {1})", "(v / (1 + abs(v)))")
"""What rows become; the second gap is an input of rows, or a number."""
ORDERS = ("M - 1 - x", "(x + 3) mod M")


@st.composite
def recurrent(draw: st.DrawFn, name: str = "random", shared: tuple[str, ...] = ()) -> str:
    """One or two states of matrices, seldom one of rows, and what is read from them."""
    names = of_tokens()
    names.share(shared)
    draw(declared(names, INPUTS_OF_TOKENS))
    clauses = [named(draw, names) for _ in range(draw(st.integers(0, 2)))]
    if seldom(draw):
        clauses.append(f"order {draw(fresh(names))}(x) = {draw(st.sampled_from(ORDERS))}")
    if names.matrices:
        clauses.append(f"state S = {_decay(draw, names, by_rows=False)} * S + outer({_features(names, 'k')}, v)")
        out = f"dot({_features(names, 'q')}, S)"
    else:
        clauses.append(f"state S = {_update(draw, names, 'S')}")
        out = _read(draw, names, "S")
    if draw(st.integers(0, 4)) == 4:
        clauses.append(f"state T = {_update(draw, names, 'T')}")
        out = f"{out} {draw(st.sampled_from('+-'))} {_read(draw, names, 'T')}"
    if draw(st.integers(0, 3)) == 3:
        clauses.append(f"state Z = {_decay(draw, names, by_rows=False)} * Z + {_row(draw, names, 'k')}")
        out = f"({out}) / (1 + abs(dot({_row(draw, names, 'q')}, Z)))"
    return as_attention(draw, names, [*clauses, f"out {out}", *asserted(draw)], name)


def _features(names: Names, row: str) -> str:
    """A row over an axis of an input's own."""
    return f"sigmoid(dot({names.matrices[0]}, {row}))"


def _update(draw: st.DrawFn, names: Names, state: str) -> str:
    """What a token makes of a state."""
    erases = draw(st.integers(0, 2)) == 2
    decay = _decay(draw, names, by_rows=True)
    before = state if decay == "1" else f"{decay} * {state}"
    written = f"outer({_row(draw, names, 'k')}, {_row(draw, names, 'v')})"
    if draw(st.booleans()):
        written = f"{_small(draw, names)} * {written}"
    if not erases:
        return f"{before} {draw(st.sampled_from('+-'))} {written}"
    gate = draw(st.one_of(st.just("0.5"), factors(names, 1).map("sigmoid({})".format)))
    erased = draw(st.sampled_from([state, before]))  # before a token's decay, or after it
    return f"{before} - {gate} * outer(l2norm(k), dot(l2norm(k), {erased})) + {written}"


def _decay(draw: st.DrawFn, names: Names, *, by_rows: bool) -> str:
    """Between -1 and 1."""
    kinds = ["none", "number", "scalar", "scalar", "if", "documents", *(["rows", "rows"] if by_rows else [])]
    match draw(st.sampled_from(kinds)):
        case "none":
            return "1"
        case "documents":
            name = draw(fresh(names))
            names.inputs.append(f"input {name}[b, n]: int sorted")
            return f"(if {name}[b, t] == prev({name}[b, t]) then 1 else 0)"
        case "number":
            return draw(st.sampled_from(["0.9", "-0.5", "0"]))
        case "if":
            return f"(if {draw(bools(names, 1))} then {draw(st.sampled_from(['1', '0', '0.7']))} else 0.9)"
        case "rows":
            row = draw(st.sampled_from([*names.rows_of_keys * 3, "k"]))
            return draw(st.sampled_from(["exp(-abs({}))", "sigmoid({})", "tanh({})"])).format(row)
        case _:
            form = draw(st.sampled_from(["exp(-abs({}))", "sigmoid({})", "tanh({})", "exp(-softplus({}))"]))
            return form.format(draw(factors(names, 2)))


def _small(draw: st.DrawFn, names: Names) -> str:
    """A factor of a token."""
    inner = draw(factors(names, 2))
    return draw(st.sampled_from([*SMALL, "0.5"])).replace("{}", inner)


def _row(draw: st.DrawFn, names: Names, rows: str) -> str:
    """What a row of q, k or v becomes."""
    forms, others = (VALUES, names.rows_of_values) if rows == "v" else (KEYS, names.rows_of_keys)
    return draw(st.sampled_from(forms)).format(rows, draw(st.sampled_from(others or ["0.5"])))


def _read(draw: st.DrawFn, names: Names, state: str) -> str:
    """What a token reads from a state: after its own write, or before."""
    row, other = _row(draw, names, "q"), draw(st.sampled_from(names.rows_of_keys or ["0.5"]))
    now = f"dot({row}, {state})"
    match draw(st.sampled_from(["plain", "plain", "scaled", "before", "bonus", "gated", "beside", "inside", "twice"])):
        case "scaled":
            return f"scale * {now}"
        case "before":
            return f"dot({row}, prev({state}))"
        case "bonus":
            return f"dot({row}, prev({state})) + dot(q, {other} * k) * v"
        case "twice":
            return f"{now} + 0.5 * dot(k, {draw(st.sampled_from([state, f'prev({state})']))})"
        case "gated":
            return f"{now} * {_small(draw, names)}"
        case "beside":
            return f"{now} + {_small(draw, names)} * {_row(draw, names, 'v')}"
        case "inside":
            return f"{draw(st.sampled_from(['silu', 'tanh', 'relu']))}({now})"
        case _:
            return now
