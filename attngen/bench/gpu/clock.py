"""Times of calls on a GPU, side by side, by the device's own events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

from attngen.bench.timing import Timing, alternating, timing_of

CACHE = 2**30
"""Bytes that are written before each call: more than any second-level cache holds, and for as long as launches take."""
WARM = 2
"""Calls before any is timed, beside the first, which compiles."""


class Clock(NamedTuple):
    """How calls are timed: on a device, or by this machine's clock where kernels are interpreted.

    Attributes:
        rounds: how often each call is timed, at most.
        patience: seconds that all calls of one contestant may take.
    """

    device: str
    rounds: int
    patience: float = 1.0

    def times(self, calls: Mapping[str, Callable[[], object]]) -> dict[str, Timing]:
        """Seconds of each call, which take turns."""
        return self._by_events(calls) if self.device != "cpu" else alternating(calls, self.rounds)

    def _by_events(self, calls: Mapping[str, Callable[[], object]]) -> dict[str, Timing]:
        """Calls are launched while the cache is written, as they are where a model keeps the device busy."""
        filled = torch.empty(CACHE, dtype=torch.int8, device=self.device)
        for call in calls.values():
            for _ in range(1 + WARM):
                call()
        spent: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(self.rounds):
            for name, call in calls.items():
                if turn < 3 or sum(spent[name]) < self.patience:
                    spent[name].append(_seconds(call, filled))
        return {name: timing_of(times) for name, times in spent.items()}

    def matrix_product(self, dtype: torch.dtype) -> float:
        """FLOP/s of a product of square matrices, by the library."""
        size = 8192 if self.device != "cpu" else 128
        left, right = (torch.randn(size, size, device=self.device).to(dtype) for _ in range(2))
        out = torch.empty_like(left)
        return 2 * size**3 / self.times({"product": lambda: torch.mm(left, right, out=out)})["product"].median


def _seconds(call: Callable[[], object], filled: torch.Tensor) -> float:
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    filled.zero_()
    start.record()
    call()
    stop.record()
    stop.synchronize()
    return float(start.elapsed_time(stop)) / 1e3
