"""What the pairs of each variant score, where that is not scale * dot(q, k)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from by_hand.masks import span_reach
from by_hand.problem import Array, Problem, Score


def dot(q: Array, k: Array) -> Array:
    return np.einsum("bhid,bhjd->bhij", q, k)


def pairs(rows: Array) -> Array:
    """Half-split channels as complex numbers: channel c is the real part and channel c + D/2 the imaginary part."""
    half = rows.shape[-1] // 2
    return rows[..., :half] + 1j * rows[..., half:]


def angles(problem: Problem, base: float | None = None) -> Array:
    """theta_k = base^(-2k/D) for pair k (RoFormer, 2104.09864)."""
    pair = np.arange(problem.D // 2)
    return (problem.parameters["base"] if base is None else base) ** (-2 * pair / problem.D)


def rotary(problem: Problem, q: Array, k: Array, theta: Array) -> Array:
    """Both sides are turned by their positions, so the score depends on i - j alone (RoFormer, 2104.09864)."""
    turned_q = pairs(q) * np.exp(1j * problem.i.reshape(-1, 1) * theta)
    turned_k = pairs(k) * np.exp(1j * problem.j.reshape(-1, 1) * theta)
    return problem.scale * np.einsum("bhik,bhjk->bhij", turned_q, turned_k.conj()).real


def relative_rotary(
    problem: Problem, q: Array, k: Array, distance: Array, theta: Array, decay: Array | None = None
) -> Array:
    """The same score from distances [N, M]; `decay` [N, M, D/2] weighs the pairs of channels."""
    turn = np.exp(1j * distance[:, :, None] * theta)
    turn = turn if decay is None else turn * decay
    return problem.scale * np.einsum("bhik,bhjk,ijk->bhij", pairs(q), pairs(k).conj(), turn).real


def rope(problem: Problem, q: Array, k: Array) -> Array:
    return rotary(problem, q, k, angles(problem))


def rope_pi(problem: Problem, q: Array, k: Array) -> Array:
    """Position interpolation (2306.15595): position m becomes m / s."""
    return rotary(problem, q, k, angles(problem) / problem.parameters["s"])


def rope_ntk(problem: Problem, q: Array, k: Array) -> Array:
    """NTK-aware (YaRN, 2309.00071, section 3.1): the base becomes base * s^(D/(D-2)); the slowest pair slows by s."""
    stretched = problem.parameters["base"] * problem.parameters["s"] ** (problem.D / (problem.D - 2))
    return rotary(problem, q, k, angles(problem, stretched))


def pair_that_turns(problem: Problem, rotations: float) -> float:
    """YaRN's find_correction_dim: the pair k, a fraction, with trained * theta_k = 2 pi rotations."""
    trained, base = problem.parameters["trained"], problem.parameters["base"]
    return problem.D * math.log(trained / (rotations * 2 * math.pi)) / (2 * math.log(base))


