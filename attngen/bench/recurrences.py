"""Recurrent kernels beside PyTorch's own chunked forms: calls, training, growth with the tokens, single tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everyone calls it
from torch import Tensor

import attngen
from attngen.bench.chunked import Rooms
from attngen.bench.cpu import name_of
from attngen.bench.peers import Sizes, rows
from attngen.bench.recurrent_peers import SUBJECTS, Subject
from attngen.bench.timing import Timing, alternating
from attngen.runtime.recurrent import State

Results = Callable[[], list[Tensor]]
CHUNKS = (16, 32, 64, 128, 256)
"""Tokens of a chunk that PyTorch's forms are tried with; the fastest is taken."""
APART = {torch.float32: 1e-3, torch.bfloat16: 4e-2}
"""What contestants may differ by, of the largest number of a tensor; in bfloat16, peers round what they multiply."""
GROWN = (8192, 32768, 131072)
CROSSED = (64, 128, 256, 512, 1024, 2048)
STATES = 16384
"""Heads of all batch rows whose states a token is decoded with: 268 MB of states of 64 by 64."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recurrence: seconds of each contestant, forward alone and with the backward pass, and FLOPs forward.

    `chunks`: how many tokens the fastest chunks of PyTorch's form have, forward and trained.
    """

    name: str
    dtype: str
    width: int
    tokens: int
    work: float
    times: Mapping[str, Timing]
    trained: Mapping[str, Timing]
    chunks: tuple[int, int]

    @property
    def speed(self) -> float:
        """FLOP/s of attngen, forward."""
        return self.work / self.times["attngen"].median

    def as_json(self) -> dict[str, Any]:
        facts = {"name": self.name, "dtype": self.dtype, "width": self.width, "tokens": self.tokens}
        both = {"forward": _as_json(self.times), "trained": _as_json(self.trained)}
        return {**facts, **both, "chunks": self.chunks, "gflops": self.speed / 1e9}


@dataclass(frozen=True, slots=True)
class Length:
    """A call of a recurrence over so many tokens."""

    name: str
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Beside:
    """Seconds of a gated recurrence and of causal attention over the same tokens."""

    tokens: int
    attngen: float
    sdpa: float


@dataclass(frozen=True, slots=True)
class Step:
    """One token: bytes per second that go to and from states, beside a copy of them; and what a call costs by itself.

    `size`: bytes of all states. `call`: seconds of a step with one state of 16 by 16.
    """

    size: int
    rates: Mapping[str, float]
    call: float


def ratio(times: Mapping[str, Timing], peer: str) -> float:
    """How many times as long a peer takes as attngen."""
    return times[peer].median / times["attngen"].median


def flops(erases: bool, sizes: Sizes) -> float:
    """Of the recurrence as it is written, token by token: a product of D by E to write and one to read.

    The delta rule reads once more, what the state holds at the key. Products count 2 D E; decays count nothing, and so
    does what is computed more in chunks.
    """
    return (6 if erases else 4) * sizes.heads * sizes.tokens * sizes.width**2


def measured(folder: Path, subject: Subject, sizes: Sizes, dtype: torch.dtype, rounds: int) -> Row:
    """Time a recurrence beside its chunked form and causal attention; then with gradients by all that it is given.

    Raises:
        ArithmeticError: PyTorch's form gives something else than attngen.
    """
    q, k, v = rows(sizes, dtype)
    inputs = subject.draw(sizes)
    kernel = attngen.build(folder / f"{subject.name}.attn", backend="cpp")
    found, chunks = [], []
    for trained in (False, True):
        leaves = [x.requires_grad_(trained) for x in (q, k, v, *inputs.values())]
        calls: dict[str, Results] = {"attngen": _results(partial(kernel, q, k, v, **inputs), leaves)}
        peers: dict[int, Results] = {}
        for chunk in (each for each in CHUNKS if sizes.tokens % each == 0):
            call = partial(subject.chunked, q, k, v, inputs, chunk, Rooms(trained))
            peers[chunk] = _results(call, leaves)
        chunks.append(_fastest(peers))
        calls["chunked"] = peers[chunks[-1]]
        _agree(subject.name, calls, APART[dtype])
        if not trained:
            calls["sdpa"] = _results(partial(F.scaled_dot_product_attention, q, k, v, is_causal=True), leaves)
        found.append(alternating(calls, rounds))
    work = flops(subject.erases, sizes)
    return Row(
        subject.name, name_of(dtype), sizes.width, sizes.tokens, work, found[0], found[1], (chunks[0], chunks[1])
    )


