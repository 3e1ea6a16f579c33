"""A spec on the ranks of torchrun, compared with one process.

torchrun --nproc-per-node 4 -m attngen.parallel.demo specs/sliding_window.attn --set window=64
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import torch
import torch.distributed as dist

import attngen
from attngen.errors import SpecError
from attngen.ir.nodes import Variant
from attngen.parallel.comparing import apart, differentiated
from attngen.parallel.pair_part import PairPart
from attngen.runtime.draws import dtype_of, tensors


def main() -> None:
    """Attend forward and backward on all ranks, and print what rank 0 finds."""
    given = _arguments()
    gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if gpu else "gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    if gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)))
    else:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // ranks))
    device = torch.device("cuda") if gpu else torch.device("cpu")
    kernel = attngen.build(given.spec, **_settings(attngen.load(given.spec), given.set))
    torch.manual_seed(0)
    q, k, v, inputs = tensors(
        kernel.variant,
        [1, given.heads, given.tokens, given.width],
        dtype_of(given.dtype),
        device.type,
        kernel.parameters,
    )
    part = kernel.on(layout=given.layout, send=given.send)
    rows = {"q": q, "k": k, "v": v}
    whole = {**rows, **inputs}
    axes = {**dict.fromkeys(rows, 2), **part.axes}
    shares = {name: part.scatter(x, axes[name]) if name in axes else x for name, x in whole.items()}
    differentiated(part, shares, rows)  # compiled
    before, started = part.ranks.traffic.bytes, time.perf_counter()
    y, gradients = differentiated(part, shares, rows)
    seconds = time.perf_counter() - started
    together = [part.gather(x) for x in (y, *gradients.values())]
    sent = [int(each) for each in part.ranks.gather(torch.tensor(part.ranks.traffic.bytes - before, device=device))]
    if rank == 0:
        exact, wanted = differentiated(kernel, whole, rows)
        errors = [apart(found, x) for found, x in zip(together, (exact, *wanted.values()), strict=True)]
        way = f"{part.layout}, {part.send} travel back" if isinstance(part, PairPart) else "states travel"
        print(f"{kernel.variant.name} on {ranks} ranks, {given.tokens} tokens: {way}")
        off = ", ".join(f"{each:.1e}" for each in errors)
        print(f"  y, dq, dk, dv off from one process: {off} of the largest number")
        print(f"  sent by each rank: {', '.join(f'{size / 1e6:.3g}' for size in sent)} MB; {seconds * 1e3:.0f} ms")
    dist.barrier()
    dist.destroy_process_group()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="attngen.parallel.demo", description=__doc__)
    parser.add_argument("spec")
    parser.add_argument("--tokens", type=int, default=2048, help="of the whole sequence")
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--width", type=int, default=64, help="channels of a head")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--layout", default="auto", help="contiguous, zigzag or striped; auto: what suits the mask")
    parser.add_argument("--send", default=None, help="what travels backward: keys or queries")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter's value")
    return parser.parse_args()


def _settings(variant: Variant, settings: list[str]) -> dict[str, Any]:
    kinds: dict[str, Any] = {"int": int, "float": float, "bool": lambda word: word == "true"}
    found: dict[str, Any] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        found[name] = kinds[variant.parameter(name).kind.value](text)
    return found


if __name__ == "__main__":
    try:
        main()
    except SpecError as error:
        raise SystemExit(str(error)) from None
