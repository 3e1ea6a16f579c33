"""One row: a kernel at one size, verified, and timed beside its peers."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from attngen.bench.gpu import linear_peers, peers
from attngen.bench.gpu.clock import Clock
from attngen.bench.gpu.contestants import Contestant, Offer, reason
from attngen.bench.gpu.subjects import Job, Subject, subject
from attngen.bench.gpu.verified import verified
from attngen.bench.timing import Timing, taken
from attngen.runtime.draws import dtype_of
from attngen.runtime.recurrent_trial import Difference

PEERS = (*peers.BACKENDS, "flex", *linear_peers.USES)
APART = {torch.float32: 5e-3, torch.bfloat16: 4e-2, torch.float16: 1e-2}
"""What a peer's y may differ by, as a part of its norm: in float32 peers may multiply in TF32."""
GRADIENTS_APART = 1.5
"""How many times as much gradients may: peers round them."""


@dataclass(slots=True)
class Row:
    """What was found about one kernel.

    Attributes:
        live, work, trained_work: as in `Subject`.
        forward, trained: seconds of each contestant, without and with the backward pass.
        listed: seconds in which a contestant found its live blocks, which is done before.
        apart: how far a peer's y is from attngen's, as a part of its norm.
        notes: why a peer has no time.
        differences: from the interpreter; `problem`: why there is no result.
    """

    job: Job
    live: float = 0.0
    work: float = 0.0
    trained_work: float = 0.0
    carried: bool = False
    forward: dict[str, Timing] = field(default_factory=dict)
    trained: dict[str, Timing] = field(default_factory=dict)
    listed: dict[str, float] = field(default_factory=dict)
    apart: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    problem: str | None = None

    @property
    def verified(self) -> bool:
        """Whether the kernel computed what the spec means."""
        compared = bool(self.differences) and all(each.error <= each.tolerance for each in self.differences)
        return compared and self.problem is None

    def speed(self, name: str, trained: bool = False) -> float | None:
        """FLOP/s of live work."""
        times, work = (self.trained, self.trained_work) if trained else (self.forward, self.work)
        return work / times[name].median if name in times else None

    def ratio(self, name: str, trained: bool = False) -> float | None:
        """How many times as long a peer takes as attngen."""
        times = self.trained if trained else self.forward
        return times[name].median / times["attngen"].median if {name, "attngen"} <= times.keys() else None

    def best(self, trained: bool = False) -> str | None:
        """The fastest peer."""
        ratios = {name: ratio for name in PEERS if (ratio := self.ratio(name, trained)) is not None}
        return min(ratios, key=ratios.__getitem__, default=None)

    def as_json(self, product: float, interpreted: bool) -> dict[str, Any]:
        """For programs; where kernels are interpreted, times say nothing, and no ratio or speed is given."""
        sizes = self.job.sizes
        facts = {
            "name": self.job.name,
            "dtype": self.job.dtype,
            "tokens": sizes.tokens,
            "width": sizes.width,
            "heads": sizes.heads,
            "key heads": sizes.key_heads or sizes.heads,
            "live": self.live,
            "verified": self.verified,
            "problem": self.problem,
            "differences": [asdict(each) for each in self.differences],
        }
        for key, times in (("forward", self.forward), ("trained", self.trained)):
            facts[key] = {name: self._timed(name, key == "trained", None if interpreted else product) for name in times}
        listed = {name: 1e3 * seconds for name, seconds in self.listed.items()}
        return {**facts, "listed ms": listed, "apart": self.apart, "notes": self.notes}

    def _timed(self, name: str, trained: bool, product: float | None) -> dict[str, float | None]:
        time, speed = (self.trained if trained else self.forward)[name], self.speed(name, trained)
        found: dict[str, float | None] = {"ms": 1e3 * time.median, "spread": time.spread}
        if product is None or speed is None:
            return {**found, "tflops": None, "of product": None, "ratio": None}
        return {**found, "tflops": speed / 1e12, "of product": speed / product, "ratio": self.ratio(name, trained)}


