"""What a fresh process takes to build a spec and call it: `python -m attngen.bench.building SPEC BACKEND`.

Prints JSON: seconds by step. Nothing heavy is imported before the first step is timed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SHAPE = [1, 4, 256, 64]
"""B, H, N, D of the call: small, so that its own work is nothing beside what it compiles."""
TARGET = "cuda:90"


def steps(spec: Path, backend: str) -> dict[str, float]:
    """Seconds of each step, in order.

    `torch` and `attngen` are imports; `build` the first in the process, `again` the second; `call` the first call, of
    C++ or on a GPU; `cross`, without one, compiling the kernels of the forward pass for a GPU that is not here.
    """
    taken: dict[str, float] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        taken[name] = time.perf_counter() - started

    with step("torch"):
        import torch
    with step("attngen"):
        from attngen.runtime.build import build
    with step("build"):
        kernel = build(spec, backend=backend)
    with step("again"):
        build(spec, backend=backend)
    if backend == "cpp" or torch.cuda.is_available():
        call = _call(kernel, backend)
        with step("call"):
            call()
    else:
        from attngen.ir.nodes import Recurrent
        from attngen.runtime.cross import compile_for
        from attngen.runtime.kept import findings

        findings(kernel.variant).files("triton")  # compiling alone is timed
        kernels = ("carry", "give") if isinstance(kernel.variant.body, Recurrent) else ("forward",)
        with step("cross"):
            for name in kernels:
                compile_for(kernel.variant, TARGET, only=name)
    return taken


def _call(kernel: Any, backend: str) -> Callable[[], object]:
    """A call with random numbers; it is done when the device is."""
    import torch

    from attngen.runtime.draws import device_for, tensors

    device = device_for(backend)
    q, k, v, inputs = tensors(kernel.variant, SHAPE, torch.float32, device, kernel.parameters)

    def call() -> None:
        kernel(q, k, v, **inputs)
        if device == "cuda":
            torch.cuda.synchronize()

    return call


if __name__ == "__main__":
    print(json.dumps(steps(Path(sys.argv[1]), sys.argv[2])))
