"""Small parameters and inputs that show the structure for M between 5 and 60, and what variants ask of a call."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from by_hand.problem import Array, Draw, Inputs, Parameters, Problem, Sizes

Need = Callable[[Problem], bool]


def positions_inside(problem: Problem) -> bool:
    """Queries stand at positions of the keys: inputs are read at i, or the formula speaks of the length."""
    return 0 <= problem.offset <= problem.M - problem.N


def even_width(problem: Problem) -> bool:
    """Rotary embeddings pair the channels."""
    return problem.D % 2 == 0


def wider_than_a_pair(problem: Problem) -> bool:
    """The exponent D/(D-2) exists."""
    return problem.D > 2


def whole_grid(problem: Problem) -> bool:
    """The keys fill the rows of the grid."""
    return problem.M % problem.parameters["width"] == 0


NEEDS: dict[str, tuple[Need, ...]] = {
    "longformer": (positions_inside,),
    "blockbert": (positions_inside,),
    "bigbird": (positions_inside,),
    "block_sparse": (positions_inside,),
    "block_sparse_causal": (positions_inside,),
    "s2attn_wrap": (positions_inside,),
    "natten1d": (positions_inside,),
    "natten2d": (positions_inside, whole_grid),
    "packed_documents": (positions_inside,),
    "lm_infinite": (even_width,),
    "xpos": (even_width,),
    "rope": (even_width,),
    "rope_pi": (even_width,),
    "rope_ntk": (even_width, wider_than_a_pair),
    "rope_yarn": (even_width,),
    "longrope": (even_width,),
}


def meets_needs(variant: str, problem: Problem) -> bool:
    return all(need(problem) for need in NEEDS.get(variant, ()))


def whole(generator: Generator, low: int, high: int) -> int:
    """A whole number in [low, high]."""
    return int(generator.integers(low, high, endpoint=True))


def blocks(sizes: Sizes, block: int) -> int:
    return -(-sizes["M"] // block)


def draw_nothing(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {}, {}


def draw_window(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"window": whole(generator, 1, 12)}, {}


def draw_dilated_window(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"window": whole(generator, 1, 5)}, {"dilation": generator.integers(1, 5, sizes["H"])}


def draw_longformer(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"window": whole(generator, 1, 8)}, {"glob": generator.random((sizes["B"], sizes["M"])) < 0.1}


def draw_block(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"block": whole(generator, 2, 9)}, {}


def draw_blockbert(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    block = whole(generator, 2, 9)
    permutations = [generator.permutation(blocks(sizes, block)) for _ in range(sizes["H"])]
    return {"block": block}, {"perm": np.stack(permutations)}


def draw_sparse_strided(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"stride": whole(generator, 2, 9)}, {}


def draw_sparse_fixed(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    stride = whole(generator, 2, 9)
    return {"stride": stride, "summary": whole(generator, 1, max(stride // 2, 1))}, {}


def draw_bigbird(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    block = whole(generator, 2, 9)
    count = blocks(sizes, block)
    return {"block": block}, {"random": generator.random((sizes["H"], count, count)) < 0.15}


def draw_block_sparse(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    rows, columns = whole(generator, 2, 9), whole(generator, 2, 9)
    layout = generator.random((sizes["H"], blocks(sizes, rows), blocks(sizes, columns))) < 0.4
    return {"rows": rows, "cols": columns}, {"layout": layout}


def draw_group(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"group": whole(generator, 2, 9)}, {}


def draw_prefix_lm(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {}, {"prefix": generator.integers(0, sizes["M"], sizes["B"], endpoint=True)}


def draw_streaming_llm(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"window": whole(generator, 1, 12), "sinks": whole(generator, 0, 4)}, {}


def draw_natten1d(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"window": whole(generator, 1, min(12, sizes["M"])), "stride": whole(generator, 1, 4)}, {}


def draw_natten2d(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    """A grid of whole rows; a prime M has a single row (or a single column), whose window is 1."""
    length = sizes["M"]
    divisors = [width for width in range(1, length + 1) if length % width == 0]
    width = int(generator.choice(divisors[1:-1] or divisors))
    return {"width": width, "window": whole(generator, 1, min(width, length // width, 7))}, {}


def alibi_slopes(heads: int) -> Array:
    """ALiBi (2108.12409): a geometric series; beyond a power of two, every other slope of the next one fills up."""
    power = 2 ** int(math.log2(heads))
    own = 2.0 ** (-8 * np.arange(1, power + 1) / power)
    doubled = 2.0 ** (-8 * np.arange(1, 2 * power + 1) / (2 * power))
    return np.concatenate([own, doubled[::2][: heads - power]])


def draw_alibi(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {}, {"slope": alibi_slopes(sizes["H"])}


def draw_t5_bias(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {}, {"table": generator.standard_normal((32, sizes["H"]))}


def draw_base(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"base": float(generator.choice([100.0, 10000.0, 500000.0]))}, {}


def draw_stretched_base(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return draw_base(generator, sizes)[0] | {"s": float(generator.choice([1.5, 4.0, 16.0]))}, {}


def draw_rope_yarn(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    """Trained lengths of at least one turn of the fastest pair, so that the ramp has a slow end."""
    trained = float(generator.choice([64.0, 512.0, 4096.0]))
    return draw_stretched_base(generator, sizes)[0] | {"trained": trained}, {}


def draw_longrope(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return draw_base(generator, sizes)[0], {"lambda_": np.sort(generator.uniform(1, 8, sizes["D"] // 2))}


def draw_softcap(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"cap": float(generator.choice([0.5, 2.0, 50.0]))}, {}  # low ones, so that logits of order 1 bend


def draw_gemma2_local(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return draw_window(generator, sizes)[0] | draw_softcap(generator, sizes)[0], {}


def draw_attention_sink(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {}, {"sink": 2 * generator.standard_normal(sizes["H"])}


def draw_adaptive_span(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    """Spans in 64ths, which fp32 holds exactly, so that the edge of the mask is no matter of rounding."""
    span = generator.integers(0, 32 * sizes["M"], sizes["H"], endpoint=True) / 64
    return {"ramp": whole(generator, 1, 8)}, {"span": span}


def draw_sigmoid_attention(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {"bias": float(generator.choice([0.0, 0.5, -math.log(sizes["M"])]))}, {}  # the paper's is -log M


def draw_packed_documents(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    documents = generator.integers(0, 5, (sizes["B"], sizes["M"]))
    return {}, {"doc": np.sort(documents, axis=-1)}


def draw_originals(generator: Generator, sizes: Sizes, rows: int) -> Array:
    """The positions of the rows that were kept of a longer sequence, in order, [B, H, rows]."""
    length = 2 * max(sizes["N"], sizes["M"])
    order = generator.random((sizes["B"], sizes["H"], length)).argsort(axis=-1)
    return np.sort(order[..., :rows], axis=-1)


def draw_scfa_qk(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    originals = (draw_originals(generator, sizes, sizes[axis]) for axis in "NM")
    return {}, dict(zip(("orig_q", "orig_k"), originals, strict=True))


def draw_scfa_hash(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    """Rows sorted by (hash, original position), as the paper lays them out; the formula does not rely on it."""
    inputs: Inputs = {}
    for side, axis in (("q", "N"), ("k", "M")):
        hashes = generator.integers(0, 4, (sizes["B"], sizes["H"], sizes[axis]))
        order = np.argsort(hashes, axis=-1, kind="stable")
        inputs["h" + side] = np.take_along_axis(hashes, order, -1)
        inputs["orig_" + side] = np.take_along_axis(draw_originals(generator, sizes, sizes[axis]), order, -1)
    return {}, inputs


def draw_lightning(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    return {}, {"slope": alibi_slopes(sizes["H"])}


def draw_retention(generator: Generator, sizes: Sizes) -> tuple[Parameters, Inputs]:
    """RetNet's own, and 1."""
    gamma = 1 - 2.0 ** (-5 - np.arange(sizes["H"]))
    return {}, {"gamma": np.where(generator.random(sizes["H"]) < 0.2, 1.0, gamma)}


