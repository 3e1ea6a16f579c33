"""Calls of C++ backward kernels: launchers do not call them yet."""

from __future__ import annotations

import ctypes
import hashlib
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from gradient_oracle import of_heads
from oracle import Call
from torch import Tensor

import attngen
from attngen.emit.cpp import lower
from attngen.ir import nodes
from attngen.runtime.module import import_path
from attngen.schedule.plan import Plan, plan

FOLDER = Path(tempfile.mkdtemp())


@cache
def kernels(variant: attngen.Variant) -> tuple[Plan, ModuleType]:
    """The plan of a backward pass, and a launcher that packs what both kernels take: `<name>.cpp` goes forward."""
    made = plan(variant, differentiated=True)
    source, launcher = lower.generate(made)
    texts = {".py": launcher, ".cpp": source, "_backward.cpp": lower.generate_backward(made)}
    name = f"kernels_{hashlib.sha256(''.join(texts.values()).encode()).hexdigest()[:16]}"
    for end, text in texts.items():
        (FOLDER / f"{name}{end}").write_text(text)
    return made, import_path(FOLDER / f"{name}.py", name)


def gradients(variant: attngen.Variant, call: Call, dy: Tensor, dlse: Tensor | None) -> tuple[Tensor, ...]:
    """dq, dk and dv of a call, in float32."""
    made, module = kernels(variant)
    found: list[Tensor] = []

    def run(dtype: torch.dtype, long: bool, tensors: list[Tensor], integers: list[int], reals: list[float]) -> int:
        """What a launcher does: forward, then backward; the outputs of the forward pass come last."""
        outputs = 3 if made.softmax else 2
        given, y = tensors[:-outputs], tensors[-outputs]
        B, H, N, E = y.shape
        M, D = call.k.shape[2:]
        stats = torch.empty(B, H, N, 2)
        run_kernel("", "forward", dtype, long, [*tensors[:-1], stats], integers, reals)
        groups = H // integers[22]  # panel_heads
        found[:] = [torch.zeros(B, H, N, D), torch.zeros(B, groups, M, D), torch.zeros(B, groups, M, E)]
        rows = [dy, y] if isinstance(made.normalization, (nodes.Softmax, nodes.Sum)) else [dy]
        counts = [*integers, *(number for each in rows for number in (*each.stride(), 1))]
        given = [*given, *rows, stats, *([dlse] if made.softmax else []), *found]
        return run_kernel("_backward", "backward", dtype, long, given, counts, reals)

    def run_kernel(
        end: str, name: str, dtype: torch.dtype, long: bool, tensors: Sequence[Tensor | None], integers: list[int],
        reals: list[float],
    ) -> int:  # fmt: skip
        element = {torch.float32: "float", torch.bfloat16: "BFloat16", torch.float16: "Half"}[dtype]
        index = "int64_t" if long else "int32_t"
        source = Path(str(module.__file__).replace(".py", f"{end}.cpp"))
        library = module._library(source, module.SPEC, f"ELEMENT={element}", f"INDEX={index}")
        addresses = (ctypes.c_void_p * len(tensors))(*(None if each is None else each.data_ptr() for each in tensors))
        numbers = (ctypes.c_int64 * len(integers))(*integers)
        fractions = (ctypes.c_double * max(1, len(reals)))(*reals)
        return int(getattr(library, f"{variant.name}_{name}")(addresses, numbers, fractions))

    module._call = run  # type: ignore[attr-defined]
    options: dict[str, Any] = {"scale": call.scale, "offset": call.offset, **call.inputs, **call.parameters}
    getattr(module, variant.name)(call.q, call.k, call.v, **options)
    rows = (call.q, call.k, call.v)
    return tuple(of_heads(g, each.shape[1]) for g, each in zip(found, rows, strict=True))
