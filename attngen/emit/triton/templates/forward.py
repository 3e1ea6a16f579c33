@triton.jit
def _visit(
    # % for state in carried
    __state__,
    # % endfor
    # % for row in queries
    __row__,
    # % endfor
    key_tile,
    # % if ordered
    key_order,
    # % endif
    # % for row in keys
    __row___head,
    __row___stride_n,
    __row___stride_d,
    # % endfor
    v_head,
    v_stride_n,
    v_stride_e,
    # % for argument in visit_arguments
    __argument__,
    # % endfor
    N,
    M,
    D: tl.constexpr,
    E: tl.constexpr,
    D_PADDED: tl.constexpr,
    E_PADDED: tl.constexpr,
    KEY_TILE: tl.constexpr,
    UPCAST: tl.constexpr,
    WIDE: tl.constexpr,
    # % if rising
    RISING: tl.constexpr,
    # % endif
    FULL: tl.constexpr,
):
    """One key tile: __visit_summary__."""
    keys = key_tile * KEY_TILE + tl.arange(0, KEY_TILE)
    # % if ordered
    if key_order is not None:
        keys = tl.where(keys < M, tl.load(key_order + keys, mask=keys < M, other=0), M)
    # % endif
    keys = tl.cast(keys, tl.int64 if WIDE else tl.int32)
    # % if bridge_lines
    # Rows that grow with the position are relative to an anchor, so that none overflows.
    c = tl.arange(0, D_PADDED)[None, :]
    key_anchor = key_tile * KEY_TILE // __keys_per_anchor__ * __keys_per_anchor__ + __keys_per_anchor__ // 2
    # % for line in bridge_lines
    __line__
    # % endfor
    # % endif
    c = tl.arange(0, D_PADDED)[:, None]
    # % for line in key_loads
    __line__
    # % endfor
    # % for query, key in bridged
    if __key__.dtype == tl.float16:  # a bridged row may be larger than what half precision holds
        __key__ = __key__.to(tl.float32)
    __query__ = __query__.to(__key__.dtype)
    # % endfor
    # % for product, query, key in products
    __product__ = _dot(__query__, __key__, tl.zeros([__query__.shape[0], KEY_TILE], tl.float32), UPCAST)
    # % endfor
    j = keys[None, :]
    # % for line in score_lines
    __line__
    # % endfor
    if not FULL:
        # % for line in mask_lines
        __line__
        # % endfor
    e = tl.arange(0, E_PADDED)[None, :]
    v_places = v_head + keys[:, None] * v_stride_n + e * v_stride_e
    v = _loaded(v_places, (keys < M)[:, None] & (e < E), FULL and E == E_PADDED)
    # % if softmax
    # % if rising
    # The products of the other scores fuse with the difference below.
    highest = tl.max(__risen__, 1) * __factor__ if FULL and RISING else tl.max(logit, 1)
    new_top = tl.maximum(top, highest)
    # % else
    new_top = tl.maximum(top, tl.max(logit, 1))
    # % endif
    base = tl.where(new_top == float("-inf"), 0.0, new_top)
    weights = tl.exp2(logit - base[:, None])
    rescale = tl.exp2(top - base)
    acc = _dot(weights.to(v.dtype), v, acc * rescale[:, None], UPCAST)
    return acc, new_top, total * rescale + tl.sum(weights, 1)
    # % else
    if v.dtype == tl.float16:  # a weight may be larger than what half precision holds
        v = v.to(tl.float32)
    acc = _dot(weights.to(v.dtype), v, acc, UPCAST)
    # % if summed
    total += tl.sum(weights, 1)
    # % endif
    # % if counted
    if FULL:
        seen += KEY_TILE
    else:
        seen += tl.sum(tl.cast(live, tl.int32), 1)
    # % endif
    return __carried_names__
    # % endif


