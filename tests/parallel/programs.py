"""What ranks do in tests: programs of processes, which import them by name."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from processes import join
from torch import Tensor

import attngen
from attngen.fuzz.ring import share
from attngen.parallel.blocks import block_of
from attngen.parallel.counts import pair_traffic
from attngen.parallel.pair_part import PairPart
from attngen.parallel.pairs import rows_of
from attngen.runtime.draws import dtype_of, tensors

FOLDER = Path(__file__).parents[2] / "specs"
SMALL = {"window": 9, "group": 8, "block": 8, "rows": 8, "cols": 8, "stride": 2, "width": 10, "ramp": 8}
CAUSAL = "attention causal { mask j <= i }"
WINDOW = "attention local(window: int = 8 in [1, inf)) { mask 0 <= i - j < window }"


def attend(rank: int, ranks: int, where: str, names: list[str], options: list[dict[str, Any]]) -> dict[str, Any]:
    """Specs on these ranks against one process: the largest errors of y and of gradients, and what was sent."""
    join(rank, ranks, where)
    return {f"{name} {option}": _attended(name, option) for name in names for option in options}


def _attended(name: str, options: dict[str, Any]) -> dict[str, Any]:
    from attngen.fuzz.call import Call

    variant = attngen.load(FOLDER / f"{name}.attn")
    parameters = {p.name: SMALL.get(p.name, p.default) for p in variant.parameters}
    if name == "natten2d":
        parameters["window"] = 3
    torch.manual_seed(0)
    q, k, v, inputs = tensors(variant, [1, 4, 100, 8], dtype_of("float32"), torch.device("cpu"), parameters)
    kernel = attngen.build(variant, **parameters)
    call = Call(q, k, v, parameters, inputs)
    part = kernel.on(**options)
    mine = share(part, call)
    y, found = _differentiated(part, mine.q, mine.k, mine.v, dict(mine.inputs), part.scatter)
    exact, wanted = _differentiated(kernel, q, k, v, inputs, lambda rows: rows)
    errors = [_error(part.gather(y), exact)]
    for label, gradient in found.items():
        axis = 2 if label in ("q", "k", "v") else part.axes.get(label)
        errors.append(_error(gradient if axis is None else part.gather(gradient, axis), wanted[label]))
    sent = part.ranks.traffic
    return {"errors": errors, "layout": str(part.layout), "sent": (sent.messages, sent.bytes), **_foreseen(part, mine)}


def _differentiated(kernel: Any, q: Tensor, k: Tensor, v: Tensor, inputs: dict[str, Tensor], cut: Any) -> Any:
    floats = {"q": q, "k": k, "v": v, **{name: x for name, x in inputs.items() if x.is_floating_point()}}
    leaves = {name: x.detach().clone().requires_grad_() for name, x in floats.items()}
    given = {**inputs, **{name: x for name, x in leaves.items() if name in inputs}}
    y = kernel(leaves["q"], leaves["k"], leaves["v"], **given)
    dy = torch.randn(y.shape[0], y.shape[1], 100, y.shape[3], generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad(y, [*leaves.values()], cut(dy).to(y.dtype))
    return y.detach(), dict(zip(leaves, found, strict=True))


def _error(found: Tensor, exact: Tensor) -> float:
    """Of the largest number."""
    return float((found - exact).abs().max() / exact.abs().max().clamp(min=1e-9))


def _foreseen(part: Any, mine: Any) -> dict[str, Any]:
    """What was to be sent."""
    if not isinstance(part, PairPart) or not part._rings:
        return {}
    (ring,) = part._rings.values()
    rows = {"q": mine.q, "k": mine.k, "v": mine.v}
    queries, keys = rows_of(block_of(part.kernel.variant), ring, part.ranks.rank, rows, mine.inputs)
    floats = {name for side in (queries, keys) for name, x in side.rows.items() if x.is_floating_point()}
    traffic = pair_traffic(ring, part.ranks.rank, queries, keys, rows["v"], floats)
    back = traffic.backward[part.send]
    return {"foreseen": (traffic.forward.messages + back.messages, traffic.forward.bytes + back.bytes)}


def fail(rank: int, ranks: int, where: str, kind: str, timeout: float) -> tuple[str, float]:
    """Something is wrong on rank 1; what the others say of it, and after how many seconds."""
    join(rank, ranks, where)
    kernel = attngen.build(WINDOW, window=16 if (kind, rank) == ("parameter", 1) else 40)
    part = kernel.on(layout="contiguous", timeout=timeout)
    heads = 4 if (kind, rank) == ("shape", 1) else 2
    q, k, v = (torch.randn(1, heads, 32, 8) for _ in range(3))
    y = part(*(torch.randn(1, 2, 32, 8, requires_grad=True) for _ in range(3)))  # compiled, and all there
    started = time.monotonic() if kind != "parameter" else 0.0
    if rank == 1 and kind == "exit":
        os._exit(1)
    if rank == 1 and kind == "freeze":
        time.sleep(3600)
    try:
        y.sum().backward() if kind == "backward" else part(q, k, v)
    except (RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}", time.monotonic() - started
    return "nothing", time.monotonic() - started


def rebuild(rank: int, ranks: int, where: str, again: str) -> float:
    """The last rank dies; the others make a group of their own, and call once more."""
    join(rank, ranks, where)
    kernel = attngen.build(CAUSAL)
    part = kernel.on(timeout=6.0)
    q, k, v = (torch.randn(1, 2, 60, 8, generator=torch.Generator().manual_seed(n)) for n in range(3))
    part(*map(part.scatter, (q, k, v)))
    if rank == ranks - 1:
        os._exit(1)
    try:
        part(*map(part.scatter, (q, k, v)))
    except RuntimeError:
        dist.destroy_process_group()
    join(rank, ranks - 1, again)
    part = kernel.on(timeout=60.0)
    y = part.gather(part(*map(part.scatter, (q, k, v))))
    return float((y - kernel(q, k, v)).abs().max())
