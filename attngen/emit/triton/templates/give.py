@triton.jit
def _give(
    y_ptr,
    # % for argument in kept_arguments + given
    __argument__,
    # % endfor
):
    """What the tokens of one chunk of a head give, for some channels of values."""
    value_tiles, chunks = tl.cdiv(E, VALUE_TILE), tl.cdiv(N, CHUNK)
    program = tl.program_id(0)
    value_tile = program % value_tiles
    chunk = program // value_tiles % chunks
    b = program // value_tiles // chunks // H
    h = program // value_tiles // chunks % H
    head = tl.cast(b, tl.int64) * H + h
    first = chunk * CHUNK
    # % for line in give_lines
    __line__
    # % endfor
    tl.store(y_ptr + (head * N + rows[:, None]) * E + e, y.to(y_ptr.dtype.element_ty), mask=live & (e < E))