def measured(job: Job, clock: Clock, interpreted: bool, backward: bool) -> Row:
    """Verify one kernel and time it; whatever goes wrong is noted in the row."""
    row = Row(job)
    try:
        given = subject(job, clock.device)
        row.live, row.work, row.trained_work = given.live, given.work, given.trained_work
        row.carried = given.carried
        own = _own(given)
        row.differences = verified(given, own.forward())
        if not row.verified:
            row.problem = None if row.differences else "nothing was compared: the last rows see no key"
            return row
        _beside(row, {"attngen": own, **_peers(row, given, own, interpreted)}, clock, backward)
    except Exception as error:  # a kernel that can't be compiled or launched is a finding, and the others go on
        row.problem = reason(error)
    finally:
        with suppress(RuntimeError):  # after a fault of the device
            torch.cuda.empty_cache()
    return row


def warmed(job: Job, device: str, backward: bool) -> None:
    """Compile all that a row needs, which stays in the caches of Triton and of PyTorch's compiler.

    Errors are found again, and noted, by the row itself.
    """
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # many rows are compiled at a time
    with suppress(Exception):
        given = subject(job, device)
        own = _own(given)
        dy = torch.randn_like(own.forward())
        every = [own, *_peers(Row(job), given, own, interpreted=False).values()]
        for each in every if backward else []:
            with suppress(Exception):
                each.trained(dy)()


def _own(given: Subject) -> Contestant:
    """Attngen's kernel; lists of live tiles are made before, as peers' are."""
    q, k, v = peers.leaves_of(given)
    trained = linear_peers.trained_inputs(given)
    inputs = {name: x.detach().requires_grad_() if name in trained else x for name, x in given.inputs.items()}
    options: dict[str, Any] = {}
    listed = None
    if not given.carried:
        options["prepared"], listed = taken(lambda: given.kernel.prepare(q, k, **given.inputs))
    call = partial(given.kernel, q, k, v, **inputs, **options)
    return Contestant(call, (q, k, v, *(inputs[name] for name in trained)), listed=listed)


def _peers(row: Row, given: Subject, own: Contestant, interpreted: bool) -> dict[str, Contestant]:
    """Those that compute the same; of the others, the row notes why not."""
    found = {}
    wanted = own.forward()
    for name, offered in _offers(given, interpreted):
        try:
            offer = offered()
            if isinstance(offer, str):
                row.notes[name] = offer
                continue
            row.apart[name] = _distance(offer.comparable([offer.forward()])[0], wanted)
        except Exception as error:  # peers raise what they like
            row.notes[name] = reason(error)
            continue
        if row.apart[name] <= APART[dtype_of(row.job.dtype)]:
            found[name] = offer
        else:
            row.notes[name] = f"differs from attngen by {row.apart[name]:.2g} of y's norm"
    return found


def _offers(given: Subject, interpreted: bool) -> Iterator[tuple[str, Callable[[], Offer]]]:
    return linear_peers.offers(given) if given.carried else peers.offers(given, interpreted)


def _beside(row: Row, every: Mapping[str, Contestant], clock: Clock, backward: bool) -> None:
    """Times of all, forward and then trained."""
    row.listed = {name: each.listed for name, each in every.items() if each.listed is not None}
    row.forward = clock.times({name: each.forward for name, each in every.items()})
    if not backward:
        return
    dy = torch.randn_like(every["attngen"].forward())
    calls = {name: each.trained(dy) for name, each in every.items()}
    wanted = calls["attngen"]()
    most = GRADIENTS_APART * APART[dtype_of(row.job.dtype)]
    for name in [*calls][1:]:
        try:
            results = every[name].comparable(calls[name]())
            pairs = zip(results, wanted, strict=True)
            far = max(_distance(x, right) for x, right in pairs)
        except Exception as error:  # peers raise what they like
            row.notes[f"{name} trained"] = reason(error)
            del calls[name]
            continue
        if not far <= most:
            row.notes[f"{name} trained"] = f"a gradient differs from attngen's by {far:.2g} of its norm"
            del calls[name]
    row.trained = clock.times(calls)


def _distance(found: Tensor, expected: Tensor) -> float:
    """As a part of the norm; NaN is as far as can be."""
    if found.shape != expected.shape:
        return math.inf
    norm = expected.float().norm().clamp(min=1e-30)
    return float(((found.float() - expected.float()).norm() / norm).nan_to_num(nan=math.inf))
