@triton.jit
def _leave(
    # % for argument in left_arguments + given
    __argument__,
    # % endfor
):
    """What a piece of a head's tokens leaves of the states in front of it."""
    value_tile = 0
    program, piece, pieces = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    b = program // H
    h = program % H
    head = tl.cast(program, tl.int64)
    # % for line in left_place_lines + nothing_left_lines
    __line__
    # % endfor
    for chunk in range(piece * of_piece, tl.minimum((piece + 1) * of_piece, tl.cdiv(N, CHUNK))):
        first = chunk * CHUNK
        # % for line in leave_lines
        __line__
        # % endfor
    # % for line in left_stored_lines
    __line__
    # % endfor
