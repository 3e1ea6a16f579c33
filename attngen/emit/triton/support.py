"""Functions that Triton kernels call. Copied into generated files by name; nothing of attngen may be imported here."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _dot(a, b, acc, UPCAST: tl.constexpr):
    """acc + a b; under Triton's interpreter bfloat16 must be cast first, or the product is wrong."""
    if UPCAST:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, acc, input_precision="ieee")


@triton.jit
def _loaded(places, inside, ALL: tl.constexpr):
    """What lies at `places`, and 0 where that is not `inside`; nothing is compared where ALL of them are."""
    return tl.load(places) if ALL else tl.load(places, mask=inside, other=0.0)


@triton.jit
def _floor_div(x, y):
    """x / y rounded down; Triton's own integer division rounds towards zero."""
    remainder = x % y
    return x // y - tl.where((remainder != 0) & ((remainder < 0) != (y < 0)), 1, 0)


@triton.jit
def _floor_mod(x, y):
    """x - y * floor(x / y): with the sign of y; Triton's own remainder has the sign of x."""
    remainder = x % y
    return remainder + tl.where((remainder != 0) & ((remainder < 0) != (y < 0)), y, 0)


@triton.jit
def _inside(index, size):
    """The nearest index of an axis; what is read in place of an element that is not there counts nowhere."""
    return tl.maximum(tl.minimum(index, size - 1), 0)


@triton.jit
def _sine(turns):
    """sin(2 pi turns) in float32, to 1e-7; float64 is for the whole turns alone, which are most of a large angle."""
    halves = tl.floor(turns * 2.0 + 0.5)
    rest = tl.cast(turns - halves * 0.5, tl.float32)
    square = rest * rest
    series = 81.601004 + square * (-76.549783 + square * 39.536708)
    value = rest * (6.2831852 + square * (-41.341655 + square * series))
    return tl.where(halves * 0.5 == tl.floor(halves * 0.5), value, -value)


@triton.jit
def _cosine(turns):
    return _sine(turns + 0.25)


@triton.jit
def _tanh(x):
    """tanh; near 0 by its series, because 1 - 2 / (e^2x + 1) cancels there."""
    square = x * x
    series = x * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 + square * (-17.0 / 315.0))))
    size = tl.abs(x)
    far = 1.0 - 2.0 / (tl.exp(2.0 * size) + 1.0)
    near = size < (0.005 if x.dtype == tl.float64 else 0.14)
    return tl.where(near, series, tl.where(x < 0.0, -far, far))


@triton.jit
def _softplus(x):
    return tl.maximum(x, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(x)))


@triton.jit
def _elu(x):
    return tl.where(x > 0.0, x, tl.exp(tl.minimum(x, 0.0)) - 1.0)


@triton.jit
def _silu(x):
    return x * tl.sigmoid(x)


@triton.jit
def _power(x, y):
    """x to the power y; a negative x has a real power where y is whole."""
    size = tl.exp2(y * tl.log2(tl.abs(x)))
    whole = tl.floor(y) == y
    odd = tl.floor(y * 0.5) * 2.0 != y
    signed = tl.where(whole, tl.where(odd, -size, size), float("nan"))
    result = tl.where(x < 0.0, signed, tl.where(x == 0.0, tl.where(y > 0.0, 0.0, float("inf")), size))
    return tl.where(y == 0.0, 1.0, result)
