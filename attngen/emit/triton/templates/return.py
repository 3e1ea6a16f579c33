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
