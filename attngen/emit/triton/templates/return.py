@triton.jit
def _return(
    # % for argument in return_arguments + gradient_given
    __argument__,
    # % endfor
):
    """The gradients by what the tokens of one chunk of a head are given."""
    value_tiles, chunks = tl.cdiv(E, VALUE_TILE), tl.cdiv(N, CHUNK)
    program = tl.program_id(0)
    value_tile = program % value_tiles
    chunk = program // value_tiles % chunks
    b = program // value_tiles // chunks // H
    h = program // value_tiles // chunks % H
    head = tl.cast(b, tl.int64) * H + h
    first = chunk * CHUNK
    # % for line in return_lines
    __line__
    # % endfor
