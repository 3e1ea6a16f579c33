@triton.jit
def _add_queries(
    # % for argument in add_queries_arguments
    __argument__,
    # % endfor
    D: tl.constexpr,
    E: tl.constexpr,
    D_PADDED: tl.constexpr,
    E_PADDED: tl.constexpr,
    QUERY_TILE: tl.constexpr,
    KEY_TILE: tl.constexpr,
    UPCAST: tl.constexpr,
    WIDE: tl.constexpr,
    KEY_AXIS: tl.constexpr,
    FULL: tl.constexpr,
):
    """One query tile: what its pairs add to the gradients of a key tile."""
    # % for line in query_tile_call + bridged_call + differentiate_call + add_queries_lines
    __line__
    # % endfor
    return __key_sums__


@triton.jit
def _by_keys(
    # % for argument in gradient_arguments
    __argument__,
    # % endfor
    panel_heads,
    # % for output in key_outputs
    __output__,
    # % endfor
    # % for constant in gradient_constants
    __constant__: tl.constexpr,
    # % endfor
    KEY_AXIS: tl.constexpr,
):
    """The gradients of one key tile of the heads that share it: for each, a walk over the query tiles that see it."""
    tiles = tl.cdiv(M, KEY_TILE)
    program = tl.program_id(0)
    groups = H // panel_heads
    b = program // tiles // groups
    first_head = program // tiles % groups * panel_heads
    key_tile = program % tiles
    # % for line in gradient_batch_lines
    __line__
    # % endfor
    # % for line in key_heads + outer_key_tile_call
    __line__
    # % endfor
    # % for sum, shape in key_sum_shapes
    __sum__ = tl.zeros(__shape__, tl.float32)
    # % endfor
    k0 = key_tile * KEY_TILE
    k1 = tl.minimum(k0 + KEY_TILE, M) - 1
    for head in range(0, panel_heads):
        h = first_head + head
        # % for line in query_heads
        __line__
        # % endfor
        # % if listed
        starts = query_starts_ptr + b_far * query_starts_stride_b + h_far * query_starts_stride_h + key_tile * 3
        start, full_start, full_stop = tl.load(starts), tl.load(starts + 1), tl.load(starts + 2)
        # % endif
        # % for line in query_walk_lines
        __line__
        # % endfor
        # % for sum, shape in key_head_sums
        __sum__ = tl.zeros(__shape__, tl.float32)
        # % endfor
        # % for line in add_queries_loops
        __line__
        # % endfor
        # % for line in key_head_stores
        __line__
        # % endfor

    inside = keys < M
    place = (b_far * groups + first_head // panel_heads) * M + keys
    c = tl.arange(0, D_PADDED)[None, :]
    e = tl.arange(0, E_PADDED)[None, :]
    # % for line in key_stores
    __line__
    # % endfor
