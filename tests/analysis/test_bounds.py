"""Hull and core: formulas of the masks with a name, fallbacks, and the same code on numbers and on names."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from masks import MASKS
from predicates import MORE, RANDOM_CALLS, Call, calls, live_pairs, predicates, variant

from attngen.analysis.bounds import LARGEST, Bounds, key_bounds
from attngen.analysis.segments import MOST, Segment, Segments
from attngen.errors import Source
from attngen.ir import nodes
from attngen.ir.check import check
from attngen.ir.evaluate import evaluate
from attngen.ir.expr import Constant, Expr, Parameter, Size, Variable, distinct, rewrite
from attngen.ir.show import show_expr

SHIFT = "(if h >= H div 2 then group div 2 else 0)"
FORMULAS = {
    "full": ("[0, M)", "[0, M)"),
    "causal": ("[0, min(q1 + 1, M))", "[0, min(q0 + 1, M))"),
    "anticausal": ("[max(q0, 0), M)", "[max(q1, 0), M)"),
    "sliding_window": (
        "[max(q0 - window + 1, 0), min(q1 + 1, M))",
        "[max(q1 - window + 1, 0), min(q0 + 1, M))",
    ),
    "symmetric_window": (
        "[max(q0 - window, 0), min(window + q1 + 1, M))",
        "[max(q1 - window, 0), min(window + q0 + 1, M))",
    ),
    "block_local": (
        "[max(q0 div group * group, 0), min((q1 div group + 1) * group, M))",
        "[max(q1 div group * group, 0), min((q0 div group + 1) * group, M))",
    ),
    "block_causal": ("[0, min((q1 div group + 1) * group, M))", "[0, min((q0 div group + 1) * group, M))"),
    "s2attn": (
        f"[max((q0 + {SHIFT}) div group * group - {SHIFT}, 0), min(q1 + 1, M))",
        f"[max((q1 + {SHIFT}) div group * group - {SHIFT}, 0), min(q0 + 1, M))",
    ),
    "streaming_llm": (
        "[0, min(q1 + 1, sinks, M)) [max(q0 - window + 1, 0), min(q1 + 1, M))",
        "[0, min(q0 + 1, sinks, M)) [max(q1 - window + 1, 0), min(q0 + 1, M))",
    ),
    "prefix_lm": (
        "[0, min(max(q1 + 1, length[b]), M))",
        "[0, min(max(q0 + 1, length[b]), M))",
    ),
    "natten": (
        "[min(max(q0 - radius, 0), max(M - 2 * radius - 1, 0)), "
        "min(min(max(q1 - radius, 0), max(M - 2 * radius - 1, 0)) + 2 * radius + 1, M))",
        "[min(max(q1 - radius, 0), max(M - 2 * radius - 1, 0)), "
        "min(min(max(q0 - radius, 0), max(M - 2 * radius - 1, 0)) + 2 * radius + 1, M))",
    ),
    "padding": ("[0, min(length[b], M))", "[0, min(length[b], M))"),
    "chunked_window": (
        "[max((q0 div group - 1) * group, 0), min(q1 + 1, M))",
        "[max((q1 div group - 1) * group, 0), min(q0 + 1, M))",
    ),
    "striped": (
        "[0, min(q1 + 1, M)) in [0, group) + n * every * group",
        "[0, min(q0 + 1, M)) in [0, group) + n * every * group",
    ),
    "dilated_blocks": (
        "[0, M) in [q0 div group * group, (q1 div group + 1) * group) + n * every * group",
        "[0, M) in [q1 div group * group, (q0 div group + 1) * group) + n * every * group",
    ),
    "first_of_each": ("[0, M) in [0, min(few, group)) + n * group", "[0, M) in [0, min(few, group)) + n * group"),
}


def shown(segments: Segments) -> str:
    found = []
    for segment in segments:
        assert segment.start is not None and segment.stop is not None
        text = f"[{show_expr(segment.start)}, {show_expr(segment.stop)})"
        for teeth in segment.teeth:
            text += f" in [{show_expr(teeth.start)}, {show_expr(teeth.stop)}) + n * {show_expr(teeth.period)}"
        found.append(text)
    return " ".join(found)


def bounds(spec: nodes.Variant) -> Bounds:
    return key_bounds(spec, spec.pairwise.mask)


@pytest.mark.parametrize("name", MASKS)
def test_formulas(name: str) -> None:
    found = bounds(MASKS[name].variant)
    assert (shown(found.hull), shown(found.core)) == FORMULAS[name]
    assert found.fallbacks == ()


def keys(segments: Segments, call: Call, q0: int, q1: int) -> set[int]:
    """The positions in segments at a query tile; they lie in [0, M) and start in order."""
    environment = {**call.environment, "q0": q0, "q1": q1}
    found: set[int] = set()
    last = 0
    for segment in segments:
        assert segment.start is not None and segment.stop is not None
        start = int(evaluate(segment.start, environment, call.read))
        part = range(start, int(evaluate(segment.stop, environment, call.read)))
        assert not part or part.stop <= call.M
        assert start >= last or segment.teeth
        found, last = found | {x for x in part if in_teeth(x, segment, environment, call)}, start
    return found


def in_teeth(position: int, segment: Segment, environment: Mapping[str, int | float | bool], call: Call) -> bool:
    """Whether a position lies in all teeth of a segment."""
    for teeth in segment.teeth:
        start, stop, period = (
            int(evaluate(x, environment, call.read)) for x in (teeth.start, teeth.stop, teeth.period)
        )
        if not any(start <= position + n * period < stop for n in range(-position // period - 99, 99)):
            return False
    return True


@MORE
@given(mask=predicates(), several=RANDOM_CALLS)
def test_live_keys_lie_in_the_hull_and_core_keys_are_live(mask: str, several: list[Call]) -> None:
    spec = variant(mask)
    found = bounds(spec)
    for call in several:
        pairs = live_pairs(spec.pairwise.mask, call)
        for a, (q0, q1) in enumerate(call.query_tiles()):
            rows = pairs[a * call.query_tile : (a + 1) * call.query_tile]
            assert set(rows.any(0).nonzero()[0]) <= keys(found.hull, call, q0, q1)
            assert keys(found.core, call, q0, q1) <= set(rows.all(0).nonzero()[0])


# numbers instead of names


def with_numbers(expr: Expr, numbers: Mapping[str, int | float | bool]) -> Expr:
    def number(node: Expr) -> Expr:
        name = node.axis if isinstance(node, Size) else getattr(node, "name", "")
        known = isinstance(node, (Parameter, Size, Variable)) and name in numbers and name not in "ij"
        return Constant(node.kind, value=numbers[name]) if known else node

    return rewrite(expr, number)


@pytest.mark.parametrize("name", MASKS)
@given(data=st.data())
def test_named_masks_have_the_same_ends_on_numbers(name: str, data: st.DataObject) -> None:
    spec = MASKS[name].variant
    named = bounds(spec)
    for _ in range(3):
        call = data.draw(calls(MASKS[name].strategies))
        numbers = key_bounds(spec, with_numbers(spec.pairwise.mask, call.environment))
        for q0, q1 in call.query_tiles():
            assert keys(named.hull, call, q0, q1) == keys(numbers.hull, call, q0, q1)
            assert keys(named.core, call, q0, q1) == keys(numbers.core, call, q0, q1)


@given(mask=predicates(1), several=RANDOM_CALLS)
def test_numbers_never_lose_what_names_find(mask: str, several: list[Call]) -> None:
    """With numbers signs are known, so that more is solved: hulls shrink and cores grow, or they stay."""
    spec = variant(mask)
    named = bounds(spec)
    for call in several:
        numbers = key_bounds(spec, with_numbers(spec.pairwise.mask, call.environment))
        q0, q1 = call.query_tiles()[0]
        assert keys(numbers.hull, call, q0, q1) <= keys(named.hull, call, q0, q1)
        assert keys(named.core, call, q0, q1) <= keys(numbers.core, call, q0, q1)


# what has no closed form

FALLBACKS = {
    "seen[j]": ("seen[j]", "its value is data"),
    "j <= i and place[j] == near[i]": ("place[j]", "its value is data"),
    "seen[i]": ("seen[i]", "nothing is known about it before the call"),
    "seen[i] == seen[j]": ("seen[i] == seen[j]", "bools are compared"),
    "(1.0 * j) < 2.5": ("1 * j < 2.5", "floats are compared"),
    "(s * j) mod g == 0": ("s * j mod g", "its remainders have no period in one position"),
    "j mod g == 0 or j mod 3 == 1": ("j mod g == 0 or j mod 3 == 1", "it has more than one period"),
    "j + j div g < w": ("j + j div g - w", "j stands in several terms"),
    "s * j < w": ("s * j", "the sign of `s` is unknown"),
    "j < place[i]": ("j - place[i]", "nothing bounds the other side"),
}


@pytest.mark.parametrize("mask", FALLBACKS)
def test_fallbacks_say_what_and_why(mask: str) -> None:
    found = bounds(variant(mask))
    assert [(show_expr(one.part), one.reason) for one in found.fallbacks] == [FALLBACKS[mask]]
    assert shown(found.hull) in ("[0, M)", "[0, min(q1 + 1, M))")
    assert shown(found.core) in ("", "[M, 0)", "[max(M, 0), 0)")


PERIODIC = {
    "j mod g == 0": "[0, M) in [0, 1) + n * g",
    "j <= i and j mod g < w": "[0, min(q1 + 1, M)) in [0, min(w, g)) + n * g",
    "(i - j) mod g == 0": "[0, M) in [q0, q1 + 1) + n * g",
    "(i div g - j div g) mod 2 == 0": "[0, M) in [q0 div g * g, (q1 div g + 1) * g) + n * 2 * g",
    "(j div 4) mod 3 == 1 and j < w": "[0, min(w, M)) in [4, 8) + n * 12",
}


@pytest.mark.parametrize("mask", PERIODIC)
def test_remainders_of_many_periods_have_teeth(mask: str) -> None:
    found = bounds(variant(mask))
    assert shown(found.hull) == PERIODIC[mask]
    assert not found.fallbacks


@pytest.mark.parametrize(
    ("mask", "hull"),
    [
        ("j mod (M + g) < 5", "[0, min(M, 5))"),
        ("(j + g) mod (M + g) < 5", "[0, min(-g, -(2 * g) - M + 5)) [0, min(-g + 5, M))"),
        ("(j - g) mod (M + g) >= M", "[0, min(g, M)) [M + g, M)"),
    ],
)
def test_remainders_of_one_period_are_split(mask: str, hull: str) -> None:
    found = bounds(variant(mask))
    assert shown(found.hull) == hull
    assert not found.fallbacks
    assert not any(segment.teeth for segment in found.hull)


def test_too_many_segments_become_their_hull() -> None:
    mask = " or ".join(f"{10 * k} <= j < {10 * k + 3}" for k in range(2, 7))
    found = bounds(variant(mask))
    assert shown(found.hull) == "[20, min(M, 63))"
    assert shown(found.core) == " ".join(f"[{10 * k}, min(M, {10 * k + 3}))" for k in range(2, 6))
    assert [one.reason for one in found.fallbacks] == ["it has more segments than are worth their code"]


def test_no_segment_is_dropped_from_a_hull() -> None:
    """More segments than the solver carries along become one before they are lost; a core may lose some."""
    mask = " or ".join(f"{10 * k} <= j < {10 * k + 3}" for k in range(2, 14))
    found = bounds(variant(mask))
    assert shown(found.hull).startswith("[20, ") and shown(found.hull).endswith(", min(M, 133))")
    assert len(found.hull) <= MOST and len(found.core) == MOST


def test_what_is_declared_of_data_is_not_trusted() -> None:
    """Kernels on a GPU don't look at inputs: what is below 0 may cost keys, and never lead outside of the keys."""
    spec = check(Source("data.attn", "attention a { input first[b]: int in [0, inf)  mask j >= first[b] }"))[0]
    (segment,) = key_bounds(spec, spec.pairwise.mask).hull
    assert segment.start is not None
    assert show_expr(segment.start) == "max(first[b], 0)"


def test_what_reads_decide_is_read_in_the_ends() -> None:
    """A value that is the same for a whole batch row and head is no data: the ends read it."""
    found = bounds(variant("if chosen[h] then j < length[b] else j <= i"))
    assert shown(found.hull) == "[0, min(if chosen[h] then length[b] else q1 + 1, M))"


# cost


@given(mask=predicates(3))
def test_ends_stay_short(mask: str) -> None:
    started = time.process_time()
    found = bounds(variant(mask))
    assert time.process_time() - started < 5
    for segments in (found.hull, found.core):
        assert len(segments) <= MOST
        ends = [end for segment in segments for end in (segment.start, segment.stop) if end is not None]
        assert len(set[Expr]().union(*map(distinct, ends))) <= (LARGEST if len(segments) > 1 else 4 * LARGEST)


def test_a_big_predicate_is_analysed_in_a_moment() -> None:
    atoms = [f"abs(i - j - {k}) <= w and (if j < {k} then j - s else max(i, j) div g) != {k}" for k in range(24)]
    spec = variant(" or ".join(f"({atom})" for atom in atoms))
    started = time.process_time()
    found = bounds(spec)
    assert time.process_time() - started < 3
    assert 1 <= len(found.hull) <= MOST and len(found.core) <= MOST
