"""Which pairs of each variant are live, straight from the formulas of the papers."""

from __future__ import annotations

import numpy as np

from by_hand.problem import Array, Mask, Problem


def everything(problem: Problem) -> Array:
    """No mask. GQA and MQA share heads of keys and leave the pairs alone (2305.13245)."""
    return np.ones((1, 1, problem.N, problem.M), bool)


def causal(problem: Problem) -> Array:
    return problem.causal


def sliding_window(problem: Problem) -> Array:
    """Mistral 7B (2310.06825); causal Longformer (2004.05150). The query's own position counts."""
    return (problem.distance >= 0) & (problem.distance < problem.parameters["window"])


def sliding_window_symmetric(problem: Problem) -> Array:
    """Longformer (2004.05150): `window` keys on each side."""
    return np.abs(problem.distance) <= problem.parameters["window"]


def dilated_window(problem: Problem) -> Array:
    """Longformer (2004.05150): `window` keys on each side, `dilation` apart, the dilation per head."""
    dilation = problem.inputs["dilation"][problem.h]
    near = np.abs(problem.distance) <= problem.parameters["window"] * dilation
    return near & (problem.distance % dilation == 0)


def longformer(problem: Problem) -> Array:
    """Longformer (2004.05150): global tokens attend to all tokens and all tokens attend to them."""
    is_global = problem.inputs["glob"]
    return sliding_window_symmetric(problem) | is_global[problem.b, problem.i] | is_global[problem.b, problem.j]


def block_local(problem: Problem) -> Array:
    """Blockwise attention (1911.02972), both directions."""
    block = problem.parameters["block"]
    return problem.i // block == problem.j // block


