"""What travels is derived from the mask: each live pair is computed once, by a rank that has its query and its key."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from masks import MASKS
from predicates import PARAMETERS, Call, calls, live_pairs, predicates, variant

import attngen
from attngen.analysis.lists import List
from attngen.ir import nodes
from attngen.parallel import needs as needs_module
from attngen.parallel.blocks import block_of
from attngen.parallel.layouts import Layout, Run
from attngen.parallel.needs import mask_inputs, needs_of
from attngen.parallel.ring import Ring
from attngen.schedule.plan import plan

LAYOUTS = st.builds(Layout, st.sampled_from(["contiguous", "zigzag", "striped"]), st.integers(1, 8))
RANKS = st.integers(1, 6)
CHOOSY = settings(suppress_health_check=[*HealthCheck])
"""Most masks read data or are lists."""
SLOW = settings(CHOOSY, max_examples=max(5, settings.default.max_examples // 8))


def ring_of(made: nodes.Variant, call: Call, layout: Layout, ranks: int) -> Ring:
    numbers = {**call.names, "B": 1, "H": 2, "N": call.N, "M": call.M, "offset": call.offset}
    return Ring(layout, ranks, call.N, call.M, needs_of(plan(made), numbers, {}))


def computed(ring: Ring) -> np.ndarray:
    """How often each pair is computed."""
    found = np.zeros((ring.N, ring.M), int)
    for reader in range(ring.ranks):
        for owner in range(ring.ranks):
            for visit in ring.visits(reader, owner):
                assert any(
                    run.start <= visit.queries.start and visit.queries.stop <= run.stop for run in ring.queries(reader)
                )
                assert any(run.start <= visit.keys.start and visit.keys.stop <= run.stop for run in ring.keys(owner))
                found[slice(*visit.queries), slice(*visit.keys)] += 1
    return found


def live_of_any_head(made: nodes.Variant, call: Call) -> np.ndarray:
    heads = [Call(call.N, call.M, call.offset, 1, 1, {**call.names, "h": h}) for h in range(2)]
    return np.logical_or.reduce([live_pairs(made.pairwise.mask, each) for each in heads])


@CHOOSY
@given(predicates(), calls(PARAMETERS), LAYOUTS, RANKS)
def test_each_live_pair_is_computed_once(mask: str, call: Call, layout: Layout, ranks: int) -> None:
    made = variant(mask)
    assume(not mask_inputs(plan(made)) and not isinstance(plan(made).walk, List))
    found = computed(ring_of(made, call, layout, ranks))
    assert found.max(initial=0) <= 1
    assert not (live_of_any_head(made, call) & (found == 0)).any()


@SLOW
@given(predicates(), calls(PARAMETERS), LAYOUTS, RANKS)
def test_and_by_lists_of_tiles(mask: str, call: Call, layout: Layout, ranks: int) -> None:
    made = variant(mask)
    assume(not mask_inputs(plan(made)) and isinstance(plan(made).walk, List))
    found = computed(ring_of(made, call, layout, ranks))
    assert found.max(initial=0) <= 1
    assert not (live_of_any_head(made, call) & (found == 0)).any()


def in_segments(made: nodes.Variant) -> bool:
    """Whether segments say exactly who sees whom: no data, no list, no holes that repeat."""
    found = plan(made)
    return not mask_inputs(plan(made)) and not isinstance(found.walk, List) and not found.bounds.toothed


@pytest.mark.parametrize("name", [name for name, mask in MASKS.items() if in_segments(mask.variant)])
@given(data=st.data(), ranks=RANKS)
def test_nothing_travels_that_nobody_sees(name: str, data: st.DataObject, ranks: int) -> None:
    """Each row of keys that is sent is seen by a query there, unless two segments are taken for one."""
    made = MASKS[name].variant
    call = data.draw(calls(MASKS[name].strategies))
    ring, live = ring_of(made, call, Layout("contiguous"), ranks), live_of_any_head(made, call)
    for reader in range(ranks):
        for owner in range(ranks):
            for visit in ring.visits(reader, owner):
                assert live[slice(*visit.queries), slice(*visit.keys)].any()


def test_a_window_reaches_as_far_as_it_must() -> None:
    """Of W - 1 keys before a rank's first query, in ceil((W - 1) / c) neighbours."""
    made = attngen.load("attention a(window: int = 8) { mask 0 <= i - j < window }")
    for window, hops in ((1, 0), (2, 1), (101, 1), (102, 2), (250, 3)):
        numbers = {"window": window, "B": 1, "H": 1, "N": 1000, "M": 1000, "offset": 0}
        ring = Ring(Layout("contiguous"), 10, 1000, 1000, needs_of(plan(made), numbers, {}))
        assert [hop for hop in range(1, 10) if ring.visits(9, 9 - hop)] == [*range(1, hops + 1)]
        assert sum(run.tokens for hop in range(1, 10) for run in ring.travelling(9, 9 - hop)) == window - 1


