"""`attngen plan`: what it costs to share a sequence among devices, before there are any."""

from __future__ import annotations

import json
import re
from math import isqrt
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Annotated, Any

import typer

from attngen.cli.options import AsJson, NoSet, Set, Spec, fail, parameters

if TYPE_CHECKING:
    from torch import Tensor

    from attngen.ir.nodes import Variant
    from attngen.parallel.machines import Machine, Mesh
    from attngen.parallel.predict import Heads, Prediction

STRIPES = 16
"""Of a rank, at most, unless their tokens are given."""
MOST_BLOCKS = 1 << 15
"""Pairs of stripes that a rank may have to look at, unless their tokens are given: each is a launch, and more of them
take minutes here."""
ROWS = 16
"""Stripes are cut at multiples of it, as tiles are."""
WIDE = 170
"""Columns of the table."""
HEADS = [
    "devices", "layout", "travels back", "forward", "messages", "backward", "messages", "hears of", "balance",
    "hidden", "step", "efficiency", "memory", "of all",
]  # fmt: skip


def plan(
    spec: Spec,
    name: Annotated[str | None, typer.Option(help="Which attention, where the spec holds several.")] = None,
    devices: Annotated[str, typer.Option(help="Numbers of devices: 8, or 8,64, or 8..4096 by doubling.")] = "8..64",
    tokens: Annotated[
        str, typer.Option(help="Of the whole sequence: 131072, 128K (of 1024) or 10M (of 1000000).")
    ] = "1M",
    gpu: Annotated[str, typer.Option(help="a100, h100, h200 or b200.")] = "h100",
    mesh: Annotated[str, typer.Option(help="NODESxGPUS; nodes of 8 unless given.")] = "",
    batch: Annotated[int, typer.Option(min=1, help="Sequences.")] = 1,
    heads: Annotated[int, typer.Option(min=1, help="Heads of queries.")] = 32,
    kv_heads: Annotated[int, typer.Option(min=1, help="Heads of keys and values.")] = 8,
    width: Annotated[int, typer.Option(min=1, help="Channels of a head.")] = 128,
    block: Annotated[int, typer.Option(min=0, help="Tokens of a stripe; 0: up to 16 stripes for each rank.")] = 0,
    inputs: Annotated[
        Path | None, typer.Option(help="What `torch.save` made of a dict of inputs, whole: documents, for instance.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", help="Write OUTPUT.json, .csv, .svg and .md.")] = None,
    settings: Set = NoSet,
    as_json: AsJson = False,
) -> None:
    """Predict what it costs to share sequences among devices, and say how they had best be cut.

    Bytes and messages are exact, for the ranks that are looked at: nine, from the first to the last. Seconds come from
    a model: pairs that may be live at 60 % of the rate of products, and messages that travel beside them. `of all`
    compares bytes with a ring that passes all keys and values around, and backward once more with their gradients.
    Where inputs decide who sees whom, give them with --inputs; else such masks are taken as far as they don't depend
    on them.
    """
    from rich.console import Console
    from rich.progress import Progress

    from attngen.ir.load import load
    from attngen.parallel.machines import MACHINES, Mesh

    variant = load(spec, name)
    if gpu not in MACHINES:
        fail(f"--gpu {gpu}: choose one of {', '.join(MACHINES)}")
    if heads % kv_heads:
        fail(f"--kv-heads {kv_heads} does not divide --heads {heads}")
    counts, length = _devices(devices), _tokens(tokens)
    made = Mesh(MACHINES[gpu], _gpus(mesh, max(counts)))
    values, known = parameters(variant, settings), _inputs(variant, inputs, length)
    rows: list[Prediction] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for count in progress.track(counts, description="devices"):
            shape = _heads(batch, heads, kv_heads, width)
            rows += _predicted(variant, values, known, length, count, shape, made, block or _stripe(length, count))
    report = {"spec": variant.name, "tokens": length, "gpu": gpu, "rows": [row.as_json() for row in rows]}
    if output is not None:
        _write(output, report, rows)
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        _show(variant, length, rows, made.machine)


def _predicted(
    variant: Variant,
    values: dict[str, Any],
    inputs: dict[str, Tensor],
    tokens: int,
    devices: int,
    heads: Heads,
    mesh: Mesh,
    block: int,
) -> list[Prediction]:
    from attngen.parallel.layouts import LAYOUTS, Layout
    from attngen.parallel.needs import needs_of, needs_without_data
    from attngen.parallel.partition import carried
    from attngen.parallel.predict import predicted
    from attngen.parallel.predict_states import predicted_states
    from attngen.schedule.plan import plan as planned

    recurrence = carried(variant)
    if recurrence is not None:
        return [predicted_states(recurrence, tokens, heads, devices, mesh)]
    numbers = {**values, "B": heads.batch, "H": heads.queries, "N": tokens, "M": tokens, "offset": 0}
    numbers |= {"D": heads.width, "E": heads.value_width, "scale": heads.width**-0.5}
    found = planned(variant)
    needs = needs_of(found, numbers, inputs) if inputs else needs_without_data(found, numbers)
    return [
        row for name in LAYOUTS for row in predicted(variant, needs, numbers, heads, Layout(name, block), devices, mesh)
    ]