def blockbert(problem: Problem) -> Array:
    """BlockBERT (1911.02972): query block I sees the key block perm[h, I]."""
    block = problem.parameters["block"]
    return problem.inputs["perm"][problem.h, problem.i // block] == problem.j // block


def sparse_strided(problem: Problem) -> Array:
    """Sparse Transformer (1904.10509), strided: the last l positions, and every l-th before."""
    stride = problem.parameters["stride"]
    return problem.causal & ((problem.distance < stride) | (problem.distance % stride == 0))


def sparse_fixed(problem: Problem) -> Array:
    """Sparse Transformer (1904.10509), fixed: the own block of l, and the last c of every block before."""
    stride, summary = problem.parameters["stride"], problem.parameters["summary"]
    same_block = problem.i // stride == problem.j // stride
    return problem.causal & (same_block | (problem.j % stride >= stride - summary))


def bigbird(problem: Problem) -> Array:
    """BigBird (2007.14062), ITC: three blocks of window, the first and the last block global, and random blocks."""
    block = problem.parameters["block"]
    rows, columns, last = problem.i // block, problem.j // block, (problem.M - 1) // block
    at_the_ends = (rows == 0) | (rows == last) | (columns == 0) | (columns == last)
    return (np.abs(rows - columns) <= 1) | at_the_ends | problem.inputs["random"][problem.h, rows, columns]


def block_sparse(problem: Problem) -> Array:
    """Block-sparse FlashAttention (2205.14135, section 3.3): the layout alone."""
    rows, columns = problem.i // problem.parameters["rows"], problem.j // problem.parameters["cols"]
    return problem.inputs["layout"][problem.h, rows, columns]


def block_sparse_causal(problem: Problem) -> Array:
    """The layout and an inner mask; the catalogue doesn't name the inner mask, and the causal one is the usual one."""
    return block_sparse(problem) & problem.causal


def s2attn(problem: Problem) -> Array:
    """LongLoRA (2309.12307), flash path: the groups of the second half of the heads start half a group earlier."""
    group = problem.parameters["group"]
    shift = np.where(problem.h < problem.H // 2, 0, group // 2)
    return problem.causal & ((problem.i + shift) // group == (problem.j + shift) // group)


def s2attn_wrap(problem: Problem) -> Array:
    """LongLoRA (2309.12307), pseudocode: rolled by half a group, grouped and masked causally in the rolled order."""
    group = problem.parameters["group"]
    shift = np.where(problem.h < problem.H // 2, 0, group // 2)
    rolled_i, rolled_j = (problem.i - shift) % problem.M, (problem.j - shift) % problem.M
    return (rolled_i // group == rolled_j // group) & (rolled_j <= rolled_i)


def prefix_lm(problem: Problem) -> Array:
    """T5 (1910.10683), UniLM (1905.03197): the prefix is seen by all."""
    return problem.causal | (problem.j < problem.inputs["prefix"][problem.b])


def streaming_llm(problem: Problem) -> Array:
    """StreamingLLM (2309.17453): the first tokens and a sliding window. LM-Infinite (2308.16137): the same shape."""
    near = problem.distance < problem.parameters["window"]
    return problem.causal & (near | (problem.j < problem.parameters["sinks"]))


def edge_window(query: Array, key: Array, length: float, window: float, stride: float) -> Array:
    """NATTEN (2204.07143): a window of always `window` keys, that stops at the edges instead of shrinking."""
    before, after = window // 2, window // 2 + window % 2 - 1
    centre = np.minimum(query // stride * stride + stride // 2, length - 1)
    overhang = np.where(centre + after >= length, length - after - centre - 1, 0)
    start = np.maximum(centre - before, 0) + overhang
    return (start <= key) & (key < start + window)


def natten1d(problem: Problem) -> Array:
    return edge_window(problem.i, problem.j, problem.M, problem.parameters["window"], problem.parameters["stride"])


def natten2d(problem: Problem) -> Array:
    """NATTEN on a row-major grid: the edge window in x and the edge window in y."""
    width, window = problem.parameters["width"], problem.parameters["window"]
    across = edge_window(problem.i % width, problem.j % width, width, window, 1)
    down = edge_window(problem.i // width, problem.j // width, problem.M // width, window, 1)
    return across & down


def span_reach(problem: Problem) -> Array:
    """R + z_h of Adaptive Span (1905.07799): the first distance that is out of reach."""
    return problem.parameters["ramp"] + problem.inputs["span"][problem.h]


def adaptive_span_reach_only(problem: Problem) -> Array:
    return problem.distance < np.ceil(span_reach(problem))


def adaptive_span(problem: Problem) -> Array:
    """Adaptive Span (1905.07799): spans reach back from a query of a causal language model."""
    return problem.causal & adaptive_span_reach_only(problem)


def packed_documents(problem: Problem) -> Array:
    """Causal within each document of a packed row (FlashAttention's varlen)."""
    document = problem.inputs["doc"]
    return problem.causal & (document[problem.b, problem.i] == document[problem.b, problem.j])


def original_positions(problem: Problem) -> tuple[Array, Array]:
    inputs = problem.inputs
    return inputs["orig_q"][problem.b, problem.h, problem.row], inputs["orig_k"][problem.b, problem.h, problem.j]


def scfa_hash(problem: Problem) -> Array:
    """SCFA (2306.01160), hash-sparse: the same hash and strictly earlier, rows in any order."""
    query_hash = problem.inputs["hq"][problem.b, problem.h, problem.row]
    key_hash = problem.inputs["hk"][problem.b, problem.h, problem.j]
    original_query, original_key = original_positions(problem)
    return (query_hash == key_hash) & (original_key < original_query)


def scfa_qk(problem: Problem) -> Array:
    """SCFA (2306.01160), QK-sparse: rows were dropped, so that causality needs the positions of old."""
    original_query, original_key = original_positions(problem)
    return original_key <= original_query


MASKS: dict[str, Mask] = {
    **dict.fromkeys(("linear_transformer", "lightning", "retention"), causal),
    "full": everything,
    "causal": causal,
    "cross": everything,
    "gqa": causal,
    "mqa": causal,
    "sliding_window": sliding_window,
    "sliding_window_symmetric": sliding_window_symmetric,
    "dilated_window": dilated_window,
    "longformer": longformer,
    "block_local": block_local,
    "blockbert": blockbert,
    "sparse_strided": sparse_strided,
    "sparse_fixed": sparse_fixed,
    "bigbird": bigbird,
    "block_sparse": block_sparse,
    "block_sparse_causal": block_sparse_causal,
    "s2attn": s2attn,
    "s2attn_wrap": s2attn_wrap,
    "prefix_lm": prefix_lm,
    "streaming_llm": streaming_llm,
    "lm_infinite": streaming_llm,
    "natten1d": natten1d,
    "natten2d": natten2d,
    "alibi": causal,
    "t5_bias": causal,
    "xpos": causal,
    "rope": causal,
    "rope_pi": causal,
    "rope_ntk": causal,
    "rope_yarn": causal,
    "longrope": causal,
    "softcap": causal,
    "gemma2_local": sliding_window,
    "attention_sink": causal,
    "adaptive_span": adaptive_span,
    "sigmoid_attention": everything,
    "relu_attention": everything,
    "packed_documents": packed_documents,
    "scfa_hash": scfa_hash,
    "scfa_qk": scfa_qk,
}