def test_sinks_come_from_the_first_rank_alone() -> None:
    made = attngen.load("attention a { mask j <= i and (j < 4 or i - j < 10) }")
    numbers = {"B": 1, "H": 1, "N": 800, "M": 800, "offset": 0}
    ring = Ring(Layout("contiguous"), 8, 800, 800, needs_of(plan(made), numbers, {}))
    assert {owner: ring.travelling(6, owner) for owner in range(6)} == {
        0: ((0, 4),), 1: (), 2: (), 3: (), 4: (), 5: ((591, 600),)
    }  # fmt: skip


def test_documents_are_cut_by_their_offsets() -> None:
    made = attngen.load("attention a { input doc[b, n]: int sorted  mask j <= i and doc[b, i] == doc[b, j] }")
    doc = torch.repeat_interleave(torch.arange(4), torch.tensor([160, 32, 192, 16])).unsqueeze(0)
    numbers = {"B": 1, "H": 1, "N": 400, "M": 400, "offset": 0}
    ring = Ring(Layout("contiguous"), 5, 400, 400, needs_of(plan(made), numbers, {"doc": doc}))
    assert [ring.travelling(rank, rank - 1) for rank in range(1, 5)] == [((0, 80),), (), ((192, 240),), ((240, 320),)]
    assert ring.travelling(4, 2) == ((192, 240),)


@CHOOSY
@given(predicates(), calls(PARAMETERS), st.data())
def test_a_block_means_its_part_of_the_whole(mask: str, call: Call, data: st.DataObject) -> None:
    """For each query and key of it, whatever the mask reads of sizes and positions."""
    made = variant(mask)
    assume(not mask_inputs(plan(made)))
    ends = [sorted(data.draw(st.tuples(st.integers(0, size), st.integers(0, size)))) for size in (call.N, call.M)]
    queries, keys = (Run(*each) for each in ends)
    assume(queries.tokens and keys.tokens)
    block = block_of(made)
    names = {**call.names, block.first_key: keys.start, block.all_keys: call.M, block.all_queries: call.N}
    part = Call(queries.tokens, keys.tokens, queries.start + call.offset - keys.start, 1, 1, names)
    found = live_pairs(block.variant.pairwise.mask, part)
    assert np.array_equal(found, live_pairs(made.pairwise.mask, call)[slice(*queries), slice(*keys)])


def test_tiles_of_long_sequences_are_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(needs_module, "live_tiles", lambda *given: seen.append(given[2]) or 1 / 0)
    made = plan(attngen.load("attention a { mask (i - j) mod 3 == 0 or (i * j) mod 5 == 0 }"))
    for tokens in (100, 4096 * 64, 10**8):
        with pytest.raises(ZeroDivisionError):
            needs_of(made, {"B": 1, "H": 1, "N": tokens, "M": tokens, "offset": 0}, {})
    assert seen == [(16, 16), (128, 128), (256, 256)]