DRAWS: dict[str, Draw] = {
    "linear_transformer": draw_nothing,
    "lightning": draw_lightning,
    "retention": draw_retention,
    "full": draw_nothing,
    "causal": draw_nothing,
    "cross": draw_nothing,
    "gqa": draw_nothing,
    "mqa": draw_nothing,
    "sliding_window": draw_window,
    "sliding_window_symmetric": draw_window,
    "dilated_window": draw_dilated_window,
    "longformer": draw_longformer,
    "block_local": draw_block,
    "blockbert": draw_blockbert,
    "sparse_strided": draw_sparse_strided,
    "sparse_fixed": draw_sparse_fixed,
    "bigbird": draw_bigbird,
    "block_sparse": draw_block_sparse,
    "block_sparse_causal": draw_block_sparse,
    "s2attn": draw_group,
    "s2attn_wrap": draw_group,
    "prefix_lm": draw_prefix_lm,
    "streaming_llm": draw_streaming_llm,
    "lm_infinite": draw_streaming_llm,
    "natten1d": draw_natten1d,
    "natten2d": draw_natten2d,
    "alibi": draw_alibi,
    "t5_bias": draw_t5_bias,
    "xpos": draw_base,
    "rope": draw_base,
    "rope_pi": draw_stretched_base,
    "rope_ntk": draw_stretched_base,
    "rope_yarn": draw_rope_yarn,
    "longrope": draw_longrope,
    "softcap": draw_softcap,
    "gemma2_local": draw_gemma2_local,
    "attention_sink": draw_attention_sink,
    "adaptive_span": draw_adaptive_span,
    "sigmoid_attention": draw_sigmoid_attention,
    "relu_attention": draw_nothing,
    "packed_documents": draw_packed_documents,
    "scfa_hash": draw_scfa_hash,
    "scfa_qk": draw_scfa_qk,
}
