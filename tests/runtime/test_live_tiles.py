"""Lists of live tiles, as launchers make them with tensors, against brute force; and calls that share one."""

from __future__ import annotations

import contextlib
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from predicates import PARAMETERS, Call, calls, live_pairs, predicates, variant
from torch import Tensor

import attngen
from attngen.analysis.lists import List
from attngen.emit.backends import BACKENDS
from attngen.emit.live import walk_arguments
from attngen.emit.support import live
from attngen.runtime.module import import_files
from attngen.schedule.plan import plan

HEADS, TABLE = 2, 9


class Tensors:
    """The inputs of random predicates as tensors, and the same read element by element."""

    def __init__(self, call: Call) -> None:
        positions = range(call.M)
        self.given: dict[str, Tensor] = {
            **{name: torch.tensor([call.read(name, (x,)) for x in positions]) for name in ("seen", "place", "near")},
            "chosen": torch.tensor([call.read("chosen", (h,)) for h in range(HEADS)]),
            "table": torch.tensor([call.read("table", (x,)) for x in range(TABLE)]),
            "length": torch.tensor([call.read("length", (0,))]),
        }

    def read(self, name: str, place: tuple[int, ...]) -> int | bool:
        tensor = self.given[name]
        element: int | bool = tensor[min(max(place[0], 0), len(tensor) - 1)].item()
        return element


def listed(mask: str, call: Call) -> tuple[Any, np.ndarray[Any, Any]] | None:
    """What the launcher of a mask lists for a call, and which pairs are live: `None` if it needs no list."""
    made = plan(variant(mask))
    if not isinstance(made.walk, List):
        return None
    tensors = Tensors(call)
    sizes = {"B": 1, "H": HEADS, "N": call.N, "M": call.M, "offset": call.offset, "size_m": TABLE}
    known = {**sizes, **call.names, **tensors.given}
    launcher = import_files(BACKENDS["cpp"](made), made.variant.name)
    tile = call.query_tile, call.key_tile
    found = launcher._list_tiles(torch.device("cpu"), tile, *(known[name] for name in walk_arguments(made)))
    seen = Call(**{**vars(call), "names": {**call.names, "m": TABLE}})
    object.__setattr__(seen, "read", tensors.read)
    return found, live_pairs(made.variant.pairwise.mask, seen)


