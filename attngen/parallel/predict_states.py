"""The same for recurrences, whose states alone travel."""

from __future__ import annotations

import torch

from attngen.ir import nodes
from attngen.parallel.counts import state_traffic
from attngen.parallel.layouts import Layout
from attngen.parallel.machines import BACKWARD, REACHED, Mesh
from attngen.parallel.predict import Heads, Prediction, everything, looked_at
from attngen.parallel.states import bare, steps

CHUNK = 64
"""Tokens whose products with each other are computed, as kernels cut them."""
TWICE = 2
"""A rank goes through its tokens without the states before them, and with them."""


def predicted_states(variant: nodes.Variant, tokens: int, heads: Heads, devices: int, mesh: Mesh) -> Prediction:
    """What it costs to hand on states. Axes of their own are taken to be as wide as keys."""
    left, kept = [], []
    for state in bare(variant).states:
        rows = heads.width if state.key_axis is not None else 1
        columns = heads.value_width if state.value_axis is not None else 1
        left.append(torch.empty(heads.batch, heads.queries, rows, columns, device="meta"))
        kept.append(
            torch.empty(heads.batch, heads.queries, rows, rows if state.erases is not None else 1, device="meta")
        )
    seen = looked_at(range(devices))
    held = max(Layout("contiguous").count(tokens, devices, rank) for rank in seen)
    traffic = [state_traffic(devices, rank, 1, left, kept) for rank in seen]
    sent = max(each.bytes for each in traffic)
    a_token = 2 * heads.batch * heads.queries * (CHUNK + 2 * len(left) * heads.value_width) * heads.width
    computing = TWICE * held * a_token * (1 + BACKWARD / 2) / (mesh.machine.flops * REACHED)
    size = sent // max(1, len(steps(devices)))
    handed = sum(mesh.seconds(0, min(distance, devices - 1), size) for distance, _ in steps(devices))
    seconds = computing + 2 * handed
    width = 2 * heads.width + 2 * heads.value_width
    return Prediction(
        devices=devices,
        layout="contiguous",
        send="states",
        forward_bytes=sent,
        forward_messages=max(each.messages for each in traffic),
        backward_bytes=sent,
        backward_messages=max(each.messages for each in traffic),
        hops=len(steps(devices)),
        balance=held * devices / tokens,
        hidden=False,
        seconds=seconds,
        efficiency=computing / TWICE / seconds,
        memory=heads.batch * heads.queries * held * width * (heads.dtype.itemsize + 4),
        everything=everything(heads, tokens, devices),
    )
