@triton.jit
def _carry_back(
    # % for argument in by_state_arguments + gradient_given
    __argument__,
    # % endfor
):
    """The gradients by the states of one head, from behind the last chunk of a piece to the front of the first."""
    value_tiles = tl.cdiv(E, VALUE_TILE)
    program, piece, pieces = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    value_tile = program % value_tiles
    b = program // value_tiles // H
    h = program // value_tiles % H
    head = tl.cast(b, tl.int64) * H + h
    chunks = tl.cdiv(N, CHUNK)
    # % for line in place_lines + start_back_lines
    __line__
    # % endfor
    stop = tl.minimum((piece + 1) * of_piece, chunks)
    for number in range(stop - piece * of_piece):
        chunk = stop - 1 - number
        first = chunk * CHUNK
        # % for line in keep_back_lines + carry_back_lines
        __line__
        # % endfor
    # % for line in carried_back_lines
    __line__
    # % endfor