def _as_json(times: Mapping[str, Timing]) -> dict[str, Any]:
    return {
        name: {"ms": 1e3 * time.median, "spread": time.spread, "ratio": ratio(times, name)}
        for name, time in times.items()
    }


def _results(call: Callable[[], Tensor], leaves: Sequence[Tensor]) -> Results:
    """y and, where the leaves are trained, the gradients of half its squares by each of them."""

    def results() -> list[Tensor]:
        y = call()
        return [y.detach(), *torch.autograd.grad(y, leaves, y.detach())] if leaves[0].requires_grad else [y]

    return results


def _fastest(peers: Mapping[int, Results]) -> int:
    times = {chunk: time.median for chunk, time in alternating({str(c): call for c, call in peers.items()}, 3).items()}
    return int(min(times, key=times.__getitem__))


def _agree(name: str, calls: Mapping[str, Results], most: float) -> None:
    """Compare each tensor that contestants give."""
    expected = calls["attngen"]()
    for peer, call in calls.items():
        for given, wanted in zip(call(), expected, strict=True):
            error = ((given.float() - wanted.float()).abs().max() / wanted.abs().max()).item()
            if not error <= most:
                raise ArithmeticError(f"{name}: {peer} differs from attngen by {error:.2g} of the largest number")


def growth(folder: Path, heads: int, width: int, rounds: int, lengths: Sequence[int] = GROWN) -> Iterator[Length]:
    """A gate of each head and one of each channel, over the first of the same rows."""
    q, k, v = rows(Sizes(heads, lengths[-1], width), torch.float32)
    for subject in (each for each in SUBJECTS if each.name in ("retention_recurrent", "gla")):
        kernel = attngen.build(folder / f"{subject.name}.attn", backend="cpp")
        inputs = subject.draw(Sizes(heads, lengths[-1], width))
        for tokens in lengths:
            first = [x[:, :, :tokens] for x in (q, k, v)]
            given = {name: x[:, :, :tokens] if "t" in subject.inputs[name] else x for name, x in inputs.items()}
            seconds = alternating({"call": partial(kernel, *first, **given)}, rounds)["call"].median
            yield Length(subject.name, tokens, seconds)


def beside_attention(
    folder: Path, heads: int, width: int, rounds: int, lengths: Sequence[int] = CROSSED
) -> Iterator[Beside]:
    """Mamba-2 and causal attention, which is quadratic, over longer and longer sequences."""
    subject = next(each for each in SUBJECTS if each.name == "mamba2")
    kernel = attngen.build(folder / "mamba2.attn", backend="cpp")
    for tokens in lengths:
        sizes = Sizes(heads, tokens, width)
        q, k, v = rows(sizes, torch.float32)
        calls = {
            "attngen": partial(kernel, q, k, v, **subject.draw(sizes)),
            "sdpa": partial(F.scaled_dot_product_attention, q, k, v, is_causal=True),
        }
        times = alternating(calls, rounds)
        yield Beside(tokens, times["attngen"].median, times["sdpa"].median)


def crossing(found: Sequence[Beside]) -> int | None:
    """The tokens from which on the recurrence is faster; `None` if it isn't at the greatest length."""
    slower = [number for number, each in enumerate(found) if each.attngen >= each.sdpa]
    behind = slower[-1] + 1 if slower else 0
    return found[behind].tokens if behind < len(found) else None


def decoding(folder: Path, rounds: int, states: int = STATES, width: int = 64) -> Step:
    """One token of each of many sequences, from states that fit in no cache."""
    step = attngen.build(folder / "retention_recurrent.attn", backend="cpp").step
    heads = 8

    def token(batch: int, heads: int, width: int) -> Callable[[], object]:
        q, k, v = (torch.randn(batch, heads, 1, width) for _ in range(3))
        state = State({"S": torch.randn(batch, heads, width, width)}, 1)
        return partial(step, q, k, v, state, gamma=torch.full((heads,), 0.9))

    kept = torch.randn(states, width, width)
    calls: dict[str, Callable[[], object]] = {
        "attngen": token(states // heads, heads, width),
        "copy": partial(torch.empty_like(kept).copy_, kept),
    }
    rates = {name: 2 * kept.nbytes / time.median for name, time in alternating(calls, rounds).items()}
    call = alternating({"call": token(1, 1, 16)}, 100 * rounds)["call"].median
    return Step(kept.nbytes, rates, call)