def check_list(found: Any, mask: np.ndarray[Any, Any], call: Call) -> None:
    """Every tile with a live pair is listed once, full ones are full, and none that does not exist is listed."""
    orders = [getattr(found, name, None) for name in ("query_order", "key_order")]
    head = call.names["h"]
    for axis, order in enumerate(orders):
        if order is not None:
            places = order[0, head % order.shape[1]].numpy()
            assert sorted(places) == list(range(mask.shape[axis]))
            mask = np.take(mask, places, axis)
    starts = found.starts[0, head % found.starts.shape[1]].tolist()
    assert len(starts) == -(-call.N // call.query_tile)
    for tile, (begin, full, end) in enumerate(starts):
        rows = mask[tile * call.query_tile : (tile + 1) * call.query_tile]
        kinds = {key: int(place >= full) for place, key in enumerate(found.tiles[begin:end].tolist(), begin)}
        assert len(kinds) == end - begin
        assert all(0 <= key < -(-call.M // call.key_tile) for key in kinds)
        for key in range(-(-call.M // call.key_tile)):
            part = rows[:, key * call.key_tile : (key + 1) * call.key_tile]
            assert key in kinds or not part.any(), f"tile {tile}, {key} of {call}"
            assert not kinds.get(key) or (part.all() and part.shape[1] == call.key_tile), (
                f"tile {tile}, {key} of {call}"
            )


@given(mask=predicates(), call=calls(PARAMETERS))
def test_random_masks(mask: str, call: Call) -> None:
    found = listed(mask, call)
    assume(found is not None)
    assert found is not None
    check_list(*found, call)


MASKS = (
    "place[i] == place[j]",
    "seen[j] or i - j == s",
    "(i - j) mod g == 0",
    "0 <= i - j < g or (j <= i and (i - j) mod g == s mod g)",
    "abs(i div g - j div g) <= 1 and abs(i mod g - j mod g) <= 1",
    "table[i div g] == j div g",
    "j <= i and near[i] <= near[j]",
    "if h >= H div 2 then seen[j] else j mod g < near[i]",
)


@pytest.mark.parametrize("mask", MASKS)
@settings(max_examples=max(5, settings.default.max_examples // 3))
@given(call=calls(PARAMETERS))
def test_each_kind(mask: str, call: Call) -> None:
    found = listed(mask, call)
    assert found is not None
    check_list(*found, call)


# sharing a list between calls

DOCUMENTS = "attention packed { input doc[b, n]: int sorted mask j <= i and doc[b, i] == doc[b, j] }"


def rows(tokens: int = 70, heads: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(tokens)
    q, k, v = (torch.randn(2, heads, tokens, 8, generator=generator) for _ in range(3))
    return q, k, v


def documents(tokens: int = 70) -> Tensor:
    return (torch.arange(tokens) // 20).expand(2, tokens).clone()


def test_layers_share_a_list() -> None:
    kernel = attngen.build(DOCUMENTS, backend="cpp")
    doc = documents()
    q, k, v = rows()
    prepared = kernel.prepare(q, k, doc=doc)
    assert prepared.tiles is not None
    for factor in (1.0, 2.0):  # another layer has other numbers
        alone = kernel(q * factor, k, v, doc=doc)
        assert torch.equal(kernel(q * factor, k, v, doc=doc, prepared=prepared), alone)
    assert torch.equal(kernel(q, k, v, doc=doc.clone(), prepared=prepared), kernel(q, k, v, doc=doc))


SCALED = """attention by_scale {
  input far[i]: int
  score scale * dot(q, k)
  mask floor(scale * (far[i] - j)) * H < E
}"""


@pytest.mark.parametrize("scale", [None, 0.5])
@pytest.mark.parametrize("of_values", [(2, 8), (4, 8), (2, 24)], ids=["as keys", "more heads", "other channels"])
@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_a_list_may_depend_on_the_scale_and_on_values(
    backend: str, of_values: tuple[int, int], scale: float | None
) -> None:
    kernel = attngen.build(SCALED, backend=backend)
    (q, k, _), far = rows(), torch.arange(70).flip(0)
    v = torch.randn(2, of_values[0], 70, of_values[1], generator=torch.Generator().manual_seed(0))
    prepared = kernel.prepare(q, k, v, scale=scale, far=far)
    assert prepared.tiles is not None
    found = kernel(q, k, v, scale=scale, far=far, prepared=prepared)
    assert torch.equal(found, kernel(q, k, v, scale=scale, far=far))
    assert torch.allclose(found, kernel.reference(q, k, v, scale=scale, far=far).float(), atol=1e-5)


def test_a_list_for_another_call_is_refused() -> None:
    kernel = attngen.build(DOCUMENTS, backend="cpp")
    doc = documents()
    q, k, v = rows()
    prepared = kernel.prepare(q, k, doc=doc)
    with pytest.raises(ValueError, match="packed: prepared was made for another call"):
        kernel(*rows(64), doc=documents(64), prepared=prepared)
    with pytest.raises(ValueError, match="prepared was made for another call"):
        kernel(q, k, v, doc=doc + 1, offset=0, prepared=prepared)
    doc[:, 50:] = 9
    with pytest.raises(ValueError, match="what it was made for has changed"):
        kernel(q, k, v, doc=doc, prepared=prepared)
    with pytest.raises(ValueError, match="made by another kernel"):
        attngen.build(DOCUMENTS.replace("packed", "other"), backend="cpp")(q, k, v, doc=doc, prepared=prepared)
    # another layer of the same model
    attngen.build(DOCUMENTS, backend="cpp")(q, k, v, doc=doc, prepared=kernel.prepare(q, k, doc=doc))


def test_a_walk_in_closed_form_needs_no_list() -> None:
    kernel = attngen.build("attention near_(w: int) { mask 0 <= i - j < w }", w=9, backend="cpp")
    q, k, v = rows()
    prepared = kernel.prepare(q, k)
    assert prepared.tiles is None
    assert torch.equal(kernel(q, k, v, prepared=prepared), kernel(q, k, v))


def test_checks_come_before_the_list() -> None:
    kernel = attngen.build(DOCUMENTS, backend="cpp")
    q, k, _ = rows()
    with pytest.raises(ValueError, match="doc is declared sorted and falls somewhere"):
        kernel.prepare(q, k, doc=documents().flip(-1))


# orders

DILATED = "attention dilated(g: int in [1, inf)) { mask abs(i - j) <= 40 * g and (i - j) mod g == 0 }"


def test_an_order_is_taken_where_it_makes_tiles_dense() -> None:
    """Residue classes of 16: nearly all tiles near the diagonal hold live pairs as tokens lie, few in that order."""
    kernel = attngen.build(DILATED, g=16, backend="cpp")
    tiles = kernel.tiles(4096, 4096)
    assert int((tiles > 0).sum()) < 0.3 * sum(
        1 for a in range(64) for b in range(32) if -64 - 640 < 64 * a - 128 * b < 128 + 640
    )
    q, k, _ = rows(4096, 1)
    made = kernel.prepare(q, k).tiles
    assert made.query_order[0, 0, :4].tolist() == [0, 16, 32, 48]
    plain = attngen.build(DILATED, g=1, backend="cpp").prepare(q, k).tiles
    assert plain.query_order is None and plain.key_order is None


def test_maps_of_all_heads() -> None:
    """`Kernel.tiles` shows what the launcher lists, head by head."""
    text = "attention blocks_ { input layout[h, x, y]: bool mask layout[h, i div 64, j div 128] }"
    layout = torch.tensor([[[1, 0], [0, 1], [0, 0]], [[0, 1], [1, 1], [1, 0]]], dtype=torch.bool)
    kernel = attngen.build(text, backend="cpp")
    for head in range(2):
        found = kernel.tiles(192, 256, head=head, H=2, offset=0, layout=layout)
        assert torch.equal(found, layout[head].to(torch.int8) * 2)


# what data may hold

MARKED = "attention marked { input x[n]: float mask j <= i and log(x[j]) > x[i] - 50.0 }"


def test_maps_without_keys_or_queries() -> None:
    kernel = attngen.build("attention a { input layout[h, qb, kb]: bool  mask layout[h, i div 8, j div 8] }")
    layout = torch.ones(1, 4, 4, dtype=torch.bool)
    assert kernel.tiles(3, 0, layout=layout, H=1).shape == (1, 0)
    assert kernel.tiles(0, 3, layout=layout, H=1, offset=0).shape == (0, 1)
    ordered = attngen.build("attention a { order p(x) = (x + 5) mod M  mask causal }")
    assert ordered.tiles(3, 0, offset=0).shape == (1, 0)


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_calls_without_keys_whose_order_divides_by_their_number(backend: str) -> None:
    kernel = attngen.build("attention a { order p(x) = (x + 5) mod M  mask j <= i }", backend=backend)
    q, none = torch.ones(1, 2, 3, 4), torch.ones(1, 1, 0, 4)
    assert torch.equal(kernel(q, none, none, offset=0), torch.zeros(1, 2, 3, 4))


def test_maps_without_batch_rows() -> None:
    kernel = attngen.build("attention a { input x[b, n]: int  mask x[b, j] == x[b, i] }")
    assert kernel.tiles(3, 3, x=torch.ones(0, 3, dtype=torch.int64)).tolist() == [[0]]


def test_a_value_that_is_none_hides_no_other() -> None:
    """The logarithm of a negative number is NaN and its key is dead; its neighbours in the tile are not."""
    x = torch.full((64,), -1.0)
    x[5] = 9.0
    x[40:] = 60.0  # and these see nothing
    q, k, v = rows(64)
    kernel = attngen.build(MARKED, backend="cpp")
    assert torch.allclose(kernel(q, k, v, x=x).double(), kernel.reference(q, k, v, x=x), atol=1e-5)
    assert kernel(q, k, v, x=x)[:, :, 5:40].abs().sum() > 0
    assert kernel(q, k, v, x=x)[:, :, 40:].abs().sum() == 0


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_a_table_too_small_is_an_error_where_no_tile_is_live(backend: str) -> None:
    """What is read in place of a missing element is false; its tile is visited all the same, and reported."""
    kernel = attngen.build("attention a { input table[x, y]: bool mask table[i div 16, j div 16] }", backend=backend)
    q, k, v = rows(70)
    with pytest.raises(ValueError, match="reads table outside of an axis"):
        kernel(q, k, v, table=torch.zeros(5, 3, dtype=torch.bool))
    assert kernel(q, k, v, table=torch.zeros(5, 5, dtype=torch.bool)).abs().sum() == 0


ORDERED = "attention a(g: int = 3) { order p(x) = STEP mask p(j) <= p(i) and abs(i - j) < g }"


@pytest.mark.parametrize("backend", ["cpp", "triton", "reference"])
@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("x div 2", "the order p is no bijection: it visits the positions 0 and 1 both at step 0"),
        ("M - x", "the order p visits the position 0 at step 70, and there are 70"),
        ("if h == 0 then x else 0", r"it visits the positions 0 and 1 both at step 0 \(head 1\)"),
        ("(x * g) mod (M - 1)", "it visits the positions 0 and 23 both at step 0"),
    ],
)
def test_an_order_that_is_no_bijection(backend: str, step: str, problem: str) -> None:
    kernel = attngen.build(ORDERED.replace("STEP", step), backend=backend)
    with pytest.raises(ValueError, match=problem):
        kernel(*rows(70))


@pytest.mark.parametrize("backend", ["cpp", "triton"])
def test_an_order_of_the_spec_is_walked(backend: str) -> None:
    """Reversed and in residue classes, with odd lengths: the same numbers."""
    for step in ("M - 1 - x", "(x * g) mod M", "if h == 0 then x else (x + 7) mod M"):
        with pytest.warns(UserWarning, match="W0302") if "mod M" in step else contextlib.nullcontext():
            kernel = attngen.build(ORDERED.replace("STEP", step), g=33, backend=backend)
        q, k, v = rows(70)
        assert torch.allclose(kernel(q, k, v).double(), kernel.reference(q, k, v), atol=1e-5)


SCATTERED = (
    "attention scattered(g: int = 64) { order p(x) = if h == 0 then (x * 5) mod M else (x * 3) mod M"
    " mask p(j) <= p(i) and p(i) div g == p(j) div g }"
)


@pytest.mark.filterwarnings("ignore:warning")
@pytest.mark.parametrize(("backend", "tokens"), [("cpp", 1003), ("cpp", 1601), ("triton", 251)])
def test_what_is_walked_in_another_order(backend: str, tokens: int) -> None:
    """Orders that differ between heads, ragged tiles, fewer queries than keys, offsets per batch row, any strides."""
    kernel = attngen.build(SCATTERED, backend=backend)
    q, k, v = rows(tokens)
    prepared = kernel.prepare(q, k)
    assert prepared.tiles.key_order is not None
    y, lse = kernel(q, k, v, return_lse=True, prepared=prepared)
    wanted, wanted_lse = kernel.reference(q, k, v, return_lse=True)
    assert torch.allclose(y.double(), wanted, atol=2e-6)
    assert torch.allclose(lse.double(), wanted_lse, atol=2e-6)
    some = q.transpose(1, 2)[:, -190:].transpose(1, 2)
    offset = torch.tensor([3, tokens - 190])
    assert kernel.prepare(some, k, offset=offset).tiles.key_order is not None
    found = kernel(some, k, v, offset=offset)
    assert torch.allclose(found.double(), kernel.reference(some, k, v, offset=offset), atol=2e-6)


def test_an_order_is_checked_when_its_list_is_made_and_not_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = attngen.build(ORDERED.replace("STEP", "M - 1 - x"), backend="cpp")
    q, k, v = rows(70)
    prepared = kernel.prepare(q, k)
    module = sys.modules[kernel._functions["cpp"].__module__]
    sorted_: list[int] = []
    monkeypatch.setattr(module, "_bijection", lambda *_: sorted_.append(1))
    kernel(q, k, v, prepared=prepared)
    assert not sorted_
    kernel(q, k, v)
    assert sorted_ == [1]


def test_which_order_was_taken_and_why() -> None:
    text = "attention a(d: int = 64 in [1, inf)) { mask j <= i and (i - j) mod d == 0 }"
    lines = attngen.build(text, backend="cpp").prepare(*rows(4096)[:2]).explain().split("\n")
    assert lines[0] == "64 tiles of 64 queries and 128 keys, 0 of them full."
    costs = {name: float(cost) for cost, name in (line.strip().split(": ", 1) for line in lines[2:])}
    assert costs["j mod d * M + j (taken)"] == pytest.approx(1.2 * 64)
    assert costs["as they lie"] > 1000


def test_changes_that_torch_does_not_count() -> None:
    """The list of the call before is not taken where its data have changed through numpy or `.data`."""
    kernel = attngen.build("attention a { input doc[b, n]: int mask doc[b, i] == doc[b, j] }", backend="cpp")
    rows = torch.randn(1, 1, 256, 8, generator=torch.Generator().manual_seed(0))
    shared = torch.zeros(1, 256, dtype=torch.int64)
    shared[:, 128:] = 1
    kernel(rows, rows, rows, doc=shared)
    shared.numpy()[:] = 0
    for doc in (shared, shared.clone()):
        y = kernel(rows, rows, rows, doc=doc)
        assert torch.allclose(y.double(), kernel.reference(rows, rows, rows, doc=doc), atol=1e-5)


def test_changes_on_a_device_that_is_not_waited_for() -> None:
    """Where data are not copied and not looked at, the count of their changes tells."""
    doc = torch.zeros(1, 256, dtype=torch.int64, device="meta")
    given = live._kept((doc, 256))
    known = SimpleNamespace(made_for=given, versions=live._versions(given))
    assert given[0] is doc
    assert live._made_before([known], (doc, 256)) is known
    assert live._made_before([known], (doc, 128)) is None
    doc.add_(1)
    assert live._made_before([known], (doc, 256)) is None
