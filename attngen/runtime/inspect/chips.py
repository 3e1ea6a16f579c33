"""What GPUs offer, as their makers publish it; for comparing configurations, not for promising times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attngen.runtime.inspect.pipes import Pipe


@dataclass(frozen=True, slots=True)
class Chip:
    """One processor of a GPU (streaming multiprocessor, compute unit), of which it has `processors`.

    `lanes`: threads of which it takes an instruction each cycle, for each pipe. `products`: floating-point operations
    of half precision that its matrix units do each cycle, and `by_warp` those in products of one warp (HMMA), which
    since Hopper are slower than those of warp groups. `registers`: 32-bit ones; `granule` of them are given at once
    to a warp, as many for each thread as a multiple of `step`. `shared`: bytes, of which a program can have `most`, and
    of which `offered` are asked for, so that other GPUs of the same kind have them too. `cached`: bytes that come from
    the second-level cache each cycle, as microbenchmarks find, about.
    """

    name: str
    processors: int
    warp: int
    warps: int
    programs: int
    registers: int
    most_registers: int
    step: int
    shared: int
    most: int
    offered: int
    cached: int
    products: int
    by_warp: int
    lanes: Mapping[Pipe, int]

    def resident(self, warps: int, registers: int, shared: int) -> int:
        """How many programs of some warps are there at once, with so many registers a thread and bytes of memory."""
        for_each = -(-max(registers, 1) // self.step) * self.step * self.warp * warps
        limits = [self.programs, self.warps // warps, self.registers // for_each]
        # what a program has beside what it asks for is kept by the system
        limits += [self.shared // (shared + RESERVED)] if shared else []
        return min(limits) if shared <= self.most else 0

    def rate(self, product: str) -> int:
        """Operations a cycle in products of a kind."""
        return self.by_warp if product.startswith("HMMA") else self.products


RESERVED = 1024
"""Bytes of shared memory of each program that CUDA keeps; AMD keeps none, and counts in larger steps."""
KIB = 1024
CHIPS: Mapping[str, Chip] = {
    # NVIDIA A100 whitepaper; CUDA C++ Programming Guide, compute capabilities, throughput of instructions
    "cuda:80": Chip(
        *("A100", 108, 32, 64, 32, 65536, 255, 8, 164 * KIB, 163 * KIB, 99 * KIB, 32, 2048, 2048),
        {Pipe.EXP: 16, Pipe.FLOAT: 64, Pipe.INTEGER: 64, Pipe.LOAD: 32, Pipe.OTHER: 64},
    ),
    # NVIDIA H100 whitepaper: 989 TFLOP/s of bfloat16 by 132 processors at 1.83 GHz; mma of a warp comes to 63 % of
    # that (arXiv:2402.13499)
    "cuda:90": Chip(
        *("H100", 132, 32, 64, 32, 65536, 255, 8, 228 * KIB, 227 * KIB, 227 * KIB, 26, 4096, 2576),
        {Pipe.EXP: 16, Pipe.FLOAT: 128, Pipe.INTEGER: 64, Pipe.LOAD: 32, Pipe.OTHER: 64},
    ),
    # NVIDIA Blackwell architecture brief: 2.25 PFLOP/s by 148 processors; of products of a warp nothing is published,
    # they are counted as Hopper's
    "cuda:100": Chip(
        *("B200", 148, 32, 64, 32, 65536, 255, 8, 228 * KIB, 227 * KIB, 227 * KIB, 30, 8192, 2576),
        {Pipe.EXP: 16, Pipe.FLOAT: 128, Pipe.INTEGER: 64, Pipe.LOAD: 32, Pipe.OTHER: 64},
    ),
    # AMD CDNA 3 whitepaper and instruction set: 1307 TFLOP/s by 304 compute units at 2.1 GHz
    "hip:gfx942": Chip(
        *("MI300X", 304, 64, 32, 32, 131072, 512, 8, 64 * KIB, 64 * KIB, 64 * KIB, 54, 2048, 2048),
        {Pipe.EXP: 16, Pipe.FLOAT: 64, Pipe.INTEGER: 64, Pipe.LOAD: 32, Pipe.OTHER: 64},
    ),
}
