@triton.jit
def _carry_back(
    # % for argument in by_state_arguments + gradient_given
    __argument__,
    # % endfor
):
    """The gradients by the states of one head, from behind the last chunk to the front of the first."""
    value_tile = 0
    program = tl.program_id(0)
    b = program // H
    h = program % H
    head = tl.cast(program, tl.int64)
    chunks = tl.cdiv(N, CHUNK)
    # % for line in place_lines + start_back_lines
    __line__
    # % endfor
    for number in range(chunks):
        chunk = chunks - 1 - number
        first = chunk * CHUNK
        # % for line in keep_back_lines + carry_back_lines
        __line__
        # % endfor
    # % for line in finish_back_lines
    __line__
    # % endfor


@triton.jit
def _return(
    # % for argument in return_arguments + gradient_given
    __argument__,
    # % endfor
):
    """The gradients by what the tokens of one chunk of a head are given."""
    value_tile = 0
    chunks = tl.cdiv(N, CHUNK)
    program = tl.program_id(0)
    chunk = program % chunks
    b = program // chunks // H
    h = program // chunks % H
    head = tl.cast(b, tl.int64) * H + h
    first = chunk * CHUNK
    # % for line in return_lines
    __line__
    # % endfor
