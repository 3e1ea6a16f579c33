"""From a kernel and a process group to what one rank calls."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from torch.distributed.device_mesh import DeviceMesh

from attngen.analysis.separable import NotSeparable
from attngen.errors import CallError
from attngen.ir import nodes
from attngen.parallel.choice import chosen_layout
from attngen.parallel.layouts import BLOCK, LAYOUTS, Layout
from attngen.parallel.pair_part import SENDS, PairPart
from attngen.parallel.ranks import Ranks, TorchRanks
from attngen.parallel.state_part import StatePart
from attngen.runtime.kernel import Kernel
from attngen.runtime.pairwise import PairwiseKernel
from attngen.schedule.linear_time import linear_time

TIMEOUT = 60.0
"""Seconds within which a rank that is missing is named."""


def partition(
    kernel: Kernel,
    group: Any = None,
    *,
    layout: str = "auto",
    block: int | None = None,
    send: str | None = None,
    timeout: float = TIMEOUT,
) -> PairPart | StatePart:
    """The kernel on this rank of a group; every rank of it asks for the same.

    Args:
        group: a process group of torch.distributed, a DeviceMesh of one dimension, or other `Ranks`; all processes
            unless given.
        layout: `contiguous`, `zigzag`, `striped`, or `auto`: what the spec says, or what is cheapest for its mask.
        block: tokens of a stripe.
        send: what travels backward, `keys` or `queries`; keys, unless the spec says otherwise.
        timeout: seconds within which an error names ranks that don't answer.

    Raises:
        CallError: the kernel's tokens can't be shared, or an argument makes no sense.
    """
    ranks = _ranks(group, timeout)
    said = kernel.variant.partition or nodes.Partition()
    layout = (said.layout or "auto") if layout == "auto" else layout
    send = send or said.send or SENDS[0]
    block = next(each for each in (block, said.block, BLOCK) if each is not None)
    if layout != "auto" and layout not in LAYOUTS:
        raise CallError(
            f"{kernel.variant.name}: there is no layout `{layout}`; choose one of auto, {', '.join(LAYOUTS)}"
        )
    if send not in SENDS:
        raise CallError(f"{kernel.variant.name}: `{send}` can't travel; choose one of {', '.join(SENDS)}")
    if block < 1:
        raise CallError(f"{kernel.variant.name}: a stripe has {block} tokens; it must have one at least")
    if kernel.backend == "reference":
        raise CallError(
            f"{kernel.variant.name}: the interpreter knows no ranks; build it for `auto`, `cpp` or `triton`"
        )
    recurrence = carried(kernel.variant) if layout in ("auto", "contiguous") else None
    if recurrence is not None:
        try:
            return StatePart(kernel, recurrence, ranks)
        except CallError:  # its states can't be handed on; pairs need none
            if not isinstance(kernel, PairwiseKernel):
                raise
    if not isinstance(kernel, PairwiseKernel):
        raise CallError(f"{kernel.variant.name}: tokens of a recurrence follow each other; its layout is `contiguous`")
    made = chosen_layout(kernel, ranks.size, block) if layout == "auto" else Layout(layout, block)
    return PairPart(kernel, ranks, made, send)


def carried(variant: nodes.Variant) -> nodes.Variant | None:
    """The recurrence that a variant is, if it is one."""
    if isinstance(variant.body, nodes.Recurrent):
        return variant
    with suppress(NotSeparable):
        return linear_time(variant).variant
    return None


def _ranks(group: Any, timeout: float) -> Ranks:
    if isinstance(group, DeviceMesh):
        if group.ndim != 1:
            raise CallError(f"a mesh of {group.ndim} dimensions is no ring: give one of them, as mesh['name']")
        group = group.get_group()
    if hasattr(group, "exchange"):
        ranks: Ranks = group
        return ranks
    return TorchRanks(group, timeout)
