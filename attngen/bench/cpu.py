"""CPU kernels beside PyTorch's own: times, useful work, and how far the machine could go."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

import attngen
from attngen.bench.peers import Call, Sizes, block_mask, eager, flex, on_grid, rows, sdpa
from attngen.bench.timing import Timing, alternating, grown_memory, matrix_product, multiply_adds, taken
from attngen.bench.variants import WINDOW, Subject
from attngen.runtime.machine import compiler_version, cpu_name, vectors

PEERS = ("eager", "sdpa", "flex")
TRAINED = 14
"""FLOPs of a live pair and channel, forward and backward: two products and five."""
SLOW = 20.0
"""Seconds that one call of a peer may take; eager attention in bfloat16 takes minutes where the CPU lacks it."""
LENGTHS = (4096, 8192, 16384, 32768, 65536)
DECODED = 65536


@dataclass(frozen=True, slots=True)
class Peaks:
    """What the machine does at most, measured in the same run: FLOP/s."""

    product: dict[str, float]
    multiply_add: float

    def product_of(self, dtype: str) -> float:
        """What a kernel of this dtype is measured by: where the CPU lacks bfloat16, that of float32 is faster."""
        return max(self.product[dtype], self.product.get("float32", 0))


@dataclass(frozen=True, slots=True)
class Row:
    """One variant: seconds of each contestant, and the FLOPs of its live pairs.

    `listed`: seconds in which a contestant finds its live tiles, which is done before and once for all layers.
    """

    name: str
    dtype: str
    width: int
    tokens: int
    live: float
    work: float
    times: dict[str, Timing]
    listed: dict[str, float]

    def speed(self, name: str) -> float:
        """Useful FLOP/s of a contestant."""
        return self.work / self.times[name].median

    def ratio(self, peer: str) -> float | None:
        """How many times as long a peer takes as attngen."""
        return self.times[peer].median / self.times["attngen"].median if peer in self.times else None

    def as_json(self) -> dict[str, Any]:
        times = {name: {"ms": 1e3 * time.median, "spread": time.spread} for name, time in self.times.items()}
        facts = {"name": self.name, "dtype": self.dtype, "width": self.width, "tokens": self.tokens, "live": self.live}
        speeds = {name: self.speed(name) / 1e9 for name in self.times}
        listed = {name: 1e3 * seconds for name, seconds in self.listed.items()}
        ratios = {peer: self.ratio(peer) for peer in PEERS}
        return {**facts, "times": times, "gflops": speeds, "ratios": ratios, "listed ms": listed}


@dataclass(frozen=True, slots=True)
class Length:
    """A sliding window at one length: seconds, and bytes of memory beyond inputs and outputs."""

    tokens: int
    seconds: float
    memory: int


@dataclass(frozen=True, slots=True)
class Decoding:
    """One query against many keys: bytes of K and V per second, and bytes that a copy of them reads and writes."""

    dtype: str
    keys: int
    rates: dict[str, float]


def peaks(dtypes: tuple[torch.dtype, ...]) -> Peaks:
    return Peaks({name_of(dtype): matrix_product(dtype) for dtype in dtypes}, multiply_adds())


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "cpu": cpu_name(),
        "vectors": vectors(),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "attngen": attngen.__version__,
        "compiler": compiler_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def measured(
    subject: Subject,
    sizes: Sizes,
    dtype: torch.dtype,
    rounds: int,
    limits: Peaks,
    peers: set[str],
    backward: bool = False,
) -> Row:
    """Time one variant beside its peers; with `backward`, forward and then backward to q, k and v.

    Raises:
        ArithmeticError: a contestant gives something else than attngen.
    """
    q, k, v = (each.requires_grad_(backward) for each in rows(sizes, dtype))
    kernel = attngen.build(subject.spec, backend="cpp", **subject.parameters)
    listed: dict[str, float] = {}
    prepared, listed["attngen"] = taken(lambda: kernel.prepare(q, k, **subject.inputs))
    calls: dict[str, Call] = {"attngen": partial(kernel, q, k, v, prepared=prepared, **subject.inputs)}
    pairs = sizes.heads * sizes.tokens**2
    per_pair = (TRAINED if backward else 4) * sizes.width
    if "eager" in peers and per_pair * pairs / limits.product[name_of(dtype)] < SLOW:
        calls["eager"] = eager(subject, sizes, q, k, v)
    if "sdpa" in peers and (call := sdpa(subject, sizes, q, k, v)) is not None:
        calls["sdpa"] = call
    if "flex" in peers and not backward:  # it has no backward pass on a CPU
        blocks, seconds = taken(lambda: block_mask(subject, sizes))
        call = flex(subject, blocks, q, k, v)
        if _works(call):
            listed["flex"] = seconds
            calls["flex"] = call
    if backward:
        calls = {name: partial(_trained, call, (q, k, v)) for name, call in calls.items()}
    _agree(subject, calls, 1e-4 if dtype == torch.float32 else 6e-2 if backward else 4e-2)
    live = 1.0 if subject.mask is None else on_grid(subject.mask, sizes).double().mean().item()
    times = alternating(calls, rounds)
    work = per_pair * pairs * live
    return Row(subject.name, name_of(dtype), sizes.width, sizes.tokens, live, work, times, listed)


def _trained(call: Call, leaves: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Forward and backward: y and the gradients of half its squares, in one row."""
    y = call()
    found = torch.autograd.grad(y, leaves, y.detach())
    return torch.cat([y.detach().flatten(), *(each.flatten() for each in found)])


