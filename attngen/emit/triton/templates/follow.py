@triton.jit
def _follow(
    pieces,
    # % for argument in follow_arguments + given
    __argument__,
    # % endfor
):
    """The states of one head, and of some of their channels of values, from piece to piece."""
    value_tiles = tl.cdiv(E, VALUE_TILE)
    program = tl.program_id(0)
    value_tile = program % value_tiles
    head = tl.cast(program // value_tiles, tl.int64)
    # % for line in follow_place_lines + follow_start_lines
    __line__
    # % endfor
    for piece in range(pieces):
        # % for line in front_lines + follow_lines
        __line__
        # % endfor
    # % for line in finish_lines
    __line__
    # % endfor
