"""What `attngen bench gpu` says of what it found: for programs, for people, and as a chart."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attngen.cli.bench_report import write

if TYPE_CHECKING:
    from attngen.bench.gpu.correctness import Outcome
    from attngen.bench.gpu.rows import Row
    from attngen.view.scene import Scene

HEADS = [
    "spec", "dtype", "N", "D", "heads", "live",
    "attngen", "TFLOP/s", "of product", "fastest peer", "ratio",
    "trained", "TFLOP/s", "of product", "fastest peer", "ratio", "verified",
]  # fmt: skip


@dataclass(slots=True)
class Found:
    """All that was found so far.

    Attributes:
        checks_asked, checks_done: specs whose small calls are checked, each in each dtype.
        products: FLOP/s of a matrix product, by dtype.
    """

    device: dict[str, str | None]
    interpreted: bool
    rounds: int
    rows_asked: int
    checks_asked: int = 0
    checks_done: int = 0
    products: dict[str, float] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        """Whether no kernel was wrong."""
        return all(row.verified for row in self.rows) and all(outcome.fine for outcome in self.outcomes)


def report(found: Found) -> dict[str, Any]:
    """For programs."""
    from datetime import UTC, datetime

    return {
        "date": datetime.now(UTC).date().isoformat(),
        "interpreted": found.interpreted,
        "device": found.device,
        "product tflops": {kind: None if found.interpreted else rate / 1e12 for kind, rate in found.products.items()},
        "rounds": found.rounds,
        "correctness": {
            "specs and dtypes": found.checks_done,
            "not reached": found.checks_asked - found.checks_done,
            "calls": dict(Counter(outcome.result for outcome in found.outcomes)),
            "closest": max((outcome.part for outcome in found.outcomes if outcome.fine), default=0.0),
            "failures": [outcome.as_json() for outcome in found.outcomes if not outcome.fine],
        },
        "rows": [row.as_json(found.products[row.job.dtype], found.interpreted) for row in found.rows],
        "rows not reached": found.rows_asked - len(found.rows),
    }


def cells(found: Found) -> list[list[str]]:
    """A table with its heads: one line for each row."""
    return [HEADS, *(_cells(row, found) for row in found.rows)]


def _cells(row: Row, found: Found) -> list[str]:
    sizes = row.job.sizes
    heads = f"{sizes.heads},{sizes.key_heads}" if sizes.grouped else str(sizes.heads)
    live = "-" if row.carried else f"{row.live:.3f}"
    facts = [row.job.name, row.job.dtype, str(sizes.tokens), str(sizes.width), heads, live]
    verdict = "yes" if row.verified else f"NO: {row.problem or 'differs from the interpreter'}"
    return [*facts, *_speeds(row, found, trained=False), *_speeds(row, found, trained=True), verdict]


def _speeds(row: Row, found: Found, trained: bool) -> list[str]:
    """Time, speed and share of attngen; the fastest peer, and its time over attngen's."""
    times = row.trained if trained else row.forward
    if "attngen" not in times:
        return ["-"] * 5
    time, speed, best = times["attngen"], row.speed("attngen", trained), row.best(trained)
    shown = f"{1e3 * time.median:.3g} ms ± {50 * time.spread:.0f} %"
    if found.interpreted or speed is None:
        return [shown, "-", "-", "-", "-"]
    share = f"{100 * speed / found.products[row.job.dtype]:.0f} %"
    beside = [best, f"{row.ratio(best, trained):.2f} x"] if best is not None else ["-", "-"]
    return [shown, f"{speed / 1e12:.1f}", share, *beside]


