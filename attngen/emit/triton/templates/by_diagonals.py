@triton.jit
def _add_diagonals(
    # % for argument in add_diagonals_arguments
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
):
    """Two tiles: what their pairs add to the diagonals that cross them, in the order of `_by_diagonals`."""
    FULL: tl.constexpr = False
    KEY_AXIS: tl.constexpr = 1
    # % for line in query_tile_call + key_tile_call + bridged_call + differentiate_call
    __line__
    # % endfor
    # In column x, each row shows its key that lies x behind it, around the end of the tile.
    turned = tl.arange(0, QUERY_TILE)[:, None] + tl.arange(0, KEY_TILE)[None, :]
    before = turned < KEY_TILE
    turned = turned % KEY_TILE
    # % for line in add_diagonals_lines
    __line__
    # % endfor
    return __diagonal_sums__


@triton.jit
def _by_diagonals(
    # % for argument in gradient_arguments
    __argument__,
    # % endfor
    # % for output in diagonal_outputs
    __output__,
    # % endfor
    # % for constant in gradient_constants
    __constant__: tl.constexpr,
    # % endfor
):
    """Sums over the diagonals of one head that cross a diagonal of square tiles, each in two halves.

    Column x of the first belongs to queries that lie x rows higher than keys, relative to the corners of the tiles;
    column x of the second to those that lie QUERY_TILE - x lower.
    """
    query_tiles = tl.cdiv(N, QUERY_TILE)
    key_tiles = tl.cdiv(M, KEY_TILE)
    count = query_tiles + key_tiles - 1
    program = tl.program_id(0)
    b = program // count // H
    h = program // count % H
    apart = program % count - (key_tiles - 1)
    # % for line in gradient_batch_lines + gradient_head_lines
    __line__
    # % endfor
    # % for sum in diagonal_sum_names
    __sum__ = tl.zeros([KEY_TILE], tl.float32)
    # % endfor
    for tile in range(tl.maximum(apart, 0), tl.minimum(query_tiles, key_tiles + apart)):
        key_tile = tile - apart
        # % for line in diagonal_walk_lines
        __line__
        # % endfor
        if __visited__:
            # % for line in add_diagonals_call
            __line__
            # % endfor

    # A sum for each distance row - key, from 1 - M on.
    x = tl.arange(0, KEY_TILE)
    first = tl.cast(apart, tl.int64) * QUERY_TILE - x + M - 1
    halves = ((b_far * H + h) * 2) * (N + M)
    # % for line in diagonal_stores
    __line__
    # % endfor
