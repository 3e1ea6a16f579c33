"""A short text can mean a huge tree: it ends quickly, with E0208 said once."""

from __future__ import annotations

import time

import pytest
from marked import checked, diagnostics, only

from attngen.analysis.doubts import doubts

HUGE = {
    "lets that double": "let a0 = i "
    + " ".join(f"let a{n} = a{n - 1} + a{n - 1}" for n in range(1, 41))
    + " mask a40 < 0",
    "lets that double, backwards": "mask a40 < 0 let a0 = i "
    + " ".join(f"let a{n} = a{n - 1} + a{n - 1}" for n in range(40, 0, -1)),
    "a long chain of lets": "let a0 = i "
    + " ".join(f"let a{n} = a{n - 1} + 1" for n in range(1, 2000))
    + " mask a1999 < 0",
    "a long chain of lets, backwards": "mask a1999 < 0 let a0 = i "
    + " ".join(f"let a{n} = a{n - 1} + 1" for n in range(1999, 0, -1)),
    "a definition around itself": "def f(x) = x + x mask " + "f(" * 40 + "i" + ")" * 40 + " < 0",
    "a long comparison": "mask " + " < ".join(["i"] * 500),
    "comparisons in comparisons": "mask " + "true == (" * 40 + "true" + ") == true" * 40,
    "min of many": "mask min(" + ", ".join(["i"] * 500) + ") < 0",
    "reads in reads": "input x[m]: int let a0 = i "
    + " ".join(f"let a{n} = x[a{n - 1}]" for n in range(1, 200))
    + " mask a199 < 0",
    "a state that doubles": "state S = a40 let a0 = S + outer(k, v) "
    + " ".join(f"let a{n} = a{n - 1} + a{n - 1}" for n in range(1, 41))
    + " out dot(q, S)",
}


@pytest.mark.parametrize("clauses", HUGE.values(), ids=HUGE)
def test_it_ends_quickly(clauses: str) -> None:
    start = time.perf_counter()
    found = diagnostics(f"attention a {{ {clauses} }}")
    assert [one.code for one in found] == ["E0208"]
    assert time.perf_counter() - start < 5


def test_calls_that_double() -> None:
    chain = "def f0(x) = x " + " ".join(f"def f{n}(x) = f{n - 1}(x) + f{n - 1}(x)" for n in range(1, 41))
    start = time.perf_counter()
    found = diagnostics(f"{chain} attention a {{ mask f40(i) < 0 }}")
    assert {one.code for one in found} == {"E0208"}
    assert all(len(one.notes) <= 4 for one in found)
    assert time.perf_counter() - start < 10


def test_what_is_large_but_not_too_large() -> None:
    lets = "let a0 = i " + " ".join(f"let a{n} = a{n - 1} + a{n - 1}" for n in range(1, 13))
    assert diagnostics(f"attention a {{ {lets} mask a12 < 0 }}") == ()
    assert diagnostics(f"attention a {{ mask {' + '.join(['i'] * 90)} < 0 }}") == ()


STATES = "".join(f"\n  state S{n} = S{n} + outer(k, v)" for n in range(65))


def test_more_states_than_are_looked_at() -> None:
    found = only(f"attention a {{{STATES}\n  out dot(q, S64)\n}}")
    assert (found.code, found.span.line, found.span.column) == ("E0313", 66, 9)
    assert found.message == "a recurrence has at most 64 states"


def test_more_axes_than_a_tensor_has() -> None:
    axes = ", ".join(f"m{n}" for n in range(65))
    found = only(f"attention a {{ input x[{axes}]: int  mask x[i] < 0 }}")
    assert (found.code, found.span.text, found.message) == ("E0215", "m64", "an input has at most 64 axes")


def test_more_channels_than_a_tensor_has() -> None:
    inputs = " ".join(f"input x{n}[m{n}]: float" for n in range(65))
    lets = "let a0 = x0[m0] " + " ".join(f"let a{n} = a{n - 1} + x{n}[m{n}]" for n in range(1, 65))
    found = [one for one in diagnostics(f"attention a {{ {inputs} {lets} }}") if one.severity == "error"]
    assert [one.message for one in found] == ["this expands to more than 64 axes of channels"]


def test_attentions_that_expand_to_much_each() -> None:
    """What one attention may expand to, a file of many may not expand to for each."""
    doubling = "def f0(x) = x " + " ".join(f"def f{n}(x) = f{n - 1}(x) + f{n - 1}(x)" for n in range(1, 13))
    start = time.perf_counter()
    assert diagnostics(f"{doubling} attention a {{ score f12(i) }}") == ()
    found = only(doubling + " ".join(f" attention a{n} {{ score f12(i) }}" for n in range(200)))
    assert found.code == "E0208" and found.message.startswith("the definitions used here expand to more than ")
    assert time.perf_counter() - start < 30


def test_many_parts_without_a_value() -> None:
    found = diagnostics(f"attention a {{ mask {' + '.join(['t'] * 30)} < 0 }}")
    assert {one.code for one in found} == {"E0212"} and len(found) == 20


def test_names_that_are_looked_for() -> None:
    found = diagnostics("attention a { let window = 3 " + " ".join(f"let a{n} = windw" for n in range(200)) + " }")
    assert len(found) == 200 and found[0].help == "did you mean `window`?"


@pytest.mark.parametrize(
    "mask",
    [
        "(" * 20 + "j" + "".join(f" + p) mod {n + 20}" for n in range(20)) + " <= i",
        "abs(" * 20 + "j - i" + "".join(f" - p * {n})" for n in range(20)) + " < p",
    ],
    ids=["remainders", "absolutes"],
)
def test_masks_of_many_cases(mask: str) -> None:
    variant = checked(f"attention a(p: int = 2 in [1, 9]) {{ mask {mask} }}")
    start = time.perf_counter()
    doubts(variant)
    assert time.perf_counter() - start < 10


def test_a_mask_too_large_for_doubts() -> None:
    """Sums of a thousand terms are nested that deep by the analysis."""
    terms = [f"(i + j) div {n + 2}" for n in range(1000)]
    while len(terms) > 1:
        terms = [f"({' + '.join(terms[k : k + 2])})" for k in range(0, len(terms), 2)]
    assert doubts(checked(f"attention a {{ mask {terms[0]} < i }}")) == ()
