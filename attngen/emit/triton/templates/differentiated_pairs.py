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
    KEY_AXIS: tl.constexpr,
):
    """What pairs need of a tile of queries, each value once for a row; FULL: none of them is beyond N."""
    rows = tile * QUERY_TILE + tl.arange(0, QUERY_TILE)
    # % if ordered
    if query_order is not None:
        rows = tl.where(rows < N, tl.load(query_order + rows, mask=rows < N, other=0), N)
    # % endif
    rows = tl.cast(rows, tl.int64 if WIDE else tl.int32)
    row = tl.expand_dims(rows, KEY_AXIS)
    i = row + offset
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
def _products(rows, across, KEY_AXIS: tl.constexpr, UPCAST: tl.constexpr):
    """Products of rows of queries and of keys, which lie across: [queries, keys], or [keys, queries]."""
    if KEY_AXIS == 0:
        rows, across = tl.trans(across), tl.trans(rows)
    return _dot(rows, across, tl.zeros([rows.shape[0], across.shape[1]], tl.float32), UPCAST)


@triton.jit
def _keys_first(pairs, KEY_AXIS: tl.constexpr):
    """A tile of pairs as [keys, queries]."""
    return tl.trans(pairs) if KEY_AXIS == 1 else pairs


@triton.jit
def _differentiate(
    # % for argument in differentiate_arguments
    __argument__,
    # % endfor
    UPCAST: tl.constexpr,
    WIDE: tl.constexpr,
    FULL: tl.constexpr,
    KEY_AXIS: tl.constexpr,
):
    """Of the pairs of two tiles: their weights, and the gradients by what scores are made of.

    KEY_AXIS: the axis of pairs along which keys lie, 1, or 0 where tiles of pairs lie across.
    FULL: the tile that is walked to lies inside of the tokens, and every pair inside is live. Then what belongs to
    tokens of the other tile that are beyond theirs is not 0, and whoever sums must not keep it.
    """
    # % for product, query, key in products
    __product__ = _products(__query__, __key__, KEY_AXIS, UPCAST)
    # % endfor
    row = tl.expand_dims(rows, KEY_AXIS)
    j = tl.expand_dims(keys, 1 - KEY_AXIS)
    share = tl.expand_dims(share, KEY_AXIS)
    # % for line in gradient_score_lines
    __line__
    # % endfor
    live = (row < N) & (j < M)
    if not FULL:
        # % for line in gradient_mask_lines
        __line__
        # % endfor
    # % if softmax
    weights = tl.exp2(logit - tl.expand_dims(base, KEY_AXIS)) * share
    # % else
    weights = weights * share
    # % endif
    if not FULL:
        weights = tl.where(live, weights, 0.0)
    by_score = _products(dy, v, KEY_AXIS, UPCAST)
    # % if centred
    by_score = by_score - tl.expand_dims(delta, KEY_AXIS)
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
