"""What a loop keeps a processor busy with, and how long one round of it takes at best."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from attngen.runtime.inspect.chips import Chip
from attngen.runtime.inspect.loops import Instruction, Loop
from attngen.runtime.inspect.pipes import MATRIX, TCGEN05, Pipe, described, pipe_of, products_of, traits

SCHEDULERS = 4
"""Parts of a processor that issue one instruction of a warp each cycle."""
CONSTANT = re.compile(r"(UR\d+), (0x[0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Work:
    """One round of a loop, of one program.

    `counts`: instructions of a warp for each pipe, and `traits` those it is inspected for. `matrix`: the kind of
    products, and `products` their floating-point operations. `busy`: cycles for which each pipe, the issue of
    instructions and the second-level cache are taken. `cycles`: what a round takes where so many programs are resident:
    as long as its busiest part, and what other parts could not do beside.
    """

    counts: Mapping[str, int]
    traits: Mapping[str, int]
    matrix: str
    products: float
    busy: Mapping[str, float]
    cycles: float

    @property
    def of_peak(self) -> float:
        """The part of the time in which products are made."""
        return self.busy["matrix"] / self.cycles if self.cycles else 0.0


def work(loop: Loop, chip: Chip, warps: int, resident: int, code: str = "", moved: int = 0) -> Work:
    """What one round of a loop comes to.

    Args:
        warps: of a program, of which so many are `resident`.
        code: the whole kernel, where descriptors of products stand.
        moved: bytes that a round loads.
    """
    counts = {pipe.value: 0 for pipe in Pipe}
    for each in loop.body:
        counts[pipe_of(each.opcode).value] += 1
    kinds = [each for each in loop.body if pipe_of(each.opcode) is Pipe.MATRIX]
    made = [(each, products_of(each.opcode) * warps or _by_descriptor(each, code)) for each in kinds]
    busy = {pipe.value: counts[pipe.value] * warps * chip.warp / lanes for pipe, lanes in chip.lanes.items()}
    busy["issue"] = len(loop.body) * warps / SCHEDULERS
    busy["cache"] = moved / chip.cached
    rest = max(busy.values())
    busy["matrix"] = sum(count / chip.rate(each.opcode) for each, count in made)
    most = max(rest, busy["matrix"])
    # Warps of a scheduler take turns: the more there are, the less of one part waits for the other.
    turns = resident * warps / SCHEDULERS
    cycles = most + min(rest, busy["matrix"]) / turns if resident else 0.0
    marked = traits(each.opcode for each in loop.body)
    return Work(counts, marked, kinds[0].opcode if kinds else "", sum(count for _, count in made), busy, cycles)


def _by_descriptor(product: Instruction, code: str) -> float:
    """The operations of a product of tcgen05, whose descriptor is a constant that is loaded before."""
    if not TCGEN05.fullmatch(product.opcode):
        return 0.0
    register = re.search(r"idesc\[(UR\d+)\]", product.operands)
    place = code.find(product.operands)
    loaded = [found for found in CONSTANT.finditer(code) if register and found[1] == register[1]]
    before = [found for found in loaded if found.start() < place]
    # Registers are used for several things: what was loaded last before the product, else what is loaded first.
    last = before[-1] if before else loaded[0] if loaded else None
    return float(described(int(last[2], 16))) if last else 0.0


def innermost(loops: list[Loop]) -> Loop | None:
    """The loop that makes most products, and of those the shortest: full tiles, whose pairs are not tested.

    A loop around others that make some holds what was moved in front of these and behind them: it is none. In float32
    products are multiplications and additions of numbers.
    """
    for pattern in (MATRIX, r"FFMA|v_(pk_)?fma\w*"):
        counts = [(loop.count(rf"({pattern})(\.|_|$)"), loop) for loop in loops]
        multiplying = {loop.label for count, loop in counts if count}
        inmost = [(count, loop) for count, loop in counts if count and multiplying.isdisjoint(loop.inner)]
        if inmost:
            most = max(count for count, _ in inmost)
            return min((loop for count, loop in inmost if count == most), key=lambda loop: len(loop.body))
    return None
