"""What is proved about rows holds in every call, by brute force."""

from __future__ import annotations

import pytest
from hypothesis import given
from predicates import MORE, RANDOM_CALLS, Call, live_pairs, predicates, variant

from attngen.analysis.proofs import sees_itself, sees_nothing, sees_the_first_key


@MORE
@given(mask=predicates(), several=RANDOM_CALLS)
def test_proofs_hold(mask: str, several: list[Call]) -> None:
    spec = variant(mask)
    own, first, nothing = (prove(spec, spec.pairwise.mask) for prove in (sees_itself, sees_the_first_key, sees_nothing))
    for call in several:
        live = live_pairs(spec.pairwise.mask, call)
        for row in range(call.N):
            position = row + call.offset
            assert not (own and 0 <= position < call.M) or live[row, position], f"{row} of {call}"
            assert not first or live[row, 0], f"{row} of {call}"
            assert not nothing or not live[row].any(), f"{row} of {call}"


@pytest.mark.parametrize(
    ("mask", "own", "first"),
    [
        ("j <= i", True, False),
        ("0 <= i - j < g", True, False),
        ("abs(i - j) <= w", True, False),
        ("i div g == j div g", True, False),
        ("place[i] == place[j]", True, False),
        ("j < 4 or seen[j]", False, True),
        ("true", True, True),
        ("j < i", False, False),
        ("seen[j]", False, False),
    ],
)
def test_what_is_proved(mask: str, own: bool, first: bool) -> None:
    spec = variant(mask)
    assert (sees_itself(spec, spec.pairwise.mask), sees_the_first_key(spec, spec.pairwise.mask)) == (own, first)
