"""What a thread of a C++ kernel keeps while it works: buffers, by name and length."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TypeAlias

from attngen.emit.cpp.rows import key_names, multiplied, multiplied_names, query_names
from attngen.schedule.homes import Home, Landing
from attngen.schedule.plan import Plan

Buffers: TypeAlias = dict[str, str]
"""Lengths by names."""
QUERY_ROWS = "(QUERY_TILE + BLOCK) * D"
QUERY_SUMS = "(QUERY_TILE + BLOCK) * rounded_up(D, LANES)"
QUERY_PIECES = "(QUERY_TILE + BLOCK) * rounded_up(D, DEPTH)"
KEYS = "slots * KEY_TILE * rounded_up(D, DEPTH)"
KEYS_ACROSS = "slots * KEY_TILE * rounded_up(D, PANEL)"
ROWS = "TOGETHER * std::max(D, E)"
BLOCK_PAIRS = "BLOCK * KEY_TILE"
TILE_PAIRS = "(QUERY_TILE + 1) * KEY_TILE + BLOCK"
LANDED = {Home.HEAD: "QUERY_TILE", Home.QUERY: "QUERY_TILE", Home.BAND: "QUERY_TILE + KEY_TILE"}
"""What a tile keeps of gradients by inputs."""


def forward(plan: Plan) -> dict[str, object]:
    """Of the forward pass, as templates show them."""
    floats, pieces = _shared(plan)
    floats |= {"row": ROWS, "scores": BLOCK_PAIRS, "acc": "(QUERY_TILE + BLOCK) * rounded_up(E, LANES)"}
    pieces |= {"v": "slots * KEY_TILE * rounded_up(E, PANEL)", "weights": BLOCK_PAIRS}
    return _shown(floats, pieces)


def backward(plan: Plan) -> dict[str, object]:
    """Of the backward pass."""
    floats, pieces = _shared(plan)
    rows = multiplied_names(plan)
    floats |= {f"d_{name}": QUERY_SUMS for name in (*query_names(plan), *rows)}
    floats |= {f"d_{slope.name}": TILE_PAIRS for slope in plan.slopes if slope.of_product}
    floats |= {bridge.name: "D" for bridge in plan.bridges}
    floats |= {each.name: LANDED[each.home] for each in plan.landings if _is_of_tile(plan, each)}
    floats |= {"row": ROWS, "dy": "(QUERY_TILE + BLOCK) * E", "delta": "QUERY_TILE", "base": "QUERY_TILE"}
    floats |= {"dp": BLOCK_PAIRS, "of_elements": "KEY_TILE", "scores": TILE_PAIRS}
    pieces |= {f"{name}_rows": KEYS_ACROSS for name in key_names(plan)}
    pieces |= {f"{name}_rows": "KEY_TILE * rounded_up(D, PANEL)" for name in rows}
    pieces |= {"dy_pieces": "(QUERY_TILE + BLOCK) * rounded_up(E, DEPTH)", "dy_rows": "KEY_TILE * rounded_up(E, PANEL)"}
    pieces |= {"v": "slots * KEY_TILE * rounded_up(E, DEPTH)", "weights": BLOCK_PAIRS}
    pieces |= {"columns": "(QUERY_TILE + 1) * KEY_TILE"}
    return _shown(floats, pieces)


def _shared(plan: Plan) -> tuple[Buffers, Buffers]:
    """What both passes keep: rows, products and packed keys."""
    rows = [*query_names(plan), *(multiplied(p) for p in plan.products if p.bridge is not None)]
    floats = dict.fromkeys(rows, QUERY_ROWS) | {product.name: BLOCK_PAIRS for product in plan.products}
    pieces = {f"{name}_pieces": QUERY_PIECES for name in rows} | dict.fromkeys(key_names(plan), KEYS)
    return floats, pieces


def _is_of_tile(plan: Plan, landing: Landing) -> bool:
    """Whether a tile sums for itself before its sums go on."""
    return landing.home in LANDED and not landing.of_sink and not (landing.home is Home.BAND and plan.ordered)


def _shown(floats: Buffers, pieces: Buffers) -> dict[str, object]:
    lines = [*declared("Buffer<float>", floats), *declared("Buffer<Piece>", pieces)]
    return {"buffer_lines": lines, "buffers": [*floats.items(), *pieces.items()]}


def declared(kind: str, buffers: Iterable[str]) -> list[str]:
    """Members of one kind, as many in a line as fit."""
    return textwrap.wrap(f"{kind} {', '.join(buffers)};", 118, subsequent_indent=" " * 4)
