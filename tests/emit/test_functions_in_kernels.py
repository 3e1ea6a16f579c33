"""Every function of the language means in kernels and on the host what the interpreter says."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attngen
from attngen.emit.python import PYTHON, PythonPrinter
from attngen.emit.triton.printer import EXACT
from attngen.fuzz.call import Call
from attngen.fuzz.oracle import assert_close, expected
from attngen.ir.evaluate import evaluate
from attngen.ir.expr import Apply, Constant, Kind, Parameter
from attngen.ir.functions import FUNCTIONS, SCALAR, Takes

FEW = settings(max_examples=max(2, settings().max_examples // 8))
# x and y are floats from -2 to 2, u is positive.
SCORES = {
    **{f"{name}({{x}})": (name,) for name in "exp tanh sigmoid softplus relu elu silu sin cos abs".split()},
    **{f"{name}({{u}})": (name,) for name in "log log2 sqrt rsqrt".split()},
    "{x} + {y} - {u} * {x} / ({u} + 1)": ("+", "-", "*", "/"),
    "-{x}": ("neg",),
    "min({x}, {y}) * max({x}, {u})": ("min", "max"),
    "clamp({x}, -0.5, {u})": ("clamp",),
    "{u} ^ {y}": ("^",),
    "{x} ^ floor({y})": ("^", "floor", "float"),
    "(if {x} < {y} and not {x} > 1.0 or {u} == {y} then {x} else {y})": ("if", "<", ">", "==", "and", "or", "not"),
    "(if {x} <= {y} and {u} >= {x} and {x} != {y} then 1.0 else {x})": ("<=", ">=", "!="),
    "(floor({x} * 3) div 2 + ceil({y} * 5) mod 3) * 1.0": ("div", "mod", "ceil"),
}
MASKS = [
    "{f} > {y} / 2" if "{y}" in text else "{f} > {x} / 2" for text in SCORES
]  # decided in float64, on every backend
READS = {"{x}": "x[h, j]", "{y}": "w[h, i]", "{u}": "(abs(x[h, j]) + 0.1)"}
HOST = {"{x}": "left", "{y}": "right", "{u}": "(abs(left) + 0.1)"}


def filled(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def chosen(texts: list[str], otherwise: str) -> str:
    """One of many expressions by the parameter `which`, so that one kernel serves all."""
    for k, text in reversed(list(enumerate(texts))):
        otherwise = f"(if which == {k} then {text} else {otherwise})"
    return otherwise


@cache
def variant(place: str) -> attngen.Variant:
    inputs = "input x[h, j]: float input w[h, i]: float"
    if place == "score":
        terms = chosen([f"0.5 * ({filled(text, READS)})" for text in SCORES], "0.0")
        return attngen.load(
            f"attention scored(which: int) {{ {inputs} score scale * dot(q, k) + {terms} mask j <= i }}"
        )
    if place == "mask":
        tests = [filled(mask.replace("{f}", text), READS) for mask, text in zip(MASKS, SCORES, strict=True)]
        return attngen.load(f"attention masked(which: int) {{ {inputs} mask {chosen(tests, 'true')} }}")
    terms = chosen([f"0.5 * ({filled(text, HOST)})" for text in SCORES], "0.0")
    return attngen.load(
        f"attention hosted(which: int, left: float, right: float) {{ score scale * dot(q, k) * {terms} }}"
    )


def test_every_function_is_here() -> None:
    covered = {name for names in SCORES.values() for name in names}
    assert covered == SCALAR
    assert set(EXACT) >= SCALAR


def example(place: str, which: int, seed: int) -> Call:
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(1, 2, rows, 4, generator=generator) for rows in (5, 7, 7))
    x, y = (torch.rand(2, rows, generator=generator) * 4 - 2 for rows in (7, 5))
    x = torch.where(x.abs() < 0.2, 0.2, x)
    if place == "host":
        return Call(q, k, v, {"which": which, "left": float(x[0, 0]), "right": float(y[0, 0])})
    return Call(q, k, v, {"which": which}, {"x": x, "w": y})


def check(place: str, backend: str, which: int, seed: int) -> None:
    call = example(place, which, seed)
    kernel = attngen.build(variant(place), backend=backend, **call.parameters)
    y, lse = kernel(call.q, call.k, call.v, return_lse=True, **call.inputs)
    assert_close(expected(variant(place), call), y, lse)


@pytest.mark.parametrize("place", ["score", "mask", "host"])
@pytest.mark.parametrize("which", range(len(SCORES)), ids=list(SCORES))
def test_cpp(which: int, place: str) -> None:
    for seed in range(3):
        check(place, "cpp", which, seed)


@pytest.mark.parametrize("place", ["score", "mask", "host"])
@FEW
@given(which=st.integers(0, len(SCORES) - 1), seed=st.integers(0, 99))
def test_triton(place: str, which: int, seed: int) -> None:
    check(place, "triton", which, seed)


SMALL = st.one_of(st.floats(-30, 30), st.sampled_from([0.0, -800.0, 800.0]))


@pytest.mark.parametrize("name", sorted(SCALAR & set(PYTHON)))
@given(data=st.data())
def test_what_launchers_compute(name: str, data: st.DataObject) -> None:
    """Python's text gives the number that the host evaluation gives, or an error of Python's own."""
    function = FUNCTIONS[name]
    kind = {Takes.INTS: Kind.INT, Takes.BOOLS: Kind.BOOL}.get(function.takes, Kind.FLOAT)
    values = {Kind.INT: st.integers(-9, 9), Kind.BOOL: st.booleans(), Kind.FLOAT: SMALL}
    kinds = [Kind.BOOL, kind, kind] if name == "if" else [kind] * function.arity
    given_values = {f"p{k}": data.draw(values[one]) for k, one in enumerate(kinds)}
    expr = Apply(
        Kind.FLOAT, function=name, arguments=tuple(Parameter(one, name=f"p{k}") for k, one in enumerate(kinds))
    )
    text = PythonPrinter().text(expr)
    try:
        value = eval(text, {"math": math}, given_values)
    except (ArithmeticError, ValueError):
        return
    assert value == pytest.approx(evaluate(expr, given_values), rel=1e-12, abs=1e-300)


def test_constants_are_written_in_full() -> None:
    assert PythonPrinter().text(Constant(Kind.FLOAT, value=0.1)) == "0.1"
    assert PythonPrinter().text(Constant(Kind.FLOAT, value=-1e-30)) == "-1e-30"


@pytest.mark.parametrize("backend", ["cpp", "triton"])
@pytest.mark.parametrize("exponent", [-2, 0, 1, 3, 7])
def test_an_int_parameter_as_an_exponent(backend: str, exponent: int) -> None:
    text = "attention a(p: int) { score dot(q, k) ^ p + (i + 0.5) ^ (p + 1)  mask j <= i and (j - 1.5) ^ p < 100.0 }"
    kernel = attngen.build(text, backend=backend, p=exponent)
    rows = torch.linspace(0.5, 1.5, 1 * 2 * 6 * 8).reshape(1, 2, 6, 8)
    y = kernel(rows, rows, rows)
    assert torch.allclose(y.double(), kernel.reference(rows, rows, rows), atol=1e-5)


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_a_float_parameter_takes_an_int(backend: str) -> None:
    text = "attention a(p: float, r: int) { score dot(q, k) ^ p + abs(min(r, 3)) ^ dot(q, k) }"
    kernel = attngen.build(text, backend=backend, p=2, r=1)
    rows = torch.linspace(0.5, 1.5, 1 * 2 * 6 * 8).reshape(1, 2, 6, 8)
    y = kernel(rows, rows, rows)
    assert torch.allclose(y.double(), kernel.reference(rows, rows, rows), atol=1e-5)


@pytest.mark.parametrize("backend", ["cpp", "triton"])
@pytest.mark.parametrize(
    "mask",
    [
        "max(x[j], 0.1) > 0.1",
        "min(x[j], 0.1) < 0.1",
        "clamp(x[j], 0.1, 0.3) == 0.1",
        "(if j > 2 then x[j] else 0.1) == x[j]",
        "0.1 ^ x[j] == 0.1 ^ 0.1",
    ],
)
def test_numbers_in_masks_are_float64(mask: str, backend: str) -> None:
    """0.1 in float32 is another number; x holds it in float64, and its neighbours."""
    kernel = attngen.build(f"attention a {{ input x[j]: float mask {mask} }}", backend=backend)
    near = torch.tensor([0.1, 0.1 + 1e-9, 0.1 - 1e-9, 0.1, 0.1 + 1e-9, 0.1 - 1e-9, 0.3], dtype=torch.float64)
    rows = torch.zeros(1, 1, 7, 7)
    y = kernel(rows, rows, torch.eye(7)[None, None], x=near)
    wanted = kernel.reference(rows, rows, torch.eye(7)[None, None], x=near)
    assert torch.equal(y > 0, wanted > 0)
