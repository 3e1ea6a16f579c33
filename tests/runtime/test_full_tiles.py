"""Full tiles are read without asking where tokens end: nothing beyond them may be touched, in either direction."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import attngen
from attngen.analysis.walk import Periodic, Range, visits
from attngen.emit.support.launches import _far
from attngen.fuzz.attempt import assert_right
from attngen.fuzz.call import Call
from attngen.fuzz.ways import Way
from attngen.ir.load import load_all
from attngen.ir.nodes import Pairwise
from attngen.schedule.plan import plan

SPECS = Path(__file__).parent.parent.parent / "specs"
VARIANTS = {
    variant.name: variant
    for path in sorted(SPECS.glob("*.attn"))
    for variant in load_all(path)
    if isinstance(variant.body, Pairwise)
}
WALKS = {name: plan(variant).by_keys for name, variant in VARIANTS.items()}
LISTED = ("sparse_strided", "sparse_fixed", "s2attn_wrap")


def poisoned(rows: Tensor) -> Tensor:
    """The same rows, with NaN behind the last of each head."""
    wide = torch.full((*rows.shape[:2], rows.shape[2] + 200, rows.shape[3]), torch.nan, dtype=rows.dtype)
    wide[:, :, : rows.shape[2]] = rows
    return wide[:, :, : rows.shape[2]]


@pytest.mark.parametrize("name", ["causal", "s2attn", "natten1d", *LISTED])
@pytest.mark.parametrize(("queries", "keys"), [(200, 200), (128, 200), (150, 192)])
def test_nothing_beyond_the_tokens_is_read(name: str, queries: int, keys: int) -> None:
    torch.manual_seed(1)
    kernel = attngen.build(SPECS / f"{name}.attn", backend="triton")
    rows = [torch.randn(1, 2, n, 16) for n in (queries, keys, keys, queries)]
    found = []
    for made in (Tensor.contiguous, poisoned):
        q, k, v = (made(x).requires_grad_() for x in rows[:3])
        y = kernel(q, k, v)
        found.append([y, *torch.autograd.grad(y, (q, k, v), made(rows[3]))])
    for plain, beside in zip(*found, strict=True):
        assert torch.isfinite(plain).all()
        assert torch.equal(plain, beside)


@pytest.mark.parametrize("name", [name for name, walk in WALKS.items() if isinstance(walk, Range | Periodic)])
@given(st.data())
def test_full_tiles_of_queries_are_whole(name: str, data: st.DataObject) -> None:
    """In walks of key tiles along query tiles, where rows behind the last are not told from others."""
    walk, variant = WALKS[name], VARIANTS[name]
    assert isinstance(walk, Range | Periodic)
    values = {p.name: 7 if p.default is None else p.default for p in variant.parameters}
    N, M, tile, side = (data.draw(st.integers(1, n)) for n in (90, 90, 33, 33))
    key_tile = data.draw(st.integers(0, (M - 1) // side))
    sizes = {"N": N, "M": M, "H": 2, "B": 1, "D": 16, "E": 16, "h": 1, "b": 0, "offset": M - N, **values}
    ends = {"k0": key_tile * side, "k1": min(key_tile * side + side, M) - 1, "QUERY_TILE": tile, "KEY_TILE": side}
    for visited, full in visits(walk, {**sizes, **ends}, lambda _name, _place: 0):
        assert not full or (visited + 1) * tile <= N


@pytest.mark.parametrize("scale", [3.0, 0.0, -3.0])
def test_scores_of_full_tiles_fall_where_the_scale_is_negative(scale: float) -> None:
    """Their maxima are taken before products are scaled; of the least ones, no float32 would hold the weights."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 1, tokens, 16, generator=generator) for tokens in (16, 64, 64))
    kernel = attngen.build("attention full { score scale * dot(q, k) }", backend="triton")
    call = Call(4 * q, 4 * k, v, scale=scale)
    seen = assert_right(kernel, call, Way("in other tiles", tile=(16, 32)), backward=False)
    assert seen["full tiles"]


def test_far_places_are_told_from_near_ones() -> None:
    """By the last element of a head, whatever the strides are."""

    def rows(tokens: int, step: int) -> Tensor:
        return torch.empty_strided((2, 3, tokens, 64), (0, 0, step, 1), device="meta")

    assert not _far(2**20, (rows(2**20, 2047),))
    assert _far(2**20, (rows(2**20, 2049),))
    assert _far(2**31, (rows(5, 64),))
    assert not _far(0, (rows(0, 2**40),))
    table = torch.empty_strided((2**16, 2**16), (2**16, 1), device="meta")
    assert _far(0, (), (table,))
    assert not _far(0, (), (table[: 2**15],))
