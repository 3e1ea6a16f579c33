# % if query_sums
@triton.jit
def _add_keys(
    # % for argument in add_keys_arguments
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
    FULL: tl.constexpr,
):
    """One key tile: what its pairs add to the gradients of a query tile."""
    KEY_AXIS: tl.constexpr = 1
    # % for line in key_tile_call + bridged_call + differentiate_call + add_keys_lines
    __line__
    # % endfor
    return __query_sums__


# % endif
@triton.jit
def _by_queries(
    # % for argument in gradient_arguments
    __argument__,
    # % endfor
    # % for output in query_outputs
    __output__,
    # % endfor
    # % for constant in gradient_constants
    __constant__: tl.constexpr,
    # % endfor
):
    """The gradients of one query tile of one head: a walk over the key tiles that can be live."""
    tiles = tl.cdiv(N, QUERY_TILE)
    program = tl.program_id(0)
    b = program // tiles // H
    h = program // tiles % H
    tile = tiles - 1 - program % tiles
    # % for line in gradient_batch_lines + gradient_head_lines
    __line__
    # % endfor
    # % if listed
    starts = starts_ptr + b_far * starts_stride_b + h_far * starts_stride_h + tile * 3
    start, full_start, full_stop = tl.load(starts), tl.load(starts + 1), tl.load(starts + 2)
    # % else
    q0 = tile * QUERY_TILE + offset
    q1 = tl.minimum(q0 + QUERY_TILE, N + offset) - 1
    # % endif
    # % for line in key_walk_lines + outer_query_tile_call
    __line__
    # % endfor
    # % for sum, shape in query_sum_shapes
    __sum__ = tl.zeros(__shape__, tl.float32)
    # % endfor
    # % for line in add_keys_loops
    __line__
    # % endfor

    inside = rows < N
    place = (b_far * H + h) * N + rows
    c = tl.arange(0, D_PADDED)[None, :]
    # % for line in query_stores
    __line__
    # % endfor