def rope_yarn(problem: Problem, q: Array, k: Array) -> Array:
    """YaRN (2309.00071), as in its code: the ramp is linear in the index of the pair, its ends are whole indices."""
    s, highest = problem.parameters["s"], problem.D - 1
    low = min(max(math.floor(pair_that_turns(problem, 32)), 0), highest)  # faster pairs keep theta
    high: float = min(max(math.ceil(pair_that_turns(problem, 1)), 0), highest)  # slower pairs turn at theta / s
    high += 0.001 if high == low else 0  # no division by zero
    ramp = np.clip((np.arange(problem.D // 2) - low) / (high - low), 0, 1)
    theta = angles(problem)
    # cos and sin of both sides are lengthened, so the dot is by the square.
    lengthening = 0.1 * math.log(s) + 1
    return lengthening**2 * rotary(problem, q, k, theta / s * ramp + theta * (1 - ramp))


def longrope(problem: Problem, q: Array, k: Array) -> Array:
    """LongRoPE (2402.13753): every pair has its own rescale factor."""
    return rotary(problem, q, k, angles(problem) / problem.inputs["lambda_"])


def xpos(problem: Problem, q: Array, k: Array) -> Array:
    """xPos (2212.10554): rotary, and pair k decays as zeta_k^((i - j) / 512), with gamma = 0.4."""
    gamma, half = 0.4, problem.D // 2
    zeta = (np.arange(half) / half + gamma) / (1 + gamma)
    distance = problem.distance[0, 0]
    return relative_rotary(problem, q, k, distance, angles(problem), zeta ** (distance[:, :, None] / 512))


def lm_infinite(problem: Problem, q: Array, k: Array) -> Array:
    """LM-Infinite (2308.16137): no distance beyond the window, rotary of base 10000 (the catalogue gives no `base`)."""
    clipped = np.minimum(problem.distance[0, 0], problem.parameters["window"])
    return relative_rotary(problem, q, k, clipped, angles(problem, 10000.0))


def alibi(problem: Problem, q: Array, k: Array) -> Array:
    """ALiBi (2108.12409)."""
    return problem.scale * dot(q, k) - problem.inputs["slope"][problem.h] * problem.distance


def t5_bias(problem: Problem, q: Array, k: Array) -> Array:
    """T5 (1910.10683), decoder: 32 buckets, 16 exact, then logarithmic up to a distance of 128; the dot is unscaled."""
    buckets, exact, farthest = 32, 16, 128
    distance = np.maximum(problem.distance, 0)
    octaves = np.log(np.maximum(distance, exact) / exact) / math.log(farthest / exact)
    far = np.minimum(exact + np.floor(octaves * (buckets - exact)).astype(int), buckets - 1)
    return dot(q, k) + problem.inputs["table"][np.where(distance < exact, distance, far), problem.h]


def softcap(problem: Problem, q: Array, k: Array) -> Array:
    """Gemma 2 (2408.00118): logits within (-cap, cap)."""
    cap = problem.parameters["cap"]
    return cap * np.tanh(problem.scale * dot(q, k) / cap)


def adaptive_span_score(problem: Problem, q: Array, k: Array) -> Array:
    """Adaptive Span (1905.07799): the soft mask multiplies exp(score), so its log is added; -inf only at dead pairs."""
    ramp = problem.parameters["ramp"]
    soft_mask = np.clip((span_reach(problem) - problem.distance) / ramp, 0, 1)
    with np.errstate(divide="ignore"):
        return problem.scale * dot(q, k) + np.log(soft_mask)


def sigmoid_attention(problem: Problem, q: Array, k: Array) -> Array:
    """Sigmoid attention (2409.04431): the weights themselves."""
    return 1 / (1 + np.exp(-(problem.scale * dot(q, k) + problem.parameters["bias"])))


def relu_attention(problem: Problem, q: Array, k: Array) -> Array:
    """Squared ReLU of the scaled dot: the weights themselves."""
    return np.maximum(problem.scale * dot(q, k), 0) ** 2


def linear_transformer(_: Problem, q: Array, k: Array) -> Array:
    """Equation 7 of 2006.16236: elu(x) + 1 is x + 1 where x is positive, and exp(x) below."""

    def phi(x: Array) -> Array:
        return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))

    return dot(phi(q), phi(k))


def lightning(problem: Problem, q: Array, k: Array) -> Array:
    """2401.04658: lambda^(i - j), lambda = exp(-slope)."""
    return dot(q, k) * np.exp(-problem.inputs["slope"])[problem.h] ** np.maximum(problem.distance, 0)


def retention(problem: Problem, q: Array, k: Array) -> Array:
    """Equation 5 of 2307.08621, where the product is divided by the root of the width."""
    return problem.scale * dot(q, k) * problem.inputs["gamma"][problem.h] ** np.maximum(problem.distance, 0)


SCORES: dict[str, Score] = {
    "linear_transformer": linear_transformer,
    "lightning": lightning,
    "retention": retention,
    "lm_infinite": lm_infinite,
    "alibi": alibi,
    "t5_bias": t5_bias,
    "xpos": xpos,
    "rope": rope,
    "rope_pi": rope_pi,
    "rope_ntk": rope_ntk,
    "rope_yarn": rope_yarn,
    "longrope": longrope,
    "softcap": softcap,
    "gemma2_local": softcap,
    "adaptive_span": adaptive_span_score,
    "sigmoid_attention": sigmoid_attention,
    "relu_attention": relu_attention,
}

# A logit per head in the denominator, with no value (GPT-OSS; StreamingLLM, 2309.17453, has the zero sink).
SINKS: dict[str, Callable[[Problem], Array]] = {
    "attention_sink": lambda problem: np.broadcast_to(problem.inputs["sink"], (problem.B, problem.H)),
}

NORMALIZERS: dict[str, float | None] = {
    **dict.fromkeys(("sigmoid_attention", "relu_attention", "lightning", "retention")),
    "linear_transformer": 1e-6,
}
"""Softmax for all others; here None for none, or what is added to the sum of the weights."""
