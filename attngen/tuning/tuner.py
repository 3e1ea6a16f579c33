"""Trying candidates on a device: each is timed, and compared with the interpreter before it may win."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from attngen.bench.gpu.calls import asked_of, cases
from attngen.bench.gpu.clock import Clock
from attngen.bench.gpu.contestants import reason
from attngen.bench.gpu.correctness import outcome
from attngen.runtime import trial
from attngen.runtime.draws import dtype_of, tensors
from attngen.runtime.kernel import Kernel
from attngen.runtime.tuned import Tiles, Tuned
from attngen.schedule.configuration import TILED

BETTER = 0.99
"""What part of the best time a candidate may take to be taken for better: less is noise."""
PATIENCE = 8
"""Candidates in a row that are no better, after which a search ends: they come in the order of predictions."""
CASES = ("odd lengths", "fewer keys than queries", "grouped heads", "rows that see nothing")
"""Small calls that a candidate must get right."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What came of one: seconds of its call, and why it is out. Without `tiles`, it is what a kernel starts with."""

    kernel: str
    tiles: Tiles | None
    seconds: float
    fault: str = ""


class Forced(dict[Any, Tiles]):
    """Tuned sizes, where one kernel has some for calls of all sizes."""

    def __init__(self, kernel: str, tiles: Tiles) -> None:
        super().__init__()
        self._forced = kernel, tiles

    def get(self, key: Any, default: Any = None) -> Any:
        """What launchers ask for."""
        kernel, tiles = self._forced
        return tiles if key[0] == kernel else default


@dataclass
class Tuner:
    """Tunes the kernels of one spec for calls of one size.

    Attributes:
        shape: B, H, N, D; or B, H, Hk, N, M, D, E.
        device: where it runs; "cpu" interprets, which is for trying this.
        name: of the device.
        long: the most tokens of small calls.
    """

    kernel: Kernel
    shape: list[int]
    dtype: str
    device: str
    name: str
    clock: Clock
    long: int = 600

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        kind = dtype_of(self.dtype)
        self.q, self.k, self.v, self.inputs = tensors(
            self.kernel.variant, self.shape, kind, self.device, self.kernel.parameters
        )
        self.dtype = str(kind).removeprefix("torch.")

    @property
    def names(self) -> dict[str, Any]:
        """Those of the generated module."""
        found: dict[str, Any] = self.kernel._function("triton").__globals__
        return found

    @cached_property
    def tile(self) -> tuple[int, int] | None:
        """Queries and keys of the tiles that are listed, if they are."""
        sizes = self.names.get("_tile_sizes")
        return None if sizes is None else sizes(self.q, self.v.shape[3], max(self.q.shape[2], self.k.shape[2]))

    @cached_property
    def expected(self) -> list[Tensor]:
        """What all candidates must give in the call that is timed: what the first sizes give, which is compared too."""
        return self._results()

    def is_right_at_first(self) -> bool:
        """Whether kernels agree with the interpreter with the sizes they start with, in the call that is timed."""
        if "chunks" in self.kernels:
            return not self._wrong_cases()
        y = self.expected[0]
        found = trial.compared(self.kernel, self.q, self.k, self.v, self.inputs, y, None)
        return found.error <= found.tolerance and not self._wrong_cases()

    @property
    def kernels(self) -> tuple[str, ...]:
        """Those that the module launches with sizes of their own."""
        defaults = self.names["DEFAULTS"]
        return tuple(each for each in TILED if each in defaults) or ("chunks",)

    def candidates(self, kernel: str, order: Sequence[Tiles]) -> Iterator[Candidate]:
        """What comes of some, the sizes that the kernel starts with first; ends where nothing gets better."""
        _ = self.expected  # with the first sizes, before others are tried
        best, idle = self._timed(kernel), 0
        yield best
        for tiles in order:
            found = self._tried(kernel, tiles, best.seconds)
            yield found
            better = not found.fault and found.seconds < BETTER * best.seconds
            best, idle = (found, 0) if better else (best, idle + 1)
            if idle == PATIENCE:
                return

    def result(self, found: Sequence[Candidate]) -> Tuned | None:
        """The fastest of those that are right; `None` if that is what the kernel starts with."""
        first, *others = found
        best = min((each for each in others if not each.fault), key=lambda each: each.seconds, default=first)
        if best.tiles is None or best.seconds >= BETTER * first.seconds:
            return None
        power = self.names["_power_of_two"]
        width, tokens = power(max(self.q.shape[3], self.v.shape[3])), power(max(self.q.shape[2], self.k.shape[2]))
        facts = (self.name, self.kernel.spec, self.kernel.variant.name, best.kernel, self.dtype, width, tokens)
        return Tuned(*facts, best.tiles, best.seconds, first.seconds)

    def _tried(self, kernel: str, tiles: Tiles, best: float) -> Candidate:
        """Timed first, for most are slow, and compared if it could win."""
        before = self.names["TUNED"]
        self.names["TUNED"] = Forced(kernel, tiles)
        try:
            found = self._timed(kernel, tiles)
            wrong = self._wrong() if found.seconds < BETTER * best else ""
            return Candidate(kernel, tiles, found.seconds, wrong)
        except Exception as error:  # whatever a compiler or a launch raises
            return Candidate(kernel, tiles, float("inf"), reason(error))
        finally:
            self.names["TUNED"] = before

    def _timed(self, kernel: str, tiles: Tiles | None = None) -> Candidate:
        return Candidate(kernel, tiles, self.clock.times({kernel: self._call(kernel)})[kernel].median)

    def _call(self, kernel: str) -> Callable[[], object]:
        """What runs one kernel, and little else."""
        if kernel == "forward":
            return lambda: self.kernel(self.q, self.k, self.v, **self.inputs)
        leaves = [x.detach().requires_grad_() for x in (self.q, self.k, self.v)]
        asked = {"by_queries": leaves[:1], "by_keys": leaves[1:]}.get(kernel)
        if asked is None:
            return lambda: self._results()
        y = self.kernel(*leaves, **self.inputs)
        by_y = torch.ones_like(y)
        return lambda: torch.autograd.grad(y, asked, by_y, retain_graph=True)

    def _results(self) -> list[Tensor]:
        """The values and gradients of the call that is timed."""
        leaves = [x.detach().requires_grad_() for x in (self.q, self.k, self.v)]
        y = self.kernel(*leaves, **self.inputs)
        y = y[0] if isinstance(y, tuple) else y
        return [y.detach(), *torch.autograd.grad(y, leaves, torch.ones_like(y))]

    def _wrong(self) -> str:
        """Where a candidate is wrong: in the call that is timed, or in small ones; nothing if it is right."""
        for name, found, expected in zip(("y", "dq", "dk", "dv"), self._results(), self.expected, strict=True):
            size = expected.double().abs().max() if expected.numel() else torch.tensor(0.0)
            off = (found.double() - expected.double()).abs().max() if expected.numel() else torch.tensor(0.0)
            if not off <= 8 * torch.finfo(expected.dtype).eps * size + 1e-6:
                return f"{name} is off by {off:.1e}"
        return self._wrong_cases()

    def _wrong_cases(self) -> str:
        """In which small call values or gradients differ from the interpreter's."""
        width = min(self.q.shape[3], 64) if self.device == "cpu" else self.q.shape[3]
        for case in cases(self.long):
            if case.name in CASES and asked_of(self.kernel.variant, case):
                found = outcome(self.kernel, case, self.dtype, width, self.device)
                if not found.fine:
                    return f"{case.name}: {found.worst}"
        return ""
