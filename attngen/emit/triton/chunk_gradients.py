"""Functions of Triton kernels of recurrences for gradients. Copied into generated files by name.

What a row reads is the sum of row . key * value over what tokens have written, each as it has decayed since. So the
gradient by it (`gradient`) meets values in slopes, as rows meet keys in weights. Decays get what is read behind them of
what was there before them, without themselves: no logarithms, no quotients.
"""

from __future__ import annotations

import triton
import triton.language as tl

from attngen.emit.triton.chunk_support import (
    _between,
    _earlier,
    _kept,
    _later,
    _left,
    _product,
    _row,
    _sees,
    _since,
)


@triton.jit
def _step(decay, value, next_decay, next_value):
    return decay * next_decay, next_decay * value + next_value


@triton.jit
def _reached(decay, value):
    """y[t] = value[t] + decay[t] * y[t - 1]."""
    return tl.associative_scan((decay, value), 0, _step)[1]


@triton.jit
def _reached_back(decay, value):
    """y[t] = value[t] + decay[t] * y[t + 1]."""
    return tl.associative_scan((decay, value), 0, _step, reverse=True)[1]


@triton.jit
def _return_read(row, gradient, state, decay, BEFORE: tl.constexpr, PRECISION: tl.constexpr):
    """What reading the state in front of the chunk hands to rows and to decays."""
    by_state = _product(gradient, tl.trans(state), PRECISION)
    if decay is None:
        return by_state, tl.zeros([row.shape[0], 1], tl.float32)
    else:
        joined = row * by_state
        if decay.shape[1] == 1:
            joined = tl.sum(joined, 1, keep_dims=True)
        behind = _later(_reached_back(decay, joined), 0.0) if BEFORE else _reached_back(_later(decay, 0.0), joined)
        return by_state * _since(decay, BEFORE), _since(decay, True) * behind


@triton.jit
def _return_pairs_by_channel(row, key, slopes, decay, BEFORE: tl.constexpr, PRECISION: tl.constexpr):
    """What `_return_pairs` gives where each channel decays in its own way: from token to token."""
    COUNT: tl.constexpr = row.shape[0]
    token = tl.arange(0, COUNT)[:, None]
    d_row, d_key, d_decay = tl.zeros_like(row), tl.zeros_like(row), tl.zeros_like(row)
    weights = tl.zeros([COUNT, COUNT], tl.float32)
    reading = _earlier(decay, 1.0) if BEFORE else decay
    decayed = key
    for t in range(COUNT):
        key_here, decay_here = _row(key, t), _row(decay, t)
        # Rows, as what token t wrote decays until they read it.
        first = t + 1 if BEFORE else t
        row_since = tl.where(token >= first, row * tl.cumprod(tl.where(token > first, reading, 1.0), 0), 0.0)
        weights = tl.where(token.trans() == t, tl.sum(row_since * key_here, 1, keep_dims=True), weights)
        slope = tl.sum(tl.where(token.trans() == t, slopes, 0.0), 1, keep_dims=True)
        d_key = tl.where(token == t, tl.sum(row_since * slope, 0, keep_dims=True), d_key)
        # What rows read of the tokens before t, without the decay of t.
        read = _product(slopes, tl.where(token < t, decayed, 0.0), PRECISION)
        d_decay = tl.where(token == t, tl.sum(row_since * read, 0, keep_dims=True), d_decay)
        d_row = tl.where(token == t, read if BEFORE else read * decay_here + slope * key_here, d_row)
        decayed = tl.where(token < t, decayed * decay_here, decayed)
    return weights, d_row, d_key, d_decay


@triton.jit
def _return_pairs(row, key, value, gradient, decay, BEFORE: tl.constexpr, PRECISION: tl.constexpr):
    """What reading each other hands to rows, keys, values and decays of the tokens of a chunk."""
    written = _sees(row.shape[0], BEFORE)
    slopes = tl.where(written, _product(gradient, tl.trans(value), PRECISION), 0.0)
    if decay is None:
        weights = tl.where(written, _product(row, tl.trans(key), PRECISION), 0.0)
        d_decay = tl.zeros([row.shape[0], 1], tl.float32)
        d_row, d_key = _product(slopes, key, PRECISION), _product(tl.trans(slopes), row, PRECISION)
    elif decay.shape[1] == 1:
        weights = tl.where(written, _product(row, tl.trans(key), PRECISION), 0.0)
        between = _between(decay, BEFORE)
        reached = tl.where(_sees(row.shape[0], True), _between(decay, True), 0.0)
        read = _product(weights * slopes, tl.trans(reached), PRECISION)
        d_decay = tl.trans(tl.sum(tl.where(written, between * read, 0.0), 0, keep_dims=True))
        weights, slopes = weights * between, slopes * between
        d_row, d_key = _product(slopes, key, PRECISION), _product(tl.trans(slopes), row, PRECISION)
    else:
        weights, d_row, d_key, d_decay = _return_pairs_by_channel(row, key, slopes, decay, BEFORE, PRECISION)
    return d_row, d_key, _product(tl.trans(weights), gradient, PRECISION), d_decay


@triton.jit
def _return_write(key, value, state, d_state, decay, PRECISION: tl.constexpr):
    """What the gradient by the state behind the chunk hands to keys, values and decays.

    Decays also get what it hands to what is left of `state`, that in front of the chunk; None where that was told.
    """
    by_state = _product(value, tl.trans(d_state), PRECISION)
    d_value = _product(_kept(key, decay), d_state, PRECISION)
    if decay is None:
        return by_state, d_value, tl.zeros([key.shape[0], 1], tl.float32)
    else:
        joined = key * by_state
        start = 0.0
        if state is not None:
            start = tl.trans(tl.sum(state * d_state, 1, keep_dims=True))
        if decay.shape[1] == 1:
            joined = tl.sum(joined, 1, keep_dims=True)
            if state is not None:
                start = tl.sum(start, 1, keep_dims=True)
        reached = _reached(_earlier(decay, 0.0), _earlier(joined, start))
        return by_state * _left(decay), d_value, _left(decay) * reached