@triton.jit
def _forward_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    y_ptr,
    # % if softmax
    lse_ptr,
    # % endif
    stats_ptr,
    offsets_ptr,
    q_stride_b,
    q_stride_h,
    q_stride_n,
    q_stride_d,
    k_stride_b,
    k_stride_h,
    k_stride_n,
    k_stride_d,
    v_stride_b,
    v_stride_h,
    v_stride_n,
    v_stride_e,
    q_share,
    k_share,
    v_share,
    # % for row, _ in key_passed
    __row__,
    # % endfor
    # % for argument in arguments
    __argument__,
    # % endfor
    offset,
    B,
    H,
    N,
    M,
    # % for constant in constants
    __constant__: tl.constexpr,
    # % endfor
    D: tl.constexpr,
    E: tl.constexpr,
    D_PADDED: tl.constexpr,
    E_PADDED: tl.constexpr,
    UPCAST: tl.constexpr,
    WIDE: tl.constexpr,
    # % if rising
    RISING: tl.constexpr,
    # % endif
    QUERY_TILE: tl.constexpr,
    KEY_TILE: tl.constexpr,
    # % if softmax
    PARTS: tl.constexpr,
    # % endif
):
    # % if softmax
    """One query tile of one head: a walk over the key tiles that can be live, or one of PARTS that share it."""
    part = tl.program_id(1) if PARTS > 1 else 0
    # % else
    """One query tile of one head: a walk over the key tiles that can be live."""
    # % endif
    tiles = tl.cdiv(N, QUERY_TILE)
    program = tl.program_id(0)
    b = program // tiles // H
    h = program // tiles % H
    tile = tiles - 1 - program % tiles
    if offsets_ptr is not None:
        offset = tl.load(offsets_ptr + b)
    rows = tile * QUERY_TILE + tl.arange(0, QUERY_TILE)
    c = tl.arange(0, D_PADDED)[None, :]
    b_far = tl.cast(b, tl.int64)
    h_far = tl.cast(h, tl.int64)
    # % if ordered
    # Tokens may be walked in another order than their own; then these are slots, and what stands there is looked up.
    key_order = None
    if key_order_ptr is not None:
        query_order = query_order_ptr + b_far * query_order_stride_b + h_far * query_order_stride_h
        key_order = key_order_ptr + b_far * key_order_stride_b + h_far * key_order_stride_h
        rows = tl.where(rows < N, tl.load(query_order + rows, mask=rows < N, other=0), N)
    # % endif
    # % if listed
    starts = starts_ptr + b_far * starts_stride_b + h_far * starts_stride_h + tile * 3
    start, full_start, full_stop = tl.load(starts), tl.load(starts + 1), tl.load(starts + 2)
    # % endif
    q_head = q_ptr + b_far * q_stride_b + h_far // q_share * q_stride_h
    k_head = k_ptr + b_far * k_stride_b + h_far // k_share * k_stride_h
    v_head = v_ptr + b_far * v_stride_b + h_far // v_share * v_stride_h
    # % for line in key_head_lines
    __line__
    # % endfor
    q = tl.load(
        q_head + tl.cast(rows, tl.int64)[:, None] * q_stride_n + tl.cast(c, tl.int64) * q_stride_d,
        mask=(rows < N)[:, None] & (c < D),
        other=0.0,
    )

    # Positions stand in the key sequence__tile_ends_text__.
    if WIDE:
        # % for number in widened
        __number__ = tl.cast(__number__, tl.int64)
        # % endfor
    # % if not listed
    q0 = tile * QUERY_TILE + offset
    q1 = tl.minimum(q0 + QUERY_TILE, N + offset) - 1
    # % endif
    i = (rows + offset)[:, None]
    # % if bridge_lines
    query_anchor = tile * QUERY_TILE + QUERY_TILE // 2 + offset
    # % endif
    # % for line in head_lines
    __line__
    # % endfor
    # % for line in query_lines
    __line__
    # % endfor
    # % for line in query_row_lines
    __line__
    # % endfor

    # % for line in initial_lines
    __line__
    # % endfor
    acc = tl.zeros([QUERY_TILE, E_PADDED], tl.float32)
    # % for line in walk_lines
    __line__
    # % endfor

    # % if softmax
    # A row that sees no key gives 0, and -inf as its log-sum-exp.
    y = acc / tl.where(total == 0.0, 1.0, total)[:, None]
    lse = (top + tl.log2(total)) * 0.6931471805599453
    # % else
    y = __result__
    # % endif
    e = tl.arange(0, E_PADDED)[None, :]
    # % if softmax
    row = ((part * B + b_far) * H + h) * N + rows
    # % else
    row = (b_far * H + h) * N + rows
    # % endif
    tl.store(y_ptr + row[:, None] * E + e, y.to(y_ptr.dtype.element_ty), mask=(rows < N)[:, None] & (e < E))
    # % if softmax
    tl.store(lse_ptr + row, lse, mask=rows < N)
    # % endif
    if stats_ptr is not None:
        # What gradients need: what the scores of a row are relative to, and what its weights are multiplied by.
        # % for line in stats_lines
        __line__
        # % endfor


# % if softmax
@triton.jit
def _merge(
    parts_y_ptr,
    parts_lse_ptr,
    y_ptr,
    lse_ptr,
    stats_ptr,
    rows,
    E: tl.constexpr,
    E_PADDED: tl.constexpr,
    PARTS: tl.constexpr,
):
    """One row of y and its log-sum-exp from those of PARTS programs, which have seen some of its keys each."""
    row = tl.cast(tl.program_id(0), tl.int64)
    parts = tl.cast(tl.arange(0, PARTS), tl.int64) * rows + row
    e = tl.arange(0, E_PADDED)
    lse = tl.load(parts_lse_ptr + parts)
    top = tl.max(lse, 0)
    weights = tl.exp2((lse - tl.where(top == float("-inf"), 0.0, top)) * 1.4426950408889634)
    total = tl.sum(weights, 0)
    shares = weights / tl.where(total == 0.0, 1.0, total)
    seen = tl.load(parts_y_ptr + parts[:, None] * E + e[None, :], mask=(e < E)[None, :], other=0.0)
    y = tl.sum(seen * shares[:, None], 0)
    tl.store(y_ptr + row * E + e, y.to(y_ptr.dtype.element_ty), mask=e < E)
    lse = top + tl.log2(total) * 0.6931471805599453
    tl.store(lse_ptr + row, lse)
    if stats_ptr is not None:
        tl.store(stats_ptr + 2 * row, tl.where(total == 0.0, 0.0, lse * 1.4426950408889634))
        tl.store(stats_ptr + 2 * row + 1, tl.where(total == 0.0, 0.0, 1.0))


# % endif
