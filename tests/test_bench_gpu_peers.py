"""How recurrences are said to flash-linear-attention and mamba: by modules that compute what theirs document."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from attngen.bench.gpu import linear_peers, rows
from attngen.bench.gpu.clock import Clock
from attngen.bench.gpu.contestants import Contestant
from attngen.bench.gpu.subjects import Job, Subject, subject
from attngen.bench.peers import Sizes

SPECS = Path(__file__).parents[1] / "specs"
Scale = float | None
Result = tuple[Tensor, None]


def steps(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    scale: Scale,
    fade: Tensor,
    bonus: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    """Token by token, [B, T, H, ...]: a state that fades by factors [B, T, H, K], and the delta rule with a beta.

    With a bonus [H, K], a token reads the state in front of its own write.
    """
    assert q.shape == k.shape == fade.shape and q.shape[:3] == v.shape[:3]
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    state, found = q.new_zeros(q.shape[0], q.shape[2], q.shape[3], v.shape[3]), []
    for t in range(q.shape[1]):
        key, value, before = k[:, t, :, :, None], v[:, t, :, None], state
        state = fade[:, t, ..., None] * state
        write = value if beta is None else beta[:, t, :, None, None] * (value - (key * state).sum(-2, keepdim=True))
        state = state + key * write
        read = state if bonus is None else before + bonus[..., None] * key * value
        found.append((scale * q[:, t, :, :, None] * read).sum(-2))
    return torch.stack(found, 1)


def still(q: Tensor) -> Tensor:
    return torch.ones_like(q)


def by_head(q: Tensor, g: Tensor) -> Tensor:
    """Factors of logarithms [B, T, H] or [H]."""
    return g.exp()[..., None].expand(q.shape)


def chunk_linear_attn(q: Tensor, k: Tensor, v: Tensor, scale: Scale = None, normalize: bool = True) -> Result:
    assert normalize and scale == 1.0
    total = (q * k.cumsum(1)).sum(-1, keepdim=True) + 1e-10
    return steps(q, k, v, scale=scale, fade=still(q)) / total, None


def chunk_simple_gla(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor | None = None, g_gamma: Tensor | None = None, scale: Scale = None
) -> Result:
    assert (g is None) != (g_gamma is None)
    return steps(q, k, v, scale=scale, fade=by_head(q, g if g_gamma is None else g_gamma)), None


def older_simple_gla(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, scale: Scale = None, head_first: bool = True
) -> Result:
    """Before it took a gate of each head, and when heads came first unless said otherwise."""
    assert not head_first and g.shape == q.shape[:3]
    return steps(q, k, v, scale=scale, fade=by_head(q, g)), None


def chunk_gla(q: Tensor, k: Tensor, v: Tensor, g: Tensor, scale: Scale = None) -> Result:
    return steps(q, k, v, scale=scale, fade=g.exp()), None


def chunk_rwkv6(r: Tensor, k: Tensor, v: Tensor, w: Tensor, u: Tensor, scale: Scale = None) -> Result:
    return steps(r, k, v, scale=scale, fade=w.exp(), bonus=u), None


def chunk_delta_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, scale: Scale = None) -> Result:
    return steps(q, k, v, scale=scale, fade=still(q), beta=beta), None


def chunk_gated_delta_rule(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, scale: Scale = None) -> Result:
    return steps(q, k, v, scale=scale, fade=by_head(q, g), beta=beta), None


def chunk_kda(q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, scale: Scale = None) -> Result:
    return steps(q, k, v, scale=scale, fade=g.exp(), beta=beta), None


def mamba_chunk_scan_combined(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk_size: int, D: Tensor | None = None
) -> Tensor:
    assert chunk_size == 256 and D is not None
    return steps(C, B, dt[..., None] * x, scale=1.0, fade=by_head(C, dt * A)) + D[:, None] * x


MODULES: dict[str, tuple[Callable[..., object], ...]] = {
    "fla.ops.linear_attn": (chunk_linear_attn,),
    "fla.ops.simple_gla": (chunk_simple_gla,),
    "fla.ops.gla": (chunk_gla,),
    "fla.ops.rwkv6": (chunk_rwkv6,),
    "fla.ops.delta_rule": (chunk_delta_rule,),
    "fla.ops.gated_delta_rule": (chunk_gated_delta_rule,),
    "fla.ops.kda": (chunk_kda,),
    "mamba_ssm.ops.triton.ssd_combined": (mamba_chunk_scan_combined,),
}
CASES = [(peer, spec) for peer, uses in linear_peers.USES.items() for spec in uses]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, functions in MODULES.items():
        parts = name.split(".")
        for count in range(1, len(parts)):
            monkeypatch.setitem(sys.modules, ".".join(parts[:count]), ModuleType(".".join(parts[:count])))
        module = ModuleType(name)
        for function in functions:
            setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, name, module)


def given(spec: str, dtype: str = "float32") -> Subject:
    return subject(Job(SPECS / f"{spec}.attn", spec, Sizes(2, 20, 8), dtype), "cpu")


def offered(peer: str, each: Subject) -> Contestant | str:
    return dict(linear_peers.offers(each))[peer]()


def close(found: Tensor, wanted: Tensor, most: float = 1e-5) -> None:
    assert found.shape == wanted.shape
    assert (found.double() - wanted).abs().max() < most * wanted.abs().max()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("peer", "spec"), CASES)
def test_peers_are_told_the_recurrence(peer: str, spec: str) -> None:
    """Against the interpreter, with the gradients by q, k, v and what belongs to each token."""
    each = given(spec)
    contestant = offered(peer, each)
    assert isinstance(contestant, Contestant), contestant
    q, k, v = (x.double().requires_grad_() for x in each.rows)
    trained = linear_peers.trained_inputs(each)
    inputs = {name: x.double().requires_grad_(name in trained) for name, x in each.inputs.items()}
    expected = each.kernel.reference(q, k, v, **inputs)
    close(contestant.comparable([contestant.forward()])[0], expected.detach())
    dy = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0))
    wanted = torch.autograd.grad(expected, [q, k, v, *(inputs[name] for name in trained)], dy.double())
    _, *found = contestant.comparable(contestant.trained(dy)())
    for by, right in zip(found, wanted, strict=True):
        close(by, right, 1e-4)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("peer", "spec"), CASES)
def test_peers_get_rows_of_one_dtype(peer: str, spec: str) -> None:
    contestant = offered(peer, given(spec, "bfloat16"))
    assert isinstance(contestant, Contestant)
    assert all(x.dtype == torch.bfloat16 for x in contestant.leaves[:3])
    assert contestant.leaves[0].shape == (1, 20, 2, 8) and contestant.leaves[0].is_contiguous()


@pytest.mark.usefixtures("installed")
def test_older_functions_are_asked_for_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["fla.ops.simple_gla"], "chunk_simple_gla", older_simple_gla)
    each = given("lightning")
    contestant = offered("fla", each)
    assert isinstance(contestant, Contestant)
    close(contestant.comparable([contestant.forward()])[0], each.kernel.reference(*each.rows, **each.inputs))


@pytest.mark.usefixtures("installed")
def test_a_function_behind_a_wrapper_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["fla.ops.gla"], "chunk_gla", lambda *rows, **named: chunk_gla(*rows, **named))
    each = given("gla")
    contestant = offered("fla", each)
    assert isinstance(contestant, Contestant)
    close(contestant.comparable([contestant.forward()])[0], each.kernel.reference(*each.rows, **each.inputs))


@pytest.mark.usefixtures("installed")
def test_what_is_not_there_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered("mamba", given("gla")) == "has no kernel for this recurrence"
    monkeypatch.setattr(sys.modules["fla.ops.gla"], "chunk_gla", lambda q, k: q)  # noqa: ARG005
    assert offered("fla", given("gla")) == "fla.ops.gla.chunk_gla takes no 4 rows and gates"
    monkeypatch.setattr(sys.modules["fla.ops.rwkv6"], "chunk_rwkv6", lambda r, k, v, w, u: r)  # noqa: ARG005
    assert offered("fla", given("rwkv6")) == "fla.ops.rwkv6.chunk_rwkv6 takes no scale"
    monkeypatch.delattr(sys.modules["fla.ops.kda"], "chunk_kda")
    found = offered("fla", given("kda"))
    assert isinstance(found, str) and "has no attribute 'chunk_kda'" in found


@pytest.mark.usefixtures("installed")
def test_a_row_with_an_installed_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(SPECS / "mamba2.attn", "mamba2", Sizes(2, 20, 16), "float32")
    row = rows.measured(job, Clock("cpu", 2), True, False)
    assert row.verified and row.forward.keys() == {"attngen", "fla", "mamba"} and max(row.apart.values()) < 1e-5
    assert row.best() in ("fla", "mamba") and row.as_json(1e9, False)["forward"]["mamba"]["ratio"] > 0

    def raises(q: Tensor, k: Tensor, v: Tensor, g: Tensor, scale: Scale = None) -> Result:  # noqa: ARG001
        raise AssertionError("no float32")

    monkeypatch.setattr(sys.modules["fla.ops.simple_gla"], "chunk_simple_gla", raises)
    row = rows.measured(job, Clock("cpu", 2), True, False)
    assert row.notes == {"fla": "AssertionError: no float32"} and row.forward.keys() == {"attngen", "mamba"}