def notes(found: Found) -> list[str]:
    """What the figures depend on, and what went wrong."""
    there = ", ".join(f"{name} {value}" for name, value in found.device.items() if value is not None)
    absent = ", ".join(name for name, value in found.device.items() if value is None)
    lines = [there + (f"; none of {absent}" if absent else "")]
    if found.interpreted:
        lines.append("kernels ran in Triton's interpreter: times say nothing of speed")
    else:
        products = ", ".join(f"{kind} {rate / 1e12:.0f}" for kind, rate in found.products.items())
        lines.append(f"matrix product: {products} TFLOP/s; medians of up to {found.rounds} calls, with a cold cache")
        lines.append("TFLOP/s count live pairs alone, 4 D of each and 14 D with the backward pass; of recurrences")
        lines[-1] += " 4 N H D E, with the delta rule 6, and three times as many with the backward pass"
        lines.append("live tiles and block masks are listed ahead; trained: with gradients by q, k, v and gates")
    if found.checks_asked:
        counts = Counter(outcome.result for outcome in found.outcomes)
        calls = ", ".join(f"{count} {result}" for result, count in counts.items())
        lines.append(f"small calls, {found.checks_done} of {found.checks_asked} specs and dtypes: {calls or 'none'}")
    lines += [
        f"{each.spec}, {each.case}, {each.dtype}: {each.result}, {each.worst} ({each.part:.3g} of what is allowed)"
        for each in found.outcomes
        if not each.fine
    ]
    if found.rows_asked > len(found.rows):
        lines.append(f"{found.rows_asked - len(found.rows)} of {found.rows_asked} rows were not reached in time")
    return lines + _missing(found.rows)


def _missing(rows: list[Row]) -> list[str]:
    """Why peers have no times, each reason once."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for peer, why in row.notes.items():
            names = reasons.setdefault((peer, why), [])
            if row.job.name not in names:
                names.append(row.job.name)
    return [f"{peer}: {why} ({', '.join(names)})" for (peer, why), names in reasons.items()]


def written(output: Path, found: Found) -> None:
    """The report, the table, its numbers, and the chart."""
    write(output, report(found), _numbers(found.rows), cells(found), notes(found), _chart(found))


def saved(output: Path, made: dict[str, Any]) -> None:
    """OUTPUT.json alone, whole at any moment."""
    output.parent.mkdir(parents=True, exist_ok=True)
    half = output.with_suffix(".json.part")
    half.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    half.replace(output.with_suffix(".json"))


def _contestants() -> tuple[str, ...]:
    from attngen.bench.gpu.rows import PEERS

    return ("attngen", *PEERS)


def _numbers(rows: list[Row]) -> list[list[str]]:
    """Milliseconds, with their heads."""
    names = _contestants()
    every = [*(f"{name} ms" for name in names), *(f"{name} trained ms" for name in names)]
    lines = [["spec", "dtype", "tokens", "width", "heads", "key heads", "live", *every]]
    for row in rows:
        sizes = row.job.sizes
        numbers = [sizes.tokens, sizes.width, sizes.heads, sizes.key_heads or sizes.heads]
        times = [
            f"{1e3 * found[name].median:.4f}" if name in found else ""
            for found in (row.forward, row.trained)
            for name in names
        ]
        lines.append([row.job.name, row.job.dtype, *map(str, numbers), f"{row.live:.4f}", *times])
    return lines


def _chart(found: Found) -> Scene:
    """The rows of the first length: TFLOP/s of each contestant, or where kernels are interpreted, calls a second.

    Beside a name stand channels, and heads of keys where these are shared.
    """
    from attngen.view.bars import bars

    names = _contestants()
    shown = [row for row in found.rows if row.forward and row.job.sizes.tokens == found.rows[0].job.sizes.tokens]
    groups = []
    for row in shown:
        speeds = [row.speed(name) for name in names]
        if found.interpreted:
            speeds = [1 / row.forward[name].median if name in row.forward else None for name in names]
        scale = 1 if found.interpreted else 1e12
        sizes = row.job.sizes
        label = ", ".join([row.job.name, str(sizes.width), *([str(sizes.key_heads)] if sizes.grouped else [])])
        groups.append((label, [None if speed is None else speed / scale for speed in speeds]))
    unit = "calls a second in an interpreter, no speed of kernels" if found.interpreted else "TFLOP/s of live work"
    return bars(f"{unit}; longer is faster", groups, names)
