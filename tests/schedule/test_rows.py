"""Rows that are changed before a product: how a product splits, what is refused, and that far positions stay exact."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from marked import checked

import attngen
from attngen.errors import SpecError
from attngen.ir.show import show_expr
from attngen.schedule.plan import Plan, plan
from attngen.schedule.rows import Split, products, split

ROPE = "score scale * dot(rotate(q, i * theta(100.0)), rotate(k, j * theta(100.0)))"


def made(text: str) -> Plan:
    return plan(checked(f"attention a {{ {text} }}"))


@pytest.mark.parametrize(
    ("score", "query", "key"),
    [
        ("dot(q, k)", "q", "k"),
        ("dot(k, q)", "q", "k"),
        ("dot(k * 2, q)", "q", "k * 2"),
        ("dot(q * u[h], k)", "q * u[h, c]", "k"),
        ("dot(u[h], k)", "u[h, c]", "k"),
        ("dot(mate(q), k)", "(if c < D div 2 then -1 else 1) * q[(c + D div 2) mod D]", "k"),
    ],
)
def test_a_product_splits(score: str, query: str, key: str) -> None:
    spec = checked(f"attention a {{ input u[h, c]: float score {score} + 1.0 }}")
    (product,) = products(spec.pairwise.score)
    sides = split(product)
    assert isinstance(sides, Split)
    assert (show_expr(sides.query), show_expr(sides.key)) == (query, key)


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        ("dot(q, q)", "one side of the product must depend on the query alone"),
        ("dot(q * cos(i - j), k)", "one side of the product must depend on the query alone"),
        ("dot(q, k * l2norm(theta(9.0)))", "a norm of what holds neither q nor k can't be compiled yet"),
        ("dot(q, k * dot(q, k))", "one side of the product must depend on the query alone"),
        ("dot(q, changed[c + 1])", "the channel must be written as `... mod D`"),
    ],
)
def test_what_is_refused(score: str, reason: str) -> None:
    with pytest.raises(SpecError, match="E0402") as error:
        made(f"let changed = 2 * k  score {score}")
    assert reason in error.value.diagnostics[0].message


def test_an_index_inside_of_a_row_must_be_known() -> None:
    text = "attention a {{ input table[m]: float score dot(q * table[{index}], k) }}"
    attngen.build(text.format(index="c mod 3"))
    with pytest.raises(SpecError, match=r"E0402.*only the channel and what the host knows"):
        attngen.build(text.format(index="i"))


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_an_index_of_a_channel_is_checked_before_the_launch(backend: str) -> None:
    kernel = attngen.build("attention a { input table[m]: float score dot(q * table[c], k) }", backend=backend)
    rows = torch.ones(1, 1, 3, 4)
    assert kernel(rows, rows, rows, table=torch.ones(4)).shape == (1, 1, 3, 4)
    with pytest.raises(ValueError, match=r"a: `table\[c\]` is outside of the input"):
        kernel(rows, rows, rows, table=torch.ones(3))


def test_rows_are_named_after_their_product() -> None:
    (only,) = made(ROPE).products
    assert (only.name, only.query.name, only.key.name) == ("qk", "q_turned", "k_turned")
    two = made("let near = dot(rotate(q, 1.0 * i), k)  score near + dot(q, k)").products
    assert [(p.name, p.query.name, p.key.name) for p in two] == [("near", "near_q", "k"), ("product_2", "q", "k")]


@pytest.mark.parametrize("backend", ["cpp", "triton"])
@pytest.mark.parametrize("offset", [0, 10**6, 2**31 + 7])
def test_angles_far_out(backend: str, offset: int) -> None:
    """Rotary scores depend on distances only, wherever the rows stand; float32 angles would be noise out there."""
    text = "attention far_rope(s: int) { score dot(rotate(q, (i - s) * theta(100.0)), rotate(k, j * theta(100.0))) }"
    kernel = attngen.build(text, backend=backend, s=offset)
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, 9, 16, generator=generator) for _ in range(3))
    y = kernel(q, k, v, offset=offset)
    near = attngen.build(text, s=0).reference(q, k, v, offset=0)
    assert (y.double() - near).abs().max() < 1e-5
    assert (kernel(q, k, v, offset=0).double() - kernel.reference(q, k, v, offset=0)).abs().max() < 1e-5


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_rows_of_keys_may_depend_on_the_head(backend: str) -> None:
    """Two heads share the keys, and each scales them by its own factor."""
    kernel = attngen.build("attention a { input g[h]: float score dot(q, k * g[h]) }", backend=backend)
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 4, 7, 8, generator=generator), torch.randn(2, 2, 9, 8, generator=generator)
    given: dict[str, Any] = {"g": torch.tensor([0.5, 1.0, -1.0, 2.0])}
    assert (kernel(q, k, k, **given).double() - kernel.reference(q, k, k, **given)).abs().max() < 1e-5


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_what_a_factor_is_beyond_the_last_channel_does_not_matter(backend: str) -> None:
    """1 / (D - c) is infinite at c = D, where kernels pad."""
    kernel = attngen.build("attention a { score dot(q * (1 / (D - c)), k * (1 / (D - c))) }", backend=backend)
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(1, 2, 7, 18, generator=generator), torch.randn(1, 2, 9, 18, generator=generator)
    assert (kernel(q, k, k).double() - kernel.reference(q, k, k)).abs().max() < 1e-5
