@triton.jit
def _follow_back(
    pieces,
    # % for argument in follow_back_arguments + gradient_given
    __argument__,
    # % endfor
):
    """The gradients by the states of one head, from piece to piece."""
    value_tiles = tl.cdiv(E, VALUE_TILE)
    program = tl.program_id(0)
    value_tile = program % value_tiles
    head = tl.cast(program // value_tiles, tl.int64)
    # % for line in follow_place_lines + follow_back_start_lines
    __line__
    # % endfor
    for number in range(pieces):
        piece = pieces - 1 - number
        # % for line in front_back_lines + follow_back_lines
        __line__
        # % endfor
    # % for line in finish_back_lines
    __line__
    # % endfor
