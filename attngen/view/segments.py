"""The keys of one query tile: segments in formulas and in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from attngen.analysis.lists import List
from attngen.analysis.picture import TileMap
from attngen.analysis.segments import Segments
from attngen.ir.evaluate import Number, evaluate, named
from attngen.ir.show import show_expr
from attngen.schedule.plan import Plan


def segment_lines(
    plan: Plan, parameters: Mapping[str, Number], tiles: TileMap, query: int, head: int, call: Mapping[str, int]
) -> list[str]:
    """What is known of query tile number `query`; `call` gives N, M, H and the size of a query tile.

    Raises:
        LookupError: the bounds depend on an input.
    """
    N, M, height = call["N"], call["M"], call["query_tile"]
    first = M - N + query * height
    last = M - N + min((query + 1) * height, N) - 1
    lines = [f"query tile {query}: the queries q0 = {first} to q1 = {last}"]
    if not isinstance(plan.walk, List):
        names = {
            **named(parameters),
            "N": N,
            "M": M,
            "H": call["H"],
            "B": 1,
            "b": 0,
            "h": head,
            "q0": first,
            "q1": last,
        }
        lines += _valued("hull", plan.bounds.hull, names) + _valued("core", plan.bounds.core, names)
    return [*lines, f"  key tiles {_runs(tiles.classes[query])}"]


def _valued(label: str, segments: Segments, names: Mapping[str, Number]) -> list[str]:
    lines = []
    for segment in segments:
        assert segment.start is not None and segment.stop is not None
        start, stop = evaluate(segment.start, names), evaluate(segment.stop, names)
        shown = f"[{start}, {stop})" if start < stop else "nothing"
        lines.append(f"  {label} [{show_expr(segment.start)}, {show_expr(segment.stop)}) = {shown}")
        for teeth in segment.teeth:
            ends = (teeth.start, teeth.stop, teeth.period)
            formulas, numbers = map(show_expr, ends), (str(evaluate(end, names)) for end in ends)
            lines.append("    of that [{}, {}) + n * {} = ".format(*formulas) + "[{}, {}) + n * {}".format(*numbers))
    return lines or [f"  {label} nothing"]


def _runs(classes: tuple[int, ...]) -> str:
    """`0 partial, 3-7 full`."""
    words = {1: "partial", 2: "full"}
    found = []
    for kind, group in groupby(enumerate(classes), key=lambda place: place[1]):
        places = [k for k, _ in group]
        if kind:
            found.append(f"{places[0] if len(places) == 1 else f'{places[0]}-{places[-1]}'} {words[kind]}")
    return ", ".join(found) or "none"
