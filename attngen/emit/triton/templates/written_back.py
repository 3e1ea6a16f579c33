@triton.jit
def _write_back___state__(
    # % for argument in write_back_arguments
    __argument__,
    # % endfor
):
    """The gradient by the state __state__ in front of a chunk, from that by the state behind it."""
    # % for line in decay_lines + by_found_lines + carrying_back_lines
    __line__
    # % endfor
    return d___state__
