"""Divisibility of a difference is asked of each side alone, where that says the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marked import checked

from attngen.ir.evaluate import evaluate
from attngen.ir.show import show_expr
from attngen.schedule.congruences import with_remainders
from attngen.schedule.levels import Level
from attngen.schedule.plan import plan

CASES = {
    "(i - j) mod r == 0": "i mod r == j mod r",
    "(j - i) mod r != 0": "j mod r != i mod r",
    "(i + j) mod r == 0": "i mod r == -j mod r",
    "(i div 4 - j div 3) mod (r + h) == 0": "i div 4 mod (r + h) == j div 3 mod (r + h)",
    "j <= i and (i - j) mod r == 0": "j <= i and i mod r == j mod r",
    # left as they are
    "(i - j) mod r == 1": "(i - j) mod r == 1",
    "(i - 3) mod r == 0": "(i - 3) mod r == 0",
    "(i - h) mod r == 0": "(i - h) mod r == 0",
    "(i - i * j) mod r == 0": "(i - i * j) mod r == 0",
    "(i - j) mod (i + r) == 0": "(i - j) mod (i + r) == 0",
    "(i - j) div r == 0": "(i - j) div r == 0",
    "(i * j) mod r == 0": "i * j mod r == 0",
}


@pytest.mark.parametrize("mask", CASES)
def test_remainders(mask: str) -> None:
    found = with_remainders(checked(f"attention a(r: int in [1, inf)) {{ mask {mask} }}").pairwise.mask)
    assert show_expr(found) == CASES[mask]


@pytest.mark.parametrize("mask", list(CASES)[:5])
@given(i=st.integers(-60, 60), j=st.integers(-60, 60), r=st.integers(-9, 9).filter(bool), h=st.integers(10, 20))
def test_they_say_the_same(mask: str, i: int, j: int, r: int, h: int) -> None:
    given = checked(f"attention a(r: int) {{ mask {mask} }}").pairwise.mask
    names = {"i": i, "j": j, "r": r, "h": h}
    assert evaluate(with_remainders(given), names) == evaluate(given, names)


def test_no_division_is_left_for_pairs() -> None:
    made = plan(checked("attention a(r: int in [1, inf)) { mask j <= i and (i - j) mod r == 0 }"))
    assert not any("mod" in show_expr(statement.value) for statement in made.mask.at(Level.PAIR))
    assert {statement.level for statement in made.mask.statements if "mod" in show_expr(statement.value)} == {
        Level.QUERY,
        Level.KEY,
    }
