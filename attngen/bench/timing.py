"""Times of calls side by side, and what the machine can do at most."""

from __future__ import annotations

import ctypes
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import torch

from attngen.emit.support import native

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one call: the median of alternating runs, and the quartiles around it."""

    median: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """The distance of the quartiles over the median."""
        return (self.high - self.low) / self.median


def alternating(calls: Mapping[str, Callable[[], object]], rounds: int, patience: float = 30.0) -> dict[str, Timing]:
    """Time calls by turns, so that what disturbs the machine disturbs all alike.

    Args:
        calls: what to time, by name; each is called once before, which compiles what is compiled at first use.
        rounds: how often each is called.
        patience: a call gets fewer rounds where all of its own would take more seconds than this.
    """
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for turn in range(rounds):
        for name, call in calls.items():
            if turn < 2 or sum(spent[name]) < patience:
                started = time.perf_counter()
                call()
                spent[name].append(time.perf_counter() - started)
    return {name: timing_of(times) for name, times in spent.items()}


def timing_of(times: list[float]) -> Timing:
    """Of the seconds of several calls."""
    if len(times) < 2:
        return Timing(times[0], times[0], times[0])
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return Timing(median, low, high)


def taken(make: Callable[[], T]) -> tuple[T, float]:
    """What a call gives, and the seconds of a second one: the first may compile or import."""
    make()
    started = time.perf_counter()
    return make(), time.perf_counter() - started


def keep_memory() -> None:
    """Let the allocator keep what is freed: fresh pages would cost all contestants more than their work."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.mallopt(-1, -1)  # M_TRIM_THRESHOLD: nothing is given back
            libc.mallopt(-4, 0)  # M_MMAP_MAX: nothing is mapped apart, for that would be unmapped when it is freed


def matrix_product(dtype: torch.dtype, size: int = 2048, rounds: int = 5) -> float:
    """FLOP/s of a product of square matrices."""
    left, right = (torch.randn(size, size).to(dtype) for _ in range(2))
    out = torch.empty(size, size, dtype=dtype)
    started = time.perf_counter()
    torch.mm(left, right, out=out)
    if time.perf_counter() - started > 5:  # there is no fast product of this dtype here
        rounds = 1
    timing = alternating({"product": lambda: torch.mm(left, right, out=out)}, rounds)["product"]
    return 2 * size**3 / timing.median


def multiply_adds(rounds: int = 200) -> float:
    """FLOP/s of a loop of float32 multiply-adds whose operands are in the first-level cache, at most.

    A loop takes milliseconds, so their median tells what else ran at that moment; the fastest, what the machine can do.
    """
    source = Path(str(files("attngen.bench").joinpath("multiply_add.cpp")))
    function = native._library(source, None, "the benchmark").multiply_add
    function.restype = ctypes.c_double
    threads = torch.get_num_threads()
    sink = torch.zeros(threads)
    arguments = (ctypes.c_int64(20_000), ctypes.c_int64(threads), ctypes.c_void_p(sink.data_ptr()))
    work, spent = float(function(*arguments)), []
    for _ in range(rounds):
        started = time.perf_counter()
        function(*arguments)
        spent.append(time.perf_counter() - started)
    return work / min(spent)


def grown_memory(call: Callable[[], object]) -> int:
    """Bytes by which resident memory rises at most while a call runs; 0 where the system does not tell."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # what was kept from earlier calls would hide what this one takes
        Path("/proc/self/clear_refs").write_text("5")  # forget the high-water mark
        before = _status("VmRSS")
        call()
        return _status("VmHWM") - before
    return 0


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])
