"""The generated function, the kernel and the reference refuse the same calls in the same words."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

import attngen
from attngen.runtime.module import import_function

SPEC = """attention far(group: int = 4 in [2, inf), cap: float = 2.0 in (0, 8]) {
  input slope[h]: float >= 0
  input doc[b, n]: int sorted
  input table[m, h]: float
  assert group mod 2 == 0
  score cap * tanh(scale * dot(q, k) / cap) + table[min((i - j) div group, 2), h] - slope[h]
  mask  j <= i and doc[b, i] == doc[b, j]
}"""
WAYS = ("cpp", "triton", "function", "reference")


@cache
def variant() -> attngen.Variant:
    return attngen.load(SPEC)


def call(way: str, parameters: dict[str, Any], arguments: dict[str, Any]) -> Any:
    if way == "function":
        return import_function(attngen.compile(variant(), "cpp"), "far")(**arguments, **parameters)
    return attngen.build(variant(), backend=way, **parameters)(**arguments)


def fitting() -> dict[str, Any]:
    q, k, v = torch.ones(2, 4, 5, 3), torch.ones(2, 2, 6, 3), torch.ones(2, 1, 6, 7)
    doc = torch.tensor([[0, 0, 0, 1, 1, 1], [-1, 0, 1, 2, 3, 4]])
    return {"q": q, "k": k, "v": v, "slope": torch.rand(2), "doc": doc, "table": torch.zeros(3, 4)}


def ones(*shape: int, **options: Any) -> Tensor:
    return torch.ones(*shape, **options)


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_fits(way: str) -> None:
    y = call(way, {}, fitting())
    assert y.shape == (2, 4, 5, 7) and y.dtype == torch.float32


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": ones(2, 2, 6, 3, device="meta")}, "far: q is on cpu and k on meta"),
        ({"q": ones(2, 0, 5, 3)}, "far: q has 0 heads, which does not divide H = 2"),
        ({"q": ones(2, 4, 5, 0), "k": ones(2, 2, 6, 0)}, "far: a row has no channels"),
        ({"v": ones(2, 3, 6, 7)}, "far: v has 3 heads, which does not divide H = 4"),
        (
            {"offset": 2},
            "far: offset 2 is outside of [0, M - N] = [0, 1], and doc is read at the position of a query (<text>:3)",
        ),
        ({"offset": torch.tensor([0, -1])}, "far: offset -1 is outside of [0, M - N] = [0, 1]"),
        ({"offset": torch.zeros(2)}, "far: offset is torch.float32; it must be int32 or int64"),
        ({"offset": True}, "far: offset is True; it must be an int or an int tensor [B]"),
        ({"offset": 2**70}, "far: offset is 1180591620717411303424; it must have 62 bits"),
        ({"scale": True}, "far: scale is True; it must be a finite number"),
        ({"scale": 1e999}, "far: scale is inf; it must be a finite number"),
        ({"slope": ones(2, dtype=torch.complex64)}, "far: slope is torch.complex64; it must be float (<text>:2)"),
        ({"slope": ones(2, dtype=torch.bool)}, "far: slope is torch.bool; it must be float (<text>:2)"),
        ({"slope": -ones(2)}, "far: slope holds a value outside of [0, inf) (<text>:2)"),
        ({"slope": 0.5}, "far: slope is a float, not a tensor (<text>:2)"),
        ({"slope": ones(2, device="meta")}, "far: slope is on meta and q on cpu (<text>:2)"),
        ({"doc": torch.zeros(2, 6)}, "far: doc is torch.float32; it must be int (<text>:3)"),
        ({"doc": torch.zeros(1, 6, dtype=torch.int64)}, "far: doc has 1 elements along `b`, not 2 (<text>:3)"),
    ],
)  # fmt: skip
def test_arguments(way: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call(way, {}, fitting() | changes)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"group": -4}, "far: group is -4, not in [2, inf) (<text>:1)"),
        ({"group": 2**64}, "far: group is 18446744073709551616; it must have 64 bits (<text>:1)"),
        ({"group": 7}, "far: `group mod 2 == 0` does not hold (<text>:5)"),
        ({"cap": 0}, "far: cap is 0, not in (0, 8] (<text>:1)"),
        ({"cap": 8.5}, "far: cap is 8.5, not in (0, 8] (<text>:1)"),
        ({"cap": False}, "far: cap is False; it must be a float (<text>:1)"),
        ({"cap": float("inf")}, "far: cap is inf, not in (0, 8] (<text>:1)"),
    ],
)
def test_parameters(way: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call(way, parameters, fitting())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["q", "k", "v", "slope", "table"])
def test_gradients_are_not_lost_in_silence(way: str, name: str) -> None:
    given = fitting()
    given[name] = given[name].clone().requires_grad_()
    call(way, {}, given).sum().backward()
    assert given[name].grad is not None
    with torch.no_grad():
        assert not call(way, {}, given).requires_grad


@pytest.mark.parametrize("way", WAYS)
def test_an_int_is_a_float_but_not_the_other_way_round(way: str) -> None:
    call(way, {"cap": 3}, fitting())
    with pytest.raises(ValueError, match=re.escape("far: group is 4.0; it must be an int (<text>:1)")):
        call(way, {"group": 4.0}, fitting())


DIVISIONS = {
    "mask j <= i and i div g == j div g": "`g` is 0",
    "mask (i - j) mod (g + h - 1) == 0": "`g + h - 1` is 0",
    "score scale * dot(q, k) + i div (N div 8)": "`N div 8` is 0",
}


@pytest.mark.parametrize("way", ["cpp", "triton", "reference"])
@pytest.mark.parametrize("clause", DIVISIONS)
def test_dividing_by_zero(clause: str, way: str) -> None:
    kernel = attngen.build(f"attention a(g: int) {{ {clause} }}", backend=way, g=0)
    with pytest.raises(ValueError, match=re.escape(f"a: {DIVISIONS[clause]}, and an int is divided by it (<text>:1)")):
        kernel(ones(1, 2, 3, 4), ones(1, 2, 3, 4), ones(1, 2, 3, 4))


def test_a_division_that_a_condition_guards() -> None:
    text = "attention a(g: int) { mask if g == 0 then j <= i else i div g == j div g }"
    rows = torch.randn(1, 2, 9, 4)
    for g in (0, 3):
        kernel = attngen.build(text, backend="cpp", g=g)
        assert torch.allclose(kernel(rows, rows, rows).double(), kernel.reference(rows, rows, rows), atol=1e-5)


@pytest.mark.parametrize("way", ["cpp", "triton"])
@pytest.mark.parametrize(("queries", "keys"), [(0, 4), (3, 0), (0, 0)])
def test_an_own_axis_without_elements_is_never_read(way: str, queries: int, keys: int) -> None:
    text = "attention a { input far[m]: float input on[r, s]: bool score dot(q, k) + far[i] mask on[i div 4, j div 4] }"
    kernel = attngen.build(text, backend=way)
    q, k = ones(1, 2, queries, 4), ones(1, 2, keys, 4)
    y, lse = kernel(q, k, k, far=torch.ones(0), on=torch.ones(0, 0, dtype=torch.bool), return_lse=True)
    assert y.shape == (1, 2, queries, 4) and not y.any() and bool((lse == -torch.inf).all())


@pytest.mark.parametrize("way", ["cpp", "triton"])
def test_axes_may_be_named_by_several_letters_that_have_a_meaning(way: str) -> None:
    text = "attention a { input on[ij, nt]: bool mask on[i mod size(ij), j mod size(nt)] }"
    on = torch.rand(3, 2) < 0.5
    rows = torch.randn(1, 1, 6, 4)
    kernel = attngen.build(text, backend=way)
    assert torch.allclose(
        kernel(rows, rows, rows, on=on).double(), kernel.reference(rows, rows, rows, on=on), atol=1e-5
    )


def test_more_threads_give_the_same() -> None:
    rows = torch.randn(2, 3, 300, 8)
    kernel = attngen.build("attention a(w: int) { mask 0 <= i - j < w }", backend="cpp", w=70)
    alone = kernel(rows, rows, rows)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert torch.equal(kernel(rows, rows, rows), alone)
    finally:
        torch.set_num_threads(threads)