def _works(call: Call) -> bool:
    """Whether a peer can compile a variant at all."""
    try:
        call()
    except Exception:  # PyTorch's compiler raises what it likes
        return False
    return True


def _agree(subject: Subject, calls: dict[str, Call], most: float) -> None:
    """Compare what contestants compute, as a norm: peers round scores to bfloat16, and single elements suffer.

    Eager attention rounds their gradients too: those of `t5_bias` are 4.4 % off, attngen's and SDPA's less than 0.5 %.
    """
    expected = calls["attngen"]().float()
    for name, call in calls.items():
        error = ((call().float() - expected).norm() / expected.norm()).item()
        if not error <= most:
            raise ArithmeticError(f"{subject.name}: {name} differs from attngen by {100 * error:.2g} %")


def lengths(folder: Path, heads: int, width: int, rounds: int) -> Iterator[Length]:
    """A window of 512 over longer and longer sequences, in float32."""
    kernel = attngen.build(folder / "sliding_window.attn", backend="cpp", window=WINDOW)
    for tokens in LENGTHS:
        q, k, v = rows(Sizes(heads, tokens, width), torch.float32)
        call = partial(kernel, q, k, v)
        seconds = alternating({"call": call}, rounds)["call"].median
        output = 4 * heads * tokens * (width + 1)  # y and the log-sum-exp
        yield Length(tokens, seconds, max(0, grown_memory(call) - output))


def decoding(folder: Path, dtype: torch.dtype, heads: int, width: int, rounds: int) -> Decoding:
    """One query of each head against 65,536 keys of its own."""
    _, k, v = rows(Sizes(heads, DECODED, width), dtype)
    q = rows(Sizes(heads, 1, width), dtype, seed=1)[0]
    kernel = attngen.build(folder / "full.attn", backend="cpp")
    calls: dict[str, Callable[[], Any]] = {
        "attngen": partial(kernel, q, k, v),
        "sdpa": partial(torch.nn.functional.scaled_dot_product_attention, q, k, v),
        "copy": partial(torch.empty_like(k).copy_, v),  # reads as many bytes as it writes, together as many as K and V
    }
    size = k.nbytes + v.nbytes
    return Decoding(
        name_of(dtype), DECODED, {name: size / time.median for name, time in alternating(calls, rounds).items()}
    )


def mean_ratio(found: list[Row], peer: str) -> float | None:
    """The geometric mean of the ratios to a peer, over masked and scored variants."""
    ratios = [ratio for row in found if row.name not in ("full", "causal") and (ratio := row.ratio(peer)) is not None]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None
