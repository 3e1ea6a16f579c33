"""How a kernel's loop walks over tiles: derived from hull and core, in tiles instead of positions.

Every end is defined by a short formula over the definitions before it, so that the kernels of all backends, the
pictures and the tests run on the same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from attngen.analysis import algebra as al
from attngen.analysis.bounds import Bounds
from attngen.analysis.segments import Segment, Segments, Teeth, hull_of, parted
from attngen.ir.evaluate import Environment, Number, Reader, evaluate
from attngen.ir.expr import Apply, Expr, variable

KEY_TILE = variable("KEY_TILE")
"""The number of keys in a tile; a constant of the kernel."""
QUERY_TILE, OFFSET = variable("QUERY_TILE"), variable("offset")
"""The number of queries in a tile, and the position of the first: what a walk over query tiles asks for."""
PERIOD = variable("period")
"""Which of the periods of a periodic walk."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A name for the value of an int expression, for those that follow."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Run:
    """Key tiles [start, stop), names of definitions."""

    start: str
    stop: str


@dataclass(frozen=True, slots=True)
class PartialRun:
    """Key tiles [start, stop) without `holes`, which lie in it, in order: tiles that need the mask."""

    start: str
    stop: str
    holes: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A walk along ordered runs in closed form: tiles that need the mask, and full tiles that don't.

    Together they visit every tile that holds a live key, each once.
    """

    definitions: tuple[Definition, ...]
    partial: tuple[PartialRun, ...]
    full: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Periodic:
    """A walk along the teeth of a mask that repeats: for each of `periods`, a run of tiles and the full ones in it.

    `inner` defines these over `definitions` and the number of the period. The runs are in order, and share no tile.
    """

    definitions: tuple[Definition, ...]
    periods: Run
    inner: tuple[Definition, ...]
    partial: PartialRun
    full: Run


def key_walk(bounds: Bounds) -> Range | Periodic:
    """The walk of a query tile [q0, q1] over key tiles."""
    if bounds.periodic:
        return _periodic(bounds.hull[0], bounds.core, KEY_TILE)
    return _range(_without_teeth(bounds), parted(bounds.core)[0], KEY_TILE)


def query_walk(bounds: Bounds) -> Range | Periodic:
    """The walk of a key tile [k0, k1] over query tiles, by the bounds of queries."""
    if bounds.periodic:
        return _periodic(_rows(bounds.hull)[0], _rows(bounds.core), QUERY_TILE)
    return _range(_rows(_without_teeth(bounds)), _rows(parted(bounds.core)[0]), QUERY_TILE)


def _rows(segments: Segments) -> Segments:
    """Positions of queries as rows."""

    def row(position: Expr) -> Expr:
        return al.subtract(position, OFFSET)

    return tuple(
        Segment(
            row(segment.start),
            row(segment.stop),
            tuple(Teeth(row(each.start), row(each.stop), each.period) for each in segment.teeth),
        )
        for segment in segments
        if segment.start is not None and segment.stop is not None
    )


def _without_teeth(bounds: Bounds) -> Segments:
    """The hull; one segment where it has teeth, which are in no order with others."""
    return (hull_of(bounds.hull),) if bounds.toothed else bounds.hull


def _range(hull: Segments, core: Segments, tile: Expr) -> Range:
    """A walk along segments, over tiles of a size."""
    definitions: list[Definition] = []
    live = _runs(hull, ("start", "stop"), definitions, tile, outward=True)
    full = _runs(core, ("full_start", "full_stop"), definitions, tile, outward=False)
    partial = []
    for k, run in enumerate(live):
        holes = full
        if len(live) > 1 or len(full) > 1:
            holes = tuple(_clipped(hole, run, f"{k}_{m}", definitions) for m, hole in enumerate(full))
        partial.append(PartialRun(run.start, run.stop, holes))
    return Range(tuple(definitions), tuple(partial), full)


def tile_classes(walk: Range | Periodic, environment: Environment, tiles: int, read: Reader | None = None) -> list[int]:
    """For one query tile, the class of each key tile: 0 not visited, 1 visited with the mask, 2 full.

    `environment` gives q0, q1, KEY_TILE, sizes, parameters and h; for a key tile and its walk over query tiles k0, k1,
    QUERY_TILE and offset.

    Raises:
        ValueError: a tile would be visited twice, or does not exist.
    """
    classes = [0] * tiles
    for tile, full in visits(walk, environment, read):
        if not 0 <= tile < tiles or classes[tile]:
            raise ValueError(f"the walk visits key tile {tile} of {tiles} {'again' if 0 <= tile < tiles else ''}")
        classes[tile] = 2 if full else 1
    return classes


def visits(walk: Range | Periodic, environment: Environment, read: Reader | None = None) -> Iterator[tuple[int, bool]]:
    """The tiles in the order of the kernels, each with whether it is full."""
    names: dict[str, Number] = dict(environment)
    for definition in walk.definitions:
        names[definition.name] = evaluate(definition.value, names, read)
    if isinstance(walk, Periodic):
        for period in range(int(names[walk.periods.start]), int(names[walk.periods.stop])):
            names[PERIOD.name] = period
            for definition in walk.inner:
                names[definition.name] = evaluate(definition.value, names, read)
            yield from _visited((walk.partial,), (walk.full,), names)
        return
    yield from _visited(walk.partial, walk.full, names)


def _visited(
    partial: tuple[PartialRun, ...], full: tuple[Run, ...], names: Mapping[str, Number]
) -> Iterator[tuple[int, bool]]:
    for run in partial:
        yield from ((tile, False) for tile in _stepped(run, names))
    for inside in full:
        yield from ((tile, True) for tile in range(int(names[inside.start]), int(names[inside.stop])))


def _stepped(run: PartialRun, names: Mapping[str, Number]) -> Iterator[int]:
    """The tiles of a run, stepping over each hole as the kernels do."""
    holes = [(int(names[hole.start]), int(names[hole.stop])) for hole in run.holes]
    start, stop = int(names[run.start]), int(names[run.stop])
    for step in range(stop - start - sum(end - begin for begin, end in holes)):
        tile = start + step
        for begin, end in holes:
            tile += end - begin if tile >= begin else 0
        yield tile


def _runs(
    segments: Segments, names: tuple[str, str], definitions: list[Definition], tile: Expr, outward: bool
) -> tuple[Run, ...]:
    """Segments of positions as disjoint runs of tiles: rounded outward, or to the tiles that lie inside."""
    runs: list[Run] = []
    for k, segment in enumerate(segments):
        suffix = f"_{k}" if len(segments) > 1 else ""
        run = Run(names[0] + suffix, names[1] + suffix)
        assert segment.start is not None and segment.stop is not None
        if outward:
            first = _named(f"live_start{suffix}", segment.start, definitions)
            last = _named(f"live_stop{suffix}", segment.stop, definitions)
            start, stop = al.floor_divide(first, tile), al.ceil_divide(last, tile)
            if first != al.ZERO:  # an empty segment inside one tile would round to that tile
                stop = al.choose(al.compare("<", first, last), stop, al.ZERO)
        else:
            start, stop = al.ceil_divide(segment.start, tile), al.floor_divide(segment.stop, tile)
        if runs:
            start = al.largest(start, variable(runs[-1].stop))
        definitions.append(Definition(run.start, start))
        floor = start if start == al.ZERO else variable(run.start)
        definitions.append(Definition(run.stop, al.largest(stop, floor)))
        runs.append(run)
    return tuple(runs)


def _named(name: str, value: Expr, definitions: list[Definition]) -> Expr:
    """The value under a name, unless it is as short as one."""
    if not isinstance(value, Apply):
        return value
    definitions.append(Definition(name, value))
    return variable(name)


def _clipped(hole: Run, run: Run, suffix: str, definitions: list[Definition]) -> Run:
    """The part of a hole that lies in a run."""
    clipped = Run(f"hole_start_{suffix}", f"hole_stop_{suffix}")
    start = al.largest(variable(hole.start), variable(run.start))
    stop = al.smallest(variable(hole.stop), variable(run.stop))
    definitions.append(Definition(clipped.start, start))
    definitions.append(Definition(clipped.stop, al.largest(stop, variable(clipped.start))))
    return clipped


def _periodic(hull: Segment, core: Segments, tile: Expr) -> Periodic:
    """The walk along the teeth of a hull, over tiles of a size; full tiles lie in those of the core."""
    definitions, inner = list[Definition](), list[Definition]()
    (teeth,) = hull.teeth
    assert hull.start is not None and hull.stop is not None
    length = _named("period_length", teeth.period, definitions)
    first = _named("tooth_start", teeth.start, definitions)
    last = _named("tooth_stop", al.smallest(teeth.stop, al.add(first, length)), definitions)  # longer ones would meet
    low, high = _named("first_live", hull.start, definitions), _named("stop_live", hull.stop, definitions)
    periods = Run("first_period", "stop_period")
    before = al.floor_divide(al.subtract(low, last), length)  # the last period whose tooth ends before `low`
    definitions.append(Definition(periods.start, al.add(before, al.ONE)))
    some = al.both(al.compare("<", first, last), al.compare("<", low, high))
    stop = al.choose(some, al.ceil_divide(al.subtract(high, first), length), variable(periods.start))
    definitions.append(Definition(periods.stop, stop))

    def keys(period: Expr) -> tuple[Expr, Expr]:
        """The part of a tooth that lies in the hull."""
        shift = al.multiply(period, length)
        return al.largest(al.add(first, shift), low), al.smallest(al.add(last, shift), high)

    (start, stop), earlier = keys(PERIOD), keys(al.subtract(PERIOD, al.ONE))
    start, stop = _named("live_start", start, inner), _named("live_stop", stop, inner)
    earlier = _named("earlier_start", earlier[0], inner), _named("earlier_stop", earlier[1], inner)
    run, full = Run("start", "stop"), Run("full_start", "full_stop")
    visited = al.choose(al.compare("<", *earlier), al.ceil_divide(earlier[1], tile), al.ZERO)
    inner.append(Definition(run.start, al.largest(al.floor_divide(start, tile), visited)))
    end = al.choose(al.compare("<", start, stop), al.ceil_divide(stop, tile), al.ZERO)
    inner.append(Definition(run.stop, al.largest(end, variable(run.start))))
    repeats = bool(core) and [found.period for found in core[0].teeth] == [teeth.period]
    inside = _inside(core[0], length, tile) if repeats else (variable(run.stop), variable(run.stop))
    inner.append(Definition(full.start, _between(inside[0], run.start, run.stop)))
    inner.append(Definition(full.stop, _between(inside[1], full.start, run.stop)))
    return Periodic(tuple(definitions), periods, tuple(inner), PartialRun(run.start, run.stop, (full,)), full)


def _inside(core: Segment, length: Expr, tile: Expr) -> tuple[Expr, Expr]:
    """The tiles that lie in the tooth of a period; in all of them together, where teeth meet."""
    (teeth,) = core.teeth
    assert core.start is not None and core.stop is not None
    shift = al.multiply(PERIOD, length)
    meet = al.compare("<=", length, al.subtract(teeth.stop, teeth.start))
    start = al.choose(meet, core.start, al.largest(al.add(teeth.start, shift), core.start))
    stop = al.choose(meet, core.stop, al.smallest(al.add(teeth.stop, shift), core.stop))
    return al.ceil_divide(start, tile), al.floor_divide(stop, tile)


def _between(tile: Expr, low: str, high: str) -> Expr:
    return al.smallest(al.largest(tile, variable(low)), variable(high))
