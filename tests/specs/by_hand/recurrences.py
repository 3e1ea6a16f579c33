"""What each recurrence gives, token by token, from its paper; float64, one state [K, V] for each batch row and head."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from by_hand.problem import Array, Inputs

Step = Callable[[Array, Array, Array, Array, Inputs], tuple[Array, Array]]
"""A state, a token's q, k and v [B, H, ...] and its inputs: the state behind the token, and y."""


def read(rows: Array, state: Array) -> Array:
    return np.einsum("bhc,bhce->bhe", rows, state)


def outer(keys: Array, values: Array) -> Array:
    return np.einsum("bhc,bhe->bhce", keys, values)


def unit(rows: Array) -> Array:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def retention(S: Array, q: Array, k: Array, v: Array, given: Inputs) -> tuple[Array, Array]:
    """2307.08621, equation 3."""
    S = given["gamma"][:, None, None] * S + outer(k, v)
    return S, read(q, S) / np.sqrt(q.shape[-1])


def gla(S: Array, q: Array, k: Array, v: Array, given: Inputs) -> tuple[Array, Array]:
    """2312.06635, equation 3: alpha is given as its logarithm."""
    S = np.exp(given["g"])[..., None] * S + outer(k, v)
    return S, read(q, S) / np.sqrt(q.shape[-1])


def mamba2(S: Array, q: Array, k: Array, v: Array, given: Inputs) -> tuple[Array, Array]:
    """2405.21060, section 5, with the skip connection of its code."""
    dt = given["dt"][..., None, None]
    S = np.exp(dt * given["A"][:, None, None]) * S + dt * outer(k, v)
    return S, read(q, S) + given["skip"][:, None] * v


def rwkv(S: Array, q: Array, k: Array, v: Array, given: Inputs) -> tuple[Array, Array]:
    """2404.05892, equations 19 and 20 of section 4: what is read has decayed only behind the token."""
    now = outer(k, v)
    y = read(q, S + given["u"][..., None] * now)
    return np.exp(given["w"])[..., None] * S + now, y


def deltanet(S: Array, q: Array, k: Array, v: Array, given: Inputs) -> tuple[Array, Array]:
    """2406.06484, section 2.2: what the key held is replaced by a mean of it and the new value."""
    k, beta = unit(k), given["beta"][..., None]
    old = read(k, S)
    S = S - outer(k, old) + outer(k, beta * v + (1 - beta) * old)
    return S, read(q, S)


def gated_deltanet(S: Array, q: Array, k: Array, v: Array, given: Inputs) -> tuple[Array, Array]:
    """2412.06464, equation 10: S (alpha (I - beta k k^T)) + beta v k^T, there with the axes exchanged."""
    return deltanet(np.exp(given["g"])[..., None, None] * S, q, k, v, given)


def kda(S: Array, q: Array, k: Array, v: Array, given: Inputs) -> tuple[Array, Array]:
    """2510.26692, equation 1: (I - beta k k^T) Diag(alpha) S + beta k v^T."""
    return deltanet(np.exp(given["g"])[..., None] * S, q, k, v, given)


def performer(S: Array, q: Array, k: Array, v: Array, given: Inputs) -> tuple[Array, Array]:
    """2009.14794, lemma 1: phi(x) = exp(omega x - |x|^2 / 2) of x / K^(1/4); the last column sums the weights."""

    def phi(x: Array) -> Array:
        x = x / x.shape[-1] ** 0.25
        return np.exp(x @ given["omega"].T - (x * x).sum(-1, keepdims=True) / 2)

    S = S + outer(phi(k), np.concatenate([v, np.ones((*v.shape[:-1], 1))], -1))
    y = read(phi(q), S)
    return S, y[..., :-1] / (y[..., -1:] + 1e-6)


STEPS: dict[str, Step] = {
    "performer": performer,
    "retention_recurrent": retention,
    "retention_reverse": retention,
    "gla": gla,
    "mamba2": mamba2,
    "rwkv5": rwkv,
    "rwkv6": rwkv,
    "deltanet": deltanet,
    "gated_deltanet": gated_deltanet,
    "kda": kda,
}
BACKWARD = frozenset({"retention_reverse"})
"""Those that start with the last token."""


def decays(generator: Generator, shape: tuple[int, ...]) -> Array:
    """Logarithms of decays: mostly slow ones, some that forget nothing, and some that forget all."""
    found = -generator.exponential(0.2, shape)
    kind = generator.random(shape)
    return np.where(kind < 0.05, 0.0, np.where(kind > 0.97, -1000.0, found))


def uniform(low: float, high: float) -> Callable[[Generator, tuple[int, ...]], Array]:
    return lambda generator, shape: generator.uniform(low, high, shape)


DRAWS: dict[str, Callable[[Generator, tuple[int, ...]], Array]] = {
    "gamma": uniform(0.5, 1),
    "g": decays,
    "w": decays,
    "dt": uniform(0, 2),
    "A": uniform(-1, 0),
    "skip": uniform(-1, 1),
    "u": uniform(-1, 1),
    "beta": uniform(0, 1),
    "omega": lambda generator, shape: generator.standard_normal(shape),
}
"""Each input by its name."""
