"""The interpreter against formulas that are written for one variant each."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from marked import checked
from torch import Tensor

from attngen.errors import CallError
from attngen.reference import Result, attention


def rows(heads: tuple[int, int, int] = (2, 2, 2), n: int = 5, m: int = 7, seed: int = 0) -> tuple[Tensor, ...]:
    """q, k, v of two batch rows, with D = 4 and E = 3."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, heads[0], n, 4), (2, heads[1], m, 4), (2, heads[2], m, 3)]
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def run(text: str, qkv: tuple[Tensor, ...] | None = None, **given: Any) -> Result:
    parameters = given.pop("parameters", {})
    return attention(checked(text), *(qkv or rows()), parameters=parameters, **given)


def logits(qkv: tuple[Tensor, ...]) -> Tensor:
    return qkv[0] @ qkv[1].mT / 2


def positions(qkv: tuple[Tensor, ...], offset: int | None = None) -> tuple[Tensor, Tensor]:
    n, m = qkv[0].shape[2], qkv[1].shape[2]
    return torch.arange(n)[:, None] + (m - n if offset is None else offset), torch.arange(m)[None]


def same(found: Result, score: Tensor, live: Tensor, values: Tensor) -> None:
    """y and log-sum-exp are those of a softmax of the live scores."""
    masked = score.masked_fill(~live, -math.inf)
    torch.testing.assert_close(found.y, torch.softmax(masked, -1) @ values)
    assert found.lse is not None
    torch.testing.assert_close(found.lse, torch.logsumexp(masked, -1))
    assert torch.equal(found.live, live.expand_as(found.live))


def test_full() -> None:
    qkv = rows()
    found = run("attention a { }", qkv)
    same(found, logits(qkv), torch.ones(5, 7, dtype=torch.bool), qkv[2])
    assert found.y.dtype == torch.float64 and found.y.shape == (2, 2, 5, 3) and found.live.shape == (2, 2, 5, 7)
    torch.testing.assert_close(run("attention a { }", qkv, scale=0.5).y, found.y)
    torch.testing.assert_close(run("attention a { score dot(q, k) }", qkv).y, run("attention a { }", qkv, scale=1).y)


