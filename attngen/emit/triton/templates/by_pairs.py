@triton.jit
def _add___landing__(
    # % for argument in add_pairs_arguments
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
    """One key tile: the gradient by the element of `__input__` that each of its pairs reads."""
    KEY_AXIS: tl.constexpr = 1
    # % for line in key_tile_call + bridged_call + differentiate_call + place_lines
    __line__
    # % endfor
    # % if apart
    # No two pairs of these heads read the same element.
    tl.store(total_ptr + place, tl.load(total_ptr + place, mask=live, other=0.0) + __landing__, mask=live)
    # % else
    # Where many pairs read the same element, they are added elsewhere, in one order.
    column = key_tile * KEY_TILE + tl.arange(0, KEY_TILE)[None, :]
    row = tile * QUERY_TILE + tl.arange(0, QUERY_TILE)[:, None] - first_row
    pair = tl.cast(row, tl.int64) * M + column
    tl.store(total_ptr + pair, __landing__, mask=live)
    tl.store(elements_ptr + pair, place, mask=live)
    # % endif


@triton.jit
def _pairs___landing__(
    # % for argument in gradient_arguments
    __argument__,
    # % endfor
    total_ptr,
    # % if not apart
    elements_ptr,
    # % endif
    # % for stride in place_strides
    __stride__,
    # % endfor
    first_b,
    first_h,
    heads,
    head_step,
    first_row,
    tiles,
    # % for constant in gradient_constants
    __constant__: tl.constexpr,
    # % endfor
):
    """Gradients by elements that pairs read, for some query tiles: a walk over the key tiles that can be live."""
    program = tl.program_id(0)
    b = first_b + program // tiles // heads
    h = first_h + program // tiles % heads * head_step
    tile = first_row // QUERY_TILE + program % tiles
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
    # % for line in key_walk_lines + outer_query_tile_call + add_pairs_loops
    __line__
    # % endfor
