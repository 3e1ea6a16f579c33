"""Triton's interpreter, mended where it computes otherwise than GPUs do: kernels run in it where there is none."""

from __future__ import annotations

import os
from functools import cache
from typing import Any


def is_interpreted() -> bool:
    """Whether Triton was imported, or will be, to interpret its kernels."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@cache
def mend() -> None:
    """For this process, once."""
    from triton.runtime import interpreter

    _round_to_nearest(interpreter)
    _spread_what_is_there(interpreter)


def _round_to_nearest(interpreter: Any) -> None:
    """It makes bfloat16 of float32 by cutting bits off; GPUs round to the nearest, ties to even."""
    import numpy as np
    import triton.language as tl

    convert = interpreter._convert_float

    def rounded(given: Any, of: Any, to: Any, mode: Any) -> Any:
        if of != tl.float32 or to != tl.bfloat16:
            return convert(given, of, to, mode)
        bits = np.ascontiguousarray(given).view(np.uint32)
        nearest = (bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16
        return np.where(np.isnan(bits.view(np.float32)), 0x7FC0, nearest).astype(np.uint16)

    interpreter._convert_float = rounded


def _spread_what_is_there(interpreter: Any) -> None:
    """A comparison of two numbers is remembered as one of them: spread over a tile, it was no mask."""
    import numpy as np

    def create_splat(self: Any, made: Any, given: Any) -> Any:
        del self
        number = given.data.flat[0]
        return interpreter.TensorHandle(np.full(made.shape, number, dtype=given.data.dtype), given.dtype.scalar)

    interpreter.InterpreterBuilder.create_splat = create_splat
