"""What a process of the self-check does: run an attention of each kind with a backend, and compare it.

    python -m attngen.runtime.comparison cpp|triton|cross

prints a line of JSON for each `Check`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import files
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from attngen.ir.load import load_all
from attngen.ir.nodes import Variant
from attngen.runtime.build import build
from attngen.runtime.draws import device_for, dtype_of, tensors
from attngen.runtime.trial import trial

GRADIENTS = {"float32": 1e-4, "bfloat16": 2.0**-5}
"""What a gradient may be off, of the largest number of it: rounding leaves a hundredth of that in float32, an eighth
in bfloat16, and a mistake is as large as the numbers are."""
ON_GPU = [2, 4, 300, 64]
ON_CPU = [1, 2, 150, 32]
INTERPRETED = [1, 1, 40, 16]
"""B, H, N, D: several tiles, the last of them ragged."""
CROSS = "cuda:90"


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a backend computes an attention right, and what was found, in words."""

    backend: str
    attention: str
    passed: bool
    text: str
    seconds: float


def variants() -> dict[str, Variant]:
    """The attentions that are compared, by name."""
    text = files("attngen.runtime").joinpath("selfcheck.attn").read_text(encoding="utf-8")
    return {variant.name: variant for variant in load_all(text)}


def count(kind: str) -> int:
    """How many checks a process makes."""
    return 1 if kind == "cross" else len(variants()) * len(_dtypes(kind))


def checks(kind: str) -> Iterator[Check]:
    """Those of one process, in the order in which they are done."""
    if kind == "cross":
        yield _timed("cross-compiled", f"window for {CROSS}", partial(_cross_compiled, variants()["window"]))
        return
    calls = [_Call.drawn(variant, kind, dtype) for dtype in _dtypes(kind) for variant in variants().values()]
    # Compilers are processes of their own, so that several C++ files are compiled at once; what is compared comes from
    # one thread, so that its numbers are the same every time.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        ahead = [pool.submit(call.gradients) for call in calls if kind == "cpp"]
        for call, compiled in zip_longest(calls, ahead):
            if compiled is not None:
                compiled.exception()  # it comes again, and is reported then
            yield _timed(kind, f"{call.variant.name}, {call.dtype}", call.compared)


def _dtypes(kind: str) -> list[str]:
    return ["float32", "bfloat16"] if kind == "triton" and torch.cuda.is_available() else ["float32"]


def _shape(kind: str) -> list[int]:
    if kind == "cpp":
        return ON_CPU
    return ON_GPU if torch.cuda.is_available() else INTERPRETED


def _timed(backend: str, attention: str, call: Callable[[], tuple[bool, str]]) -> Check:
    """What a call found; an error of any kind is a check that has failed."""
    started = time.perf_counter()
    try:
        passed, text = call()
    except Exception as error:
        passed, text = False, f"{type(error).__name__}: {error}"
    return Check(backend, attention, passed, text, time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of an attention with random numbers, and by what its result is multiplied for the gradients."""

    variant: Variant
    backend: str
    dtype: str
    rows: tuple[Tensor, Tensor, Tensor]
    inputs: dict[str, Tensor]
    by_y: Tensor

    @classmethod
    def drawn(cls, variant: Variant, backend: str, dtype: str) -> _Call:
        torch.manual_seed(0)
        device = device_for(backend)
        q, k, v, inputs = tensors(variant, _shape(backend), dtype_of(dtype), device, _defaults(variant))
        return cls(variant, backend, dtype, (q, k, v), inputs, torch.randn_like(q))

    def gradients(self) -> tuple[Tensor, ...]:
        """The kernel's by q, k, v and inputs of floats."""
        return self._gradients(build(self.variant, backend=self.backend))

    def compared(self) -> tuple[bool, str]:
        """Results and gradients against the interpreter's."""
        forward = trial(self.variant, _shape(self.backend), self.dtype, self.backend, 0, _defaults(self.variant))
        exact = self._gradients(build(self.variant, backend="reference").reference, torch.float64)
        shares = [(a.double() - b).abs().max() / b.abs().max() for a, b in zip(self.gradients(), exact, strict=True)]
        share = float(torch.stack(shares).max())
        right = share <= GRADIENTS[self.dtype]  # not so if it is NaN
        words = ["results agree"] if forward.passed else [line.strip() for line in forward.text().splitlines()[:-1]]
        words.append(f"gradients {'agree' if right else 'are WRONG'}: {share:.0e} of the largest off")
        return forward.passed and right, "; ".join(words)

    def _gradients(self, call: Callable[..., Any], dtype: torch.dtype | None = None) -> tuple[Tensor, ...]:
        """Those of a kernel or of the interpreter; with leaves of another dtype if one is given."""
        trained = [name for name, given in self.inputs.items() if given.is_floating_point()]
        given = [*self.rows, *(self.inputs[name] for name in trained)]
        leaves = [each.detach().to(dtype or each.dtype).requires_grad_() for each in given]
        y = call(*leaves[:3], **{**self.inputs, **dict(zip(trained, leaves[3:], strict=True))})
        return torch.autograd.grad((y * self.by_y.to(y.dtype)).sum(), leaves)


def _defaults(variant: Variant) -> dict[str, int | float | bool]:
    return {each.name: each.default for each in variant.parameters if each.default is not None}


def _cross_compiled(variant: Variant) -> tuple[bool, str]:
    """Machine code of the forward kernel for a GPU that is not here."""
    from attngen.runtime.cross import compile_for

    code = compile_for(variant, CROSS, only="forward").kernels["forward"].get("cubin", b"")
    return bool(code), f"{len(code)} bytes of machine code"


def main() -> None:
    """The checks of one process, a line for each."""
    for check in checks(sys.argv[1]):
        print(json.dumps(asdict(check)), flush=True)


if __name__ == "__main__":
    main()
