"""What random specs of both kinds are made of."""

from __future__ import annotations

from hypothesis import strategies as st

from attngen.fuzz.language.expressions import bools, factors, ints
from attngen.fuzz.language.words import Names, fresh

FUNCTIONS = ("x div 3", "2 * x + 1", "(x + 4) mod 7", "max(x, 2)", "abs(x - 8)")
ASSERTIONS = ("M > 0", "H >= 1", "M + N < 100000", "D > 0")


def named(draw: st.DrawFn, names: Names) -> str:
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
            names.ints += [f"{name}({names.ints[0]})", f"{name}({names.ints[1]} - 1)"]
            return f"def {name}(x) = {draw(st.sampled_from(FUNCTIONS))}"
    known.append(name)
    return f"let {name} = {text}"


def asserted(draw: st.DrawFn) -> list[str]:
    """Seldom, what calls must have."""
    return [f"assert {draw(st.sampled_from(ASSERTIONS))}"] if draw(st.integers(0, 9)) == 0 else []


def as_file(names: Names, clauses: list[str]) -> str:
    """The text of one attention."""
    parameters = f"({', '.join(names.parameters)})" if names.parameters else ""
    lines = "\n".join(f"  {clause}" for clause in clauses if clause)
    return f"attention random{parameters} {{\n{lines}\n}}\n"
