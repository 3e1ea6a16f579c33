"""What random specs of both kinds are made of."""

from __future__ import annotations

from hypothesis import strategies as st

from attngen.fuzz.language.expressions import bools, factors, ints
from attngen.fuzz.language.words import Names, fresh

FUNCTIONS = ("x div 3", "2 * x + 1", "(x + 4) mod 7", "max(x, 2)", "abs(x - 8)")
OF_TWO = ("x - 2 * y", "max(x, y) mod 5", "x div 4 + y", "min(abs(x), abs(y))", "if x < y then x else 0")
ASSERTIONS = ("M > 0", "H >= 1", "M + N < 100000", "D > 0")
DOCS = (
    "Causal.", "", "a\\b \\n", "it's {k} %s %", "# mask j", "\u00e9 \u2264 \U0001f600",
    "two\n  lines", "*/ // '''", "\\",
)  # fmt: skip
"""What a docstring, a comment of C and a formatter may stumble over."""
HINTS = ("schedule {}", "schedule { fast }", "schedule { tile = 64, stages = M div 2 }")
COMMENTS = ("# words", "#", '# "', "# mask j <= i }", "# \u2264 #")


def named(draw: st.DrawFn, names: Names) -> str:
    """A let or a def; what follows may speak of it."""
    name = draw(fresh(names))
    match draw(st.sampled_from(["int", "bool", "float", "function", "function of two"])):
        case "int":
            text, known = draw(ints(names, 2)), names.ints
        case "bool":
            text, known = draw(bools(names, 1)), names.bools
        case "float":
            text, known = draw(factors(names, 2)), names.floats
        case "function":
            names.ints += [f"{name}({names.ints[0]})", f"{name}({names.ints[1]} - 1)"]
            return f"def {name}(x) = {draw(st.sampled_from(FUNCTIONS))}"
        case _:
            names.ints += [f"{name}({names.ints[0]}, {names.ints[1]})", f"{name}({names.ints[1]}, 3)"]
            return f"def {name}(x, y) = {draw(st.sampled_from(OF_TWO))}"
    known.append(name)
    return f"let {name} = {text}"


def asserted(draw: st.DrawFn) -> list[str]:
    """Seldom, what calls must have."""
    return [f"assert {draw(st.sampled_from(ASSERTIONS))}"] if seldom(draw) else []


def as_attention(draw: st.DrawFn, names: Names, clauses: list[str], name: str) -> str:
    """The text of an attention, its parameters and inputs first; seldom with words about it that change nothing."""
    parameters = f"({', '.join(names.parameters)})" if names.parameters else ""
    lines = [clause for clause in (*names.inputs, *clauses) if clause]
    if seldom(draw):
        lines.insert(0, f'doc "{draw(st.sampled_from(DOCS))}"')
    if seldom(draw):
        lines.append(draw(st.sampled_from(HINTS)))
    if seldom(draw):
        at, comment = draw(st.integers(0, len(lines))), draw(st.sampled_from(COMMENTS))
        lines[at:at] = [comment]
        lines[-1] += f"  {comment}"
    body = "".join(f"  {line}\n" for line in lines)
    return f"attention {name}{parameters} {{\n{body}}}\n"


def seldom(draw: st.DrawFn) -> bool:
    """About one in ten; what is made small loses it."""
    return draw(st.integers(0, 9)) == 9
