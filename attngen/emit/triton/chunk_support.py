"""Functions of Triton kernels of recurrences. Copied into generated files by name.

Rows of the tokens of a chunk are [tokens, channels], and [tokens, 1] where a token has a number; a state is
[channels of keys, channels of values], with 1 where it has no such axis. A decay has the channels of keys or one for
all, or is None. No logarithms and no quotients: factors may be 0 and of any sign.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _rounded(x):
    """To the nearest bfloat16, for Triton's interpreter, which multiplies none and rounds towards zero."""
    bits = x.to(tl.int32, bitcast=True)
    bits += 0x7FFF + ((bits >> 16) & 1)
    return (bits >> 16 << 16).to(tl.float32, bitcast=True)


@triton.jit
def _product(a, b, PRECISION: tl.constexpr):
    """a b; bfloat16 is rounded to before it, float16 to as many bits, for a state may be larger than what it holds."""
    if a.shape[1] == 1:
        return a * b
    elif b.shape[1] == 1:
        # Broadcast first: else the other operand may be laid out like the transposed one, all of it in each thread.
        return tl.sum(a * tl.trans(tl.broadcast_to(b, a.shape[1], a.shape[0])), 1, keep_dims=True)
    elif a.shape[0] == 1:
        return tl.sum(tl.trans(tl.broadcast_to(a, b.shape[1], b.shape[0])) * b, 0, keep_dims=True)
    elif PRECISION == "bfloat16":
        return tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16))
    elif PRECISION == "rounded":
        return tl.dot(_rounded(a), _rounded(b))
    else:
        return tl.dot(a, b, input_precision=PRECISION)


@triton.jit
def _times(x, y):
    return x * y


@triton.jit
def _moved(x, STEP: tl.constexpr):
    """Each row some tokens later; those that fall out are lost."""
    token, source = tl.arange(0, x.shape[0])[:, None], tl.arange(0, x.shape[0])[None, :]
    if x.shape[1] == 1:  # fewer registers than a gather
        return tl.sum(tl.where(source == token - STEP, tl.trans(x), 0.0), 1, keep_dims=True)
    else:
        inside = tl.minimum(tl.maximum(token - STEP, 0), x.shape[0] - 1)
        return tl.gather(x, tl.broadcast_to(inside, x.shape), 0)


@triton.jit
def _earlier(x, first):
    """Each row one token later; in front of all stands `first`."""
    return tl.where(tl.arange(0, x.shape[0])[:, None] == 0, first, _moved(x, 1))


@triton.jit
def _later(x, last):
    """Each row one token earlier; behind all stands `last`."""
    return tl.where(tl.arange(0, x.shape[0])[:, None] == x.shape[0] - 1, last, _moved(x, -1))


@triton.jit
def _row(x, token):
    """The row of one token."""
    return tl.gather(x, tl.full([1, x.shape[1]], token, tl.int32), 0)


@triton.jit
def _since(decay, BEFORE: tl.constexpr):
    """What is left, at each token, of what was there in front of the chunk; `BEFORE` its own decay."""
    return tl.cumprod(_earlier(decay, 1.0) if BEFORE else decay, 0)


@triton.jit
def _left(decay):
    """What is left, behind the chunk, of what each token wrote."""
    return tl.cumprod(_later(decay, 1.0), 0, reverse=True)


@triton.jit
def _faded(row, decay, BEFORE: tl.constexpr):
    """Rows that read a state, as that in front of the chunk has decayed when they do."""
    return row if decay is None else row * _since(decay, BEFORE)


@triton.jit
def _kept(key, decay):
    """Keys, as what they wrote has decayed behind the chunk."""
    return key if decay is None else key * _left(decay)


@triton.jit
def _carried(state, decay):
    """What is left of a state behind the chunk."""
    return state if decay is None else state * tl.trans(tl.reduce(decay, 0, _times, keep_dims=True))


@triton.jit
def _sees(COUNT: tl.constexpr, BEFORE: tl.constexpr):
    """[i, j]: whether token i finds what token j has written."""
    i, j = tl.arange(0, COUNT)[:, None], tl.arange(0, COUNT)[None, :]
    return i > j if BEFORE else i >= j


@triton.jit
def _between(decay, BEFORE: tl.constexpr):
    """[i, j]: what is left, when token i reads, of what token j wrote."""
    i, j = tl.arange(0, decay.shape[0])[:, None], tl.arange(0, decay.shape[0])[None, :]
    if BEFORE:
        return tl.cumprod(tl.where(i > j + 1, _earlier(decay, 1.0), 1.0), 0)
    else:
        return tl.cumprod(tl.where(i > j, decay, 1.0), 0)


@triton.jit
def _weigh_by_channel(row, key, decay, BEFORE: tl.constexpr):
    """What `_weigh` gives where each channel decays in its own way: keys decay from token to token."""
    COUNT: tl.constexpr = row.shape[0]
    token = tl.arange(0, COUNT)[:, None]
    weights = tl.zeros([COUNT, COUNT], tl.float32)
    for i in range(COUNT):
        decayed = tl.where(token < i, key * _row(decay, i), key)
        weight = tl.sum((key if BEFORE else decayed) * _row(row, i), 1)
        weights = tl.where(token == i, weight[None, :], weights)
        key = decayed
    return weights


@triton.jit
def _weigh(row, key, decay, BEFORE: tl.constexpr, PRECISION: tl.constexpr):
    """[i, j]: the product of row i and key j, as what that wrote has decayed when it is read."""
    if decay is None:
        weights = _product(row, tl.trans(key), PRECISION)
    elif decay.shape[1] == 1:
        weights = _product(row, tl.trans(key), PRECISION) * _between(decay, BEFORE)
    else:
        weights = _weigh_by_channel(row, key, decay, BEFORE)
    return tl.where(_sees(row.shape[0], BEFORE), weights, 0.0)


@triton.jit
def _read(row, key, value, state, decay, BEFORE: tl.constexpr, PRECISION: tl.constexpr):
    """What rows find: in the state in front of the chunk, and of what its tokens have written."""
    found = _product(_faded(row, decay, BEFORE), state, PRECISION)
    return found + _product(_weigh(row, key, decay, BEFORE, PRECISION), value, PRECISION)


@triton.jit
def _solver(weights):
    """(1 - weights)^-1, where each token has weights for those before it: row after row."""
    i, j = tl.arange(0, weights.shape[0])[:, None], tl.arange(0, weights.shape[0])[None, :]
    solver = tl.where(i == j, 1.0, 0.0)
    for token in range(1, weights.shape[0]):
        row = tl.sum(tl.trans(_row(weights, token)) * solver, 0)
        solver += tl.where(i == token, row[None, :], 0.0)
    return solver
