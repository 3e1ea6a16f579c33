@triton.jit
def _carry_back(
    # % for argument in by_state_arguments + gradient_given
    __argument__,
    # % endfor
):
    """The gradients by the states of one head, from behind the last chunk of a piece to the front of the first."""
    value_tile = 0
    program, piece, pieces = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    b = program // H
    h = program % H
    head = tl.cast(program, tl.int64)
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
