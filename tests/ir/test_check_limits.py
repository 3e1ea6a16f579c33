"""A short text can mean a huge tree: it ends quickly, with E0208 said once."""

from __future__ import annotations

import time

import pytest
from marked import diagnostics

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
