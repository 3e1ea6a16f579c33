"""Warnings about masks: what they say, where, and when they keep quiet."""

from __future__ import annotations

from pathlib import Path

import pytest

from attngen.analysis.doubts import doubts
from attngen.errors import Source
from attngen.ir.check import check
from attngen.ir.load import load_all
from attngen.ir.nodes import Variant


def variant(mask: str, face: str = "(w: int in [1, inf), g: int = 8 in [2, inf))") -> Variant:
    return check(Source("spec.attn", f"attention a{face} {{ {mask} }}"))[0]


@pytest.mark.parametrize(
    "mask",
    ["i < j and j < i", "j < 0", "false", "j >= M", "i - j > 5 and i - j < 3", "j < w and j >= w", "abs(i - j) < 0"],
)
def test_masks_without_a_pair(mask: str) -> None:
    (found,) = doubts(variant(f"mask {mask}"))
    assert (found.code, found.severity) == ("W0301", "warning")


@pytest.mark.parametrize(
    "mask", ["j <= i", "0 <= i - j < w", "i < j", "j < w and j >= w - 1", "true", "i - j > 3 and i - j < 5", "j < N"]
)
def test_masks_with_pairs(mask: str) -> None:
    assert doubts(variant(f"mask {mask}")) == ()


WRAPPED = "order p(x) = if h >= H div 2 then (x - g div 2) mod M else x mask "


def test_where_a_warning_points_to() -> None:
    (leak,) = doubts(variant(f"{WRAPPED}p(j) <= p(i)"))
    assert leak.span.text == "p(j) <= p(i)"
    (empty,) = doubts(check(Source("spec.attn", "attention a {\n  mask i < j and j < i\n}"))[0])
    assert (empty.span.line, empty.span.column) == (2, 8)


@pytest.mark.parametrize(
    ("mask", "count"),
    [
        # Of two groups' halves that meet in the first group, the later half is seen by nobody, the earlier sees it.
        ("p(j) <= p(i) and p(i) div g == p(j) div g", "(1/4) * g^2 pairs, 16 where g divides M, in head 1 of 2"),
        ("p(j) <= p(i) and p(i) div g == p(j) div g and i - j < g", "(1/4) * g^2 pairs"),
        ("p(j) <= p(i)", ""),  # grows with M: no formula over g alone
    ],
)
def test_future_pairs_are_counted(mask: str, count: str) -> None:
    (found,) = doubts(variant(WRAPPED + mask, "(g: int = 8 in [2, inf))"))
    assert found.code == "W0302"
    assert count in found.message
    assert ("pairs" in found.message) == bool(count)


@pytest.mark.parametrize("mask", ["p(j) <= p(i) and j <= i", "p(j) == p(i)", "j mod g < w"])
def test_no_leak(mask: str) -> None:
    assert doubts(variant(WRAPPED + mask)) == ()


def test_specs_without_a_doubt() -> None:
    for path in sorted((Path(__file__).parents[2] / "specs").glob("*.attn")):
        for each in load_all(path):
            assert [found.code for found in doubts(each)] == (["W0302"] if each.name == "s2attn_wrap" else [])
