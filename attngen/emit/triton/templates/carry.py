@triton.jit
def _carry(
    # % for argument in state_arguments + given
    __argument__,
    # % endfor
):
    """The states of one head, and of some of their channels of values, from chunk to chunk of a piece."""
    value_tiles = tl.cdiv(E, VALUE_TILE)
    program, piece, pieces = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    value_tile = program % value_tiles
    b = program // value_tiles // H
    h = program // value_tiles % H
    head = tl.cast(b, tl.int64) * H + h
    chunks = tl.cdiv(N, CHUNK)
    # % for line in place_lines + start_lines
    __line__
    # % endfor
    for chunk in range(piece * of_piece, tl.minimum((piece + 1) * of_piece, chunks)):
        first = chunk * CHUNK
        # % for line in keep_lines + carry_lines
        __line__
        # % endfor
    # % for line in carried_lines
    __line__
    # % endfor
