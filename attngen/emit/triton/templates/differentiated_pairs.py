@triton.jit
def _query_tile(
    # % for argument in query_tile_arguments
    __argument__,
    # % endfor
    D: tl.constexpr,
    E: tl.constexpr,
    D_PADDED: tl.constexpr,
    E_PADDED: tl.constexpr,
    QUERY_TILE: tl.constexpr,
    WIDE: tl.constexpr,
    FULL: tl.constexpr,
):
    """What pairs need of a tile of queries, each value once for a row; FULL: none of them is beyond N."""
    rows = tile * QUERY_TILE + tl.arange(0, QUERY_TILE)
    # % if ordered
    if query_order is not None:
        rows = tl.where(rows < N, tl.load(query_order + rows, mask=rows < N, other=0), N)
    # % endif
    rows = tl.cast(rows, tl.int64 if WIDE else tl.int32)
    i = (rows + offset)[:, None]
    c = tl.arange(0, D_PADDED)[None, :]
    # % for line in query_loads
    __line__
    # % endfor
    e = tl.arange(0, E_PADDED)[None, :]
    dy_places = dy_head + rows[:, None] * dy_stride_n + e * dy_stride_e
    dy = _loaded(dy_places, (rows < N)[:, None] & (e < E), FULL and E == E_PADDED)
    # What the scores of a row are relative to, and what its weights are multiplied by; rows beyond N weigh nothing.
    # % if softmax
    base = _loaded(stats_head + 2 * rows, rows < N, FULL)
    # % endif
    share = _loaded(stats_head + 2 * rows + 1, rows < N, FULL)
    # % if centred
    delta = _loaded(delta_head + rows, rows < N, FULL)
    # % endif
    # % for line in gradient_query_lines
    __line__
    # % endfor
    return __query_values__


@triton.jit
def _key_tile(
    # % for argument in key_tile_arguments
    __argument__,
    # % endfor
    D: tl.constexpr,
    E: tl.constexpr,
    D_PADDED: tl.constexpr,
    E_PADDED: tl.constexpr,
    KEY_TILE: tl.constexpr,
    WIDE: tl.constexpr,
    FULL: tl.constexpr,
):
    """Keys and values of a tile, across: a column for each key; FULL: none of them is beyond M."""
    keys = key_tile * KEY_TILE + tl.arange(0, KEY_TILE)
    # % if ordered
    if key_order is not None:
        keys = tl.where(keys < M, tl.load(key_order + keys, mask=keys < M, other=0), M)
    # % endif
    keys = tl.cast(keys, tl.int64 if WIDE else tl.int32)
    c = tl.arange(0, D_PADDED)[:, None]
    # % for line in key_loads
    __line__
    # % endfor
    e = tl.arange(0, E_PADDED)[:, None]
    v_places = v_head + keys[None, :] * v_stride_n + e * v_stride_e
    v = _loaded(v_places, (keys < M)[None, :] & (e < E), FULL and E == E_PADDED)
    return __key_values__


# % if bridges
@triton.jit
def _bridged(
    # % for argument in bridged_arguments
    __argument__,
    # % endfor
    D: tl.constexpr,
    D_PADDED: tl.constexpr,
    QUERY_TILE: tl.constexpr,
    KEY_TILE: tl.constexpr,
):
    """Rows of queries from their own anchor to that of the keys, and the factors; rows grow with their positions."""
    c = tl.arange(0, D_PADDED)[None, :]
    query_anchor = tile * QUERY_TILE // __keys_per_anchor__ * __keys_per_anchor__ + __half_of_anchor__ + offset
    key_anchor = key_tile * KEY_TILE // __keys_per_anchor__ * __keys_per_anchor__ + __half_of_anchor__
    # % for line in gradient_bridge_lines
    __line__
    # % endfor
    return __bridged_values__


# % endif
@triton.jit
def _differentiate(
    # % for argument in differentiate_arguments
    __argument__,
    # % endfor
    UPCAST: tl.constexpr,
    WIDE: tl.constexpr,
    FULL: tl.constexpr,
):
    """Of the pairs of two tiles: their weights, and the gradients by what scores are made of.

    FULL: the tile that is walked to lies inside of the tokens, and every pair inside is live. Then what belongs to
    tokens of the other tile that are beyond theirs is not 0, and whoever sums must not keep it.
    """
    # % for product, query, key in products
    __product__ = _dot(__query__, __key__, tl.zeros([rows.shape[0], keys.shape[0]], tl.float32), UPCAST)
    # % endfor
    j = keys[None, :]
    # % for line in gradient_score_lines
    __line__
    # % endfor
    live = (rows[:, None] < N) & (j < M)
    if not FULL:
        # % for line in gradient_mask_lines
        __line__
        # % endfor
    # % if softmax
    weights = tl.exp2(logit - base[:, None]) * share[:, None]
    # % else
    weights = weights * share[:, None]
    # % endif
    if not FULL:
        weights = tl.where(live, weights, 0.0)
    by_score = _dot(dy, v, tl.zeros([rows.shape[0], keys.shape[0]], tl.float32), UPCAST)
    # % if centred
    by_score = by_score - delta[:, None]
    # % endif
    by_score = by_score * __score_weight__
    # % for line in gradient_lines
    __line__
    # % endfor
    # % if masked_gradients
    if not FULL:
        # % for line in masked_gradients
        __line__
        # % endfor
    # % endif
    return __differentials__