@pytest.mark.parametrize("heads", [(4, 2, 2), (4, 1, 1), (2, 2, 4), (4, 2, 1), (1, 1, 1)])
def test_heads_are_shared_evenly(heads: tuple[int, int, int]) -> None:
    qkv = rows(heads)
    total = max(heads)
    wide = tuple(each.repeat_interleave(total // each.shape[1], 1) for each in qkv)
    found = run("attention a { mask causal }", qkv)
    i, j = positions(qkv)
    same(found, logits(wide), j <= i, wide[2])


@pytest.mark.parametrize(("n", "m"), [(5, 5), (1, 7), (7, 3)])
@pytest.mark.parametrize("offset", [None, 0, 3])
def test_offsets(n: int, m: int, offset: int | None) -> None:
    qkv = rows(n=n, m=m)
    found = run("attention a { mask i - 3 <= j <= i }", qkv, offset=offset)
    i, j = positions(qkv, offset)
    live = (i - 3 <= j) & (j <= i)
    assert torch.equal(found.live, live.expand(2, 2, n, m))
    seen = live.any(-1)
    assert found.lse is not None
    same(Result(found.y[:, :, seen], found.lse[:, :, seen], found.live[:, :, seen]),
         logits(qkv)[:, :, seen], live[seen], qkv[2])  # fmt: skip
    assert not found.y[:, :, ~seen].any() and (found.lse[:, :, ~seen] == -math.inf).all()


def test_an_offset_for_each_batch_row() -> None:
    qkv = rows()
    text = "attention a { mask j <= i }"
    found = run(text, qkv, offset=torch.tensor([0, 2]))
    for b, offset in enumerate((0, 2)):
        one = run(text, qkv, offset=offset)
        assert torch.equal(found.y[b], one.y[b]) and torch.equal(found.live[b], one.live[b])
    assert torch.equal(run(text, qkv, offset=torch.tensor(2)).y, run(text, qkv).y)


def test_window_alibi_softcap() -> None:
    qkv = rows()
    i, j = positions(qkv)
    slope = torch.tensor([0.5, 0.25], dtype=torch.float64)
    text = """attention a(w: int, cap: float) {
      input slope[h]: float
      score cap * tanh(scale * dot(q, k) / cap) - slope[h] * (i - j)
      mask  0 <= i - j < w }"""
    found = run(text, qkv, parameters={"w": 3, "cap": 2.0}, inputs={"slope": slope})
    score = 2 * torch.tanh(logits(qkv) / 2) - slope[:, None, None] * (i - j)
    same(found, score, (0 <= i - j) & (i - j < 3), qkv[2])


def test_the_sink_is_in_the_sum_and_in_the_log_sum_exp() -> None:
    qkv = rows()
    i, j = positions(qkv)
    sink = torch.tensor([[0.3, -0.2], [1.0, 0.0]], dtype=torch.float64)
    found = run("attention a { input x[b, h]: float  sink x[b, h]  mask j < i - 2 }", qkv, inputs={"x": sink})
    score = logits(qkv).masked_fill(~(j < i - 2), -math.inf)
    total = score.exp().sum(-1) + sink.exp()[..., None]
    torch.testing.assert_close(found.y, score.exp() @ qkv[2] / total[..., None])
    torch.testing.assert_close(found.lse, total.log())
    empty = run("attention a(z: float) { sink z  mask false }", qkv, parameters={"z": 0.5})
    assert (
        not empty.y.any() and empty.lse is not None and torch.allclose(empty.lse, torch.full((2, 2, 5), 0.5).double())
    )


@pytest.mark.parametrize("clause", ["sum(eps)", "sum(0)", "count", "none"])
@pytest.mark.parametrize("word", ["weight", "score"])
def test_weights(word: str, clause: str) -> None:
    qkv = rows()
    i, j = positions(qkv)
    live = (j <= i) & (j != 2) & (i != 4)
    text = f"attention a(eps: float) {{ {word} dot(q, k) + eps  mask j <= i and j != 2 and i != 4 normalize {clause} }}"
    found = run(text, qkv, parameters={"eps": 0.125})
    score = qkv[0] @ qkv[1].mT + 0.125
    weight = torch.where(live, score.exp() if word == "score" else score, 0)
    total = {
        "sum(eps)": weight.sum(-1) + 0.125,
        "sum(0)": weight.sum(-1),
        "count": live.sum(-1).expand(2, 2, 5),
        "none": torch.ones(2, 2, 5),
    }[clause]
    wanted = torch.where(live.any(-1)[:, None], weight @ qkv[2] / total[..., None], 0)
    torch.testing.assert_close(found.y, wanted)
    assert found.lse is None
    assert not found.y[:, :, 2].any()


@pytest.mark.parametrize("clause", ["", "sink 0", "normalize none", "normalize count", "normalize sum(0)"])
def test_rows_that_see_nothing(clause: str) -> None:
    for qkv, mask in ((rows(), "mask false"), (rows(m=0), ""), (rows(n=0), "")):
        found = run(f"attention a {{ {mask} {clause} }}", qkv)
        assert found.y.shape == (*qkv[0].shape[:3], 3) and not found.y.any()
        if found.lse is not None:
            assert (found.lse == (0 if "sink" in clause else -math.inf)).all()


def test_what_is_masked_never_enters_arithmetic() -> None:
    found = run("attention a { score log(j - 2)  mask j > 2 }", rows())
    assert found.y.isfinite().all() and found.lse is not None and found.lse.isfinite().all()


AXES = """attention a {
  input table[b, h, i, j]: float
  input place[n]: int
  input own[b, m, n]: float
  input wide[h, c]: float
  input hi[hi]: float
  input flag[j]: bool
  score table[b, h, i, j] + own[b, i mod size(m), j] + dot(q * wide[h], k) + hi[(i + j) mod size(hi)]
  mask  place[j] <= place[i] and flag[j]
}"""


def test_inputs_on_every_kind_of_axis() -> None:
    """`hi` is an axis of its own, although its letters are axes with a meaning."""
    qkv = rows((4, 2, 2))
    generator = torch.Generator().manual_seed(1)
    shapes = {"table": (2, 2, 5, 7), "own": (2, 3, 7), "wide": (2, 4), "hi": (4,)}
    inputs = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    inputs["place"] = torch.tensor([3, 1, 2, 0, 1, 3, 2], dtype=torch.int32)
    inputs["flag"] = torch.tensor([True, True, False, True, True, True, True])
    found = run(AXES, qkv, inputs=inputs)
    for b, h, r, j in ((0, 0, 0, 0), (1, 3, 4, 6), (0, 2, 3, 1), (1, 1, 2, 4)):
        i, place = r + 2, inputs["place"]
        assert found.live[b, h, r, j] == (place[j] <= place[i] and inputs["flag"][j])
    q, k, v = (each.repeat_interleave(4 // each.shape[1], 1) for each in qkv)
    i, j = positions(qkv)
    wide = {name: each.double() if each.is_floating_point() else each for name, each in inputs.items()}
    score = (
        wide["table"].repeat_interleave(2, 1)
        + wide["own"][:, (i % 3), j][:, None]
        + (q * wide["wide"].repeat_interleave(2, 0)[:, None]) @ k.mT
        + wide["hi"][(i + j) % 4]
    )
    live = (inputs["place"][j] <= inputs["place"][i]) & inputs["flag"][j]
    assert live.any(-1).all()
    same(found, score, live, v)


def test_rotary_embeddings_of_the_prelude() -> None:
    qkv = rows()
    i, j = positions(qkv)
    text = "attention a { score scale * dot(rotate(q, i * theta(10000.0)), rotate(k, j * theta(10000.0))) }"
    frequency = 10000.0 ** (-2 * (torch.arange(4) % 2).double() / 4)

    def turned(x: Tensor, place: Tensor) -> Tensor:
        angle = place.double()[:, None] * frequency
        return x * angle.cos() + torch.cat([-x[..., 2:], x[..., :2]], -1) * angle.sin()

    score = turned(qkv[0], i[:, 0]) @ turned(qkv[1], j[0]).mT / 2
    same(run(text, qkv), score, torch.ones(5, 7, dtype=torch.bool), qkv[2])


def test_rows_at_other_channels() -> None:
    """The row is computed as it is, and then read: a norm is over all channels, and so is a product."""
    qkv = rows()
    q, k, v = qkv
    everything = torch.ones(5, 7, dtype=torch.bool)
    one = "attention a { let u = l2norm(q)  score u[0] * j }"
    same(run(one, qkv), (q / q.norm(dim=-1, keepdim=True))[..., :1] * torch.arange(7), everything, v)
    whole = "attention a { let u = q * dot(q, k)  score u[(j + 1) mod D] }"
    product = q @ k.mT
    channel = (torch.arange(7) + 1) % 4
    same(run(whole, qkv), q[..., channel] * product, everything, v)
    twice = "attention a { let u = q[(c + 1) mod D]  let w = u[2 * (c div 2)]  score dot(w, k) }"
    same(run(twice, qkv), q.roll(-1, -1)[..., [0, 0, 2, 2]] @ k.mT, everything, v)
    crossed = "attention a { score dot(q[c mod 3], k) + dot(v[c mod E], k) }"
    folded = [0, 1, 2, 0]
    same(run(crossed, qkv), q[..., folded] @ k.mT + (v[..., folded] * k).sum(-1)[:, :, None], everything, v)


READS = {
    "mask table[j] > 0.0": "query 0, key 4",
    "mask j < 4 and table[j] > 0.0": None,
    "mask table[j] > 0.0 and j < 4": "query 0, key 4",
    "mask j >= 4 or table[j] > 0.0": None,
    "mask j < 4 or table[j] > 0.0": "query 0, key 4",
    "mask not (j >= 4 or table[j] > 0.0)": None,
    "mask if j < 4 then table[j] > 0.0 else true": None,
    "mask if j < 4 then true else table[j] > 0.0": "query 0, key 4",
    "mask if table[j] > 0.0 then true else true": "query 0, key 4",
    "score table[j]": "query 0, key 4",
    "score table[j]  mask j < 4": None,
    "score table[j]  mask i != 3 or j < 4": "query 0, key 4",
    "score table[j]  mask i == 3 or j < 4": "query 1, key 4",
    "score (if j < 4 then table[j] else 0)": None,
    "score table[min(j, 3)]": None,
    "score table[i - 3]  mask i >= 3": None,
    "score table[i - 3]  mask i >= 2": "query 0, key 0",
    "sink table[3]": None,
    "sink table[4]": "query 0, key 0",
    "score dot(q[c + 1], k)": "query 0, key 0",
    "mask 4 div (j - 2) < 9": "query 0, key 2",
    "mask j == 2 or 4 mod (j - 2) < 9": None,
}


@pytest.mark.parametrize("clauses", READS)
def test_reads_outside_count_only_where_the_value_does(clauses: str) -> None:
    table = {"table": torch.tensor([0.5, -0.5, 1.0, 2.0])}
    text = f"attention a {{ input table[m]: float  {clauses} }}"
    where = READS[clauses]
    if where is None:
        assert run(text, inputs=table).y.isfinite().all()
        return
    with pytest.raises(CallError, match=rf"^a: .* at b=0, h=0, {where}$") as error:
        run(text, inputs=table)
    reason = "divided by zero" if "4 div" in clauses else ("its channels" if "dot" in clauses else "`table`")
    assert reason in str(error.value)


def test_huge_scores_keep_their_shares() -> None:
    """log(total) is lost in lse = 1e17 + log(total); the shares must not be."""
    huge = "100000000000000000.0"
    ones = torch.ones(1, 1, 3, 2)
    result = run(f"attention a {{ score {huge} + 0.0 * dot(q, k)  sink {huge} }}", (ones, ones, ones))
    assert torch.allclose(result.y, torch.full_like(result.y, 0.75, dtype=torch.float64))
