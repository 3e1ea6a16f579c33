"""Random expressions, well typed by construction, as text with every parenthesis."""

from __future__ import annotations

from hypothesis import strategies as st

from attngen.fuzz.language.words import Names

ROWS = (
    "{}", "{}", "{}", "tanh({})", "(elu({}) + 1)", "l2norm({})", "relu({})", "silu({})", "({} / (1 + abs({})))",
    "rotate({}, {} * theta(100))", "({} * cos(0.1 * {}))",
)  # fmt: skip
"""What a row may become before a product; the second gap is its position."""
SMALL = ("tanh({})", "sigmoid({})", "sin({})", "cos({})", "min(max({}, -3), 3)", "({} / (1 + abs({})))")
"""What keeps any float small."""


@st.composite
def ints(draw: st.DrawFn, names: Names, depth: int) -> str:
    if depth <= 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.one_of(st.sampled_from([*names.ints[:2], *names.ints]), st.integers(0, 9).map(str)))
    below = ints(names, depth - 1)
    match draw(st.sampled_from(["+", "-", "*", "div", "mod", "min", "max", "abs", "if", "clamp", "floor"])):
        case "div" | "mod" as operator:
            return f"({draw(below)} {operator} {draw(divisors(names))})"
        case "*":
            return (
                f"({draw(st.integers(-3, 4))} * {draw(below)})"
                if draw(st.booleans())
                else f"({draw(below)} * {draw(below)})"
            )
        case "min" | "max" as function:
            return f"{function}({draw(below)}, {draw(below)})"
        case "abs":
            return f"abs({draw(below)})"
        case "if":
            return f"(if {draw(bools(names, depth - 1))} then {draw(below)} else {draw(below)})"
        case "clamp":
            return f"clamp({draw(below)}, 0, {draw(divisors(names))})"
        case "floor":
            function = draw(st.sampled_from(["floor", "ceil"]))
            return f"{function}({draw(st.sampled_from(['0.25', '0.5', '1.5']))} * {draw(below)})"
        case operator:
            return f"({draw(below)} {operator} {draw(below)})"


@st.composite
def divisors(draw: st.DrawFn, names: Names) -> str:
    """At least 1."""
    return draw(st.one_of(st.integers(1, 9).map(str), st.sampled_from(names.positive or ["4"])))


@st.composite
def bools(draw: st.DrawFn, names: Names, depth: int) -> str:
    if depth <= 0 or draw(st.integers(0, 3)) == 0:
        return f"({draw(st.sampled_from(names.bools))})"
    below = bools(names, depth - 1)
    match draw(st.sampled_from(["and", "or", "not", "compare", "compare", "chain", "floats", "same", "if", "equal"])):
        case "not":
            return f"(not {draw(below)})"
        case "compare":
            operator = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
            return f"({draw(ints(names, depth - 1))} {operator} {draw(ints(names, depth - 1))})"
        case "chain":
            first, second = draw(st.sampled_from([("<=", "<"), ("<", "<="), (">=", ">"), ("<=", "<=")]))
            parts = [draw(ints(names, depth - 1)) for _ in range(3)]
            return f"({parts[0]} {first} {parts[1]} {second} {parts[2]})"
        case "floats":
            left, right = (draw(factors(names, depth - 1)) for _ in range(2))
            return f"({left} {draw(st.sampled_from(['<', '>=']))} {right})"
        case "same":
            size, operator = draw(divisors(names)), draw(st.sampled_from(["div", "mod"]))
            return f"({draw(ints(names, 1))} {operator} {size} == {draw(ints(names, 1))} div {size})"
        case "if":
            return f"(if {draw(below)} then {draw(below)} else {draw(below)})"
        case "equal":
            return f"({draw(below)} {draw(st.sampled_from(['==', '!=']))} {draw(below)})"
        case operator:
            return f"({draw(below)} {operator} {draw(below)})"


@st.composite
def factors(draw: st.DrawFn, names: Names, depth: int) -> str:
    """A float of positions and inputs, with no product of rows; small unless an int is large."""
    if depth <= 0 or draw(st.integers(0, 2)) == 0:
        return draw(st.one_of(st.sampled_from(["0.5", "1.5", "-0.25", "2.0"]), st.sampled_from(names.floats)))
    below = factors(names, depth - 1)
    match draw(st.sampled_from(["+", "-", "*", "/", "small", "distance", "if", "max", "power", "softplus"])):
        case "/":
            return f"({draw(below)} / (1 + abs({draw(below)})))"
        case "small":
            inner = draw(below)
            return draw(st.sampled_from(SMALL)).replace("{}", inner)
        case "distance":
            inner = draw(ints(names, 1))
            return draw(
                st.sampled_from(["(0.1 * ({}))", "log(1 + abs({}))", "sqrt(abs({}))", "(1 / (1 + abs({})))"])
            ).format(inner)
        case "if":
            return f"(if {draw(bools(names, depth - 1))} then {draw(below)} else {draw(below)})"
        case "max":
            return f"{draw(st.sampled_from(['min', 'max']))}({draw(below)}, {draw(below)})"
        case "power":
            return draw(st.sampled_from(names.powers))
        case "softplus":
            return f"softplus({draw(below)})"
        case operator:
            return f"({draw(below)} {operator} {draw(below)})"


@st.composite
def products(draw: st.DrawFn) -> str:
    """Of a query's and a key's row, of the size of 1."""
    query, key = (draw(st.sampled_from(ROWS)) for _ in "qk")
    return f"dot({_filled(query, 'q', 'i')}, {_filled(key, 'k', 'j')})"


def _filled(form: str, row: str, position: str) -> str:
    if form.startswith("rotate") or "cos" in form:
        return form.format(row, position)
    return form.replace("{}", row)


@st.composite
def scores(draw: st.DrawFn, names: Names, depth: int) -> str:
    """A float with a product of rows, most of the time."""
    product = f"scale * {draw(products())}"
    match draw(st.sampled_from(["plain", "plain", "added", "times", "capped", "if", "two", "none", "inside"])):
        case "added":
            return f"{product} {draw(st.sampled_from('+-'))} {draw(factors(names, depth))}"
        case "times":
            return f"{product} * {draw(factors(names, depth))}"
        case "capped":
            return f"3 * tanh({product} / 3)"
        case "if":
            return f"(if {draw(bools(names, depth))} then {product} else {draw(factors(names, depth))})"
        case "two":
            return f"{product} + 0.5 * {draw(products())} * scale"
        case "none":
            return draw(factors(names, depth))
        case "inside":
            function = draw(st.sampled_from(["sigmoid", "tanh", "silu", "softplus"]))
            return f"{function}({product} + {draw(factors(names, depth))})"
        case _:
            return product