def _stripe(tokens: int, devices: int) -> int:
    """Tokens of a stripe: not so few that launches are all that a rank does."""
    from attngen.parallel.layouts import BLOCK

    stripes = max(2, min(STRIPES, isqrt(MOST_BLOCKS // devices)))
    return max(BLOCK, -(-tokens // (devices * stripes * ROWS)) * ROWS)


def _inputs(variant: Variant, path: Path | None, tokens: int) -> dict[str, Tensor]:
    """What a file gives of the inputs that tiles depend on."""
    import torch

    from attngen.ir.nodes import AXIS_SIZES, Pairwise
    from attngen.parallel.needs import mask_inputs
    from attngen.schedule.plan import plan

    if path is None:
        return {}
    if not isinstance(variant.body, Pairwise):
        fail(f"--inputs {path}: {variant.name} is a recurrence, and what its ranks send depends on no input")
    try:
        given = dict(torch.load(path, map_location="cpu", weights_only=True))
    except OSError as error:
        fail(f"--inputs {path}: {error.strerror}")
    except (ValueError, TypeError, RuntimeError, EOFError, UnpicklingError):
        fail(f"--inputs {path}: this is not a dict of tensors that `torch.save` wrote")
    found: dict[str, Tensor] = {}
    for name in mask_inputs(plan(variant)):
        axes = variant.input(name).axes
        if not isinstance(given.get(name), torch.Tensor):
            fail(f"--inputs {path}: there is no tensor `{name}`, on which the tiles of {variant.name} depend")
        shape = tuple(given[name].shape)
        along = [AXIS_SIZES.get(axis) in ("N", "M") for axis in axes]
        if len(shape) != len(axes) or any(
            is_long and size != tokens for is_long, size in zip(along, shape, strict=True)
        ):
            fail(f"--inputs {path}: {name}[{', '.join(axes)}] of {tokens} tokens can't be {list(shape)}")
        found[name] = given[name]
    return found


def _heads(batch: int, heads: int, kv_heads: int, width: int) -> Heads:
    import torch

    from attngen.parallel.predict import Heads

    return Heads(batch, heads, kv_heads, width, width, torch.bfloat16)


def _devices(text: str) -> list[int]:
    """`8`, `8,64` or `8..4096`."""
    doubling = re.fullmatch(r"(\d+)\.\.(\d+)", text)
    if doubling is not None and 0 < int(doubling[1]) <= int(doubling[2]):
        first, last = int(doubling[1]), int(doubling[2])
        return [first << shift for shift in range((last // first).bit_length())]
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        fail(f"--devices {text}: give numbers, such as 8, or 8,64, or 8..4096")
    return [int(part) for part in text.split(",")]


def _tokens(text: str) -> int:
    match = re.fullmatch(r"([1-9]\d*)([KM]?)", text)
    if match is None:
        fail(f"--tokens {text}: give a number, such as 131072, 128K or 10M")
    return int(match[1]) * {"": 1, "K": 1024, "M": 10**6}[match[2]]


def _gpus(text: str, devices: int) -> int:
    """Of a node."""
    if not text:
        return 8
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        fail(f"--mesh {text}: give NODESxGPUS, such as 512x8")
    if int(match[1]) * int(match[2]) < devices:
        fail(f"--mesh {text}: {devices} devices are more than it has")
    return int(match[2])


def _show(variant: Variant, tokens: int, rows: list[Prediction], machine: Machine) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from attngen.parallel.predict import best

    title = f"{variant.name}, {tokens:,} tokens: what a rank sends in a step, and how long it takes"
    table = Table(*(Column(head, no_wrap=True) for head in HEADS), title=title)
    for row in rows:
        table.add_row(*_cells(row))
    console = Console(width=WIDE)
    console.print(table)
    for devices in dict.fromkeys(row.devices for row in rows):
        chosen = best([row for row in rows if row.devices == devices])
        console.print(f"{devices} devices: {chosen.layout}, {chosen.send} travel back: {_reason(chosen, machine)}")


def _reason(row: Prediction, machine: Machine) -> str:
    hidden = "messages hide behind kernels" if row.hidden else "kernels wait for messages"
    step = f"{row.seconds * 1e3:.3g} ms, {row.efficiency:.0%} of it computes; {hidden}, balance {row.balance:.2f}"
    return f"{step}; {row.memory / machine.memory:.1%} of {_bytes(int(machine.memory))}"


def _cells(row: Prediction) -> list[str]:
    return [
        str(row.devices), row.layout, row.send, _bytes(row.forward_bytes), str(row.forward_messages),
        _bytes(row.backward_bytes), str(row.backward_messages), str(row.hops), f"{row.balance:.2f}",
        "yes" if row.hidden else "no", f"{row.seconds * 1e3:.3g} ms", f"{row.efficiency:.0%}", _bytes(row.memory),
        f"{(row.forward_bytes + row.backward_bytes) / row.everything:.1%}" if row.everything else "-",
    ]  # fmt: skip


def _bytes(size: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} B"


def _write(output: Path, report: dict[str, Any], rows: list[Prediction]) -> None:
    from attngen.cli.bench_report import write
    from attngen.view.bars import bars

    series = list(dict.fromkeys(f"{row.layout}, {row.send}" for row in rows))
    groups = []
    for devices in dict.fromkeys(row.devices for row in rows):
        of = {f"{row.layout}, {row.send}": row.efficiency for row in rows if row.devices == devices}
        groups.append((f"{devices} devices", [of.get(name) for name in series]))
    chart = bars("The part of a step that computes; longer is better", groups, series)
    numbers = [[*rows[0].as_json()], *([*row.as_json().values()] for row in rows)] if rows else []
    notes = ["A rank is the worst of those looked at; bytes and messages are exact, seconds come from a model."]
    write(output, report, numbers, [HEADS, *map(_cells, rows)], notes, chart)
