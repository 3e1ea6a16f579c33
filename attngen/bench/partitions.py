"""Sequences shared by real ranks: processes on this machine, over gloo. What they compute and send, not how fast."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import attngen
from attngen.ir.load import load_all
from attngen.ir.nodes import Variant
from attngen.parallel.comparing import apart, differentiated
from attngen.parallel.layouts import LAYOUTS
from attngen.parallel.pair_part import PairPart
from attngen.parallel.partition import carried
from attngen.runtime.draws import tensors

SMALL = {"window": 9, "group": 8, "block": 8, "rows": 8, "cols": 8, "stride": 2, "ramp": 8}
"""Parameters for short sequences; `width` is that of images, and divides the tokens."""
IMAGES = {"width": 7, "window": 3}
SHAPE = (1, 4, 2, 203, 203, 16, 16)
"""B, H, Hk, N, M, D, E: no number of ranks divides the tokens."""
PATIENCE = 30.0
"""Seconds in which a rank that is done ends."""


@dataclass(frozen=True, slots=True)
class Row:
    """A spec on some ranks.

    Attributes:
        send: what travels backward.
        y, gradients: how far off one process, as a part of the largest number; of gradients the worst.
        messages, bytes: sent by all ranks, forward and backward.
    """

    spec: str
    layout: str
    send: str
    ranks: int
    y: float
    gradients: float
    messages: int
    bytes: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def choices(variant: Variant) -> list[tuple[str, str]]:
    """The layouts that a spec can have, and what travels backward."""
    if carried(variant) is not None:
        return [("contiguous", "states")]
    return [(layout, send) for layout in LAYOUTS for send in ("keys", "queries")]


def measured(paths: Sequence[Path], ranks: int) -> Iterator[Row]:
    """All specs in all layouts on this many processes.

    Raises:
        RuntimeError: a rank has failed.
    """
    context = multiprocessing.get_context("spawn")
    answers: Any = context.SimpleQueue()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    given = [str(path) for path in paths]
    processes = [context.Process(target=_rank, args=(answers, rank, ranks, where, given)) for rank in range(ranks)]
    for process in processes:
        process.start()
    try:
        while (answer := answers.get()) is not None:
            if isinstance(answer, str):
                raise RuntimeError(answer)
            yield answer
        for process in processes:
            process.join(PATIENCE)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _rank(answers: Any, rank: int, ranks: int, where: str, paths: list[str]) -> None:
    torch.set_num_threads(1)
    try:
        dist.init_process_group("gloo", init_method=where, rank=rank, world_size=ranks)
        for path in paths:
            for variant in load_all(Path(path)):
                for layout, send in choices(variant):
                    row = _compared(variant, layout, send, ranks)
                    if rank == 0:
                        answers.put(row)
        dist.barrier()
        if rank == 0:
            answers.put(None)
        dist.destroy_process_group()
    except Exception as error:
        answers.put(f"rank {rank} of {ranks}: {type(error).__name__}: {error}")


def _compared(variant: Variant, layout: str, send: str, ranks: int) -> Row:
    """One spec in one layout, against one process."""
    small = {**SMALL, **(IMAGES if any(each.name == "width" for each in variant.parameters) else {})}
    values = ((each.name, small.get(each.name, each.default)) for each in variant.parameters)
    parameters: dict[str, Any] = {name: value for name, value in values if value is not None}
    torch.manual_seed(0)
    q, k, v, inputs = tensors(variant, [*SHAPE], torch.float32, "cpu", parameters)
    kernel = attngen.build(variant, **parameters)
    part = kernel.on(layout=layout, block=32, **({} if send == "states" else {"send": send}))
    rows = {"q": q, "k": k, "v": v}
    floats = {**rows, **{name: given for name, given in inputs.items() if given.is_floating_point()}}
    axes = {**dict.fromkeys(rows, 2), **part.axes}
    shares = {name: part.scatter(x, axes[name]) if name in axes else x for name, x in {**inputs, **floats}.items()}
    y, found = differentiated(part, shares, floats)
    sent = part.ranks.traffic
    exact, wanted = differentiated(kernel, {**inputs, **floats}, floats)
    whole = {name: part.gather(x, axes[name]) if name in axes else x for name, x in found.items()}
    errors = [apart(whole[name], wanted[name]) for name in floats]
    totals = part.ranks.total(torch.tensor([sent.messages, sent.bytes]))
    name = str(part.layout) if isinstance(part, PairPart) else "contiguous"
    return Row(variant.name, name, send, ranks, apart(part.gather(y), exact), max(errors), *map(int, totals))
