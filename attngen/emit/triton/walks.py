"""The loops of kernels over tiles: along key tiles for a tile of queries, and along query tiles for a tile of keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from attngen.analysis.lists import List
from attngen.analysis.walk import PartialRun, Periodic, Range
from attngen.emit.layout import laid_out

STEP = " " * 4


@dataclass(frozen=True, slots=True)
class Loops:
    """What a loop does: `visit(full)` is the statement for one tile, `tile` the name of the one that is visited.

    A list of tiles lies at `listed`; a walk along periods computes `per_period` in each. The code stands `indent`
    columns deep. With `parts`, several programs share the walk: each visits every PARTS-th tile or period.
    """

    walk: Range | Periodic | List
    visit: Callable[[bool], str]
    per_period: tuple[str, ...] = ()
    tile: str = "key_tile"
    listed: str = "tiles_ptr"
    indent: int = 4
    parts: bool = False

    def lines(self) -> list[str]:
        """Partial tiles first, then full ones, by whether the mask is needed."""
        match self.walk:
            case List():
                return self._of_list()
            case Periodic():
                return self._of_periods(self.walk)
        lines = [line for run in self.walk.partial for line in self._partial(run, 0)]
        for run in self.walk.full:
            lines += self._loop(f"for {self.tile} in {self._range(run.start, run.stop)}:", [], True, 0)
        return lines

    def _range(self, start: str, stop: str) -> str:
        """What a program visits of a run."""
        if not self.parts:
            return f"range({start}, {stop})"
        return f"range({'part' if start == '0' else f'{start} + part'}, {stop}, PARTS)"

    def _of_list(self) -> list[str]:
        partial = [f"{self.tile} = tl.load({self.listed} + start + step)"]
        full = [f"{self.tile} = tl.load({self.listed} + step)"]
        return [
            *self._loop(f"for step in {self._range('0', 'full_start - start')}:", partial, False, 0),
            *self._loop(f"for step in {self._range('full_start', 'full_stop')}:", full, True, 0),
        ]

    def _of_periods(self, walk: Periodic) -> list[str]:
        full = f"for {self.tile} in range({walk.full.start}, {walk.full.stop}):"
        inside = [
            *(STEP + line for line in laid_out(self.per_period, self.indent + len(STEP))),
            *replace(self, parts=False)._partial(walk.partial, 1),
            *self._loop(full, [], True, 1),
        ]
        return [
            "# The mask repeats: in each period a run of tiles, without those that the period before has visited.",
            f"for period in {self._range(walk.periods.start, walk.periods.stop)}:",
            *inside,
        ]

    def _partial(self, run: PartialRun, depth: int) -> list[str]:
        """A run that steps over its holes."""
        holes = [(hole, f"{hole.stop} - {hole.start}") for hole in run.holes]
        count = f"{run.stop} - {run.start}" + "".join(f" - ({length})" for _, length in holes)
        steps = [f"{self.tile} = {run.start} + step"]
        steps += [f"{self.tile} += tl.where({self.tile} >= {hole.start}, {length}, 0)" for hole, length in holes]
        before: list[str] = []
        if len(count) >= 80:
            before, count = laid_out([f"steps = {count}"], self.indent + depth * len(STEP)), "steps"
        loop = self._loop(f"for step in {self._range('0', count)}:", steps, False, depth)
        return [*(depth * STEP + line for line in before), *loop]

    def _loop(self, head: str, steps: list[str], full: bool, depth: int) -> list[str]:
        inside = laid_out([*steps, self.visit(full)], self.indent + (depth + 1) * len(STEP))
        return [depth * STEP + head, *((depth + 1) * STEP + line for line in inside)]
