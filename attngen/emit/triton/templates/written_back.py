@triton.jit
def ___state___written_back(
    # % for argument in write_back_arguments
    __argument__,
    # % endfor
):
    """The gradient by __state__ in front of a chunk, from that by the state behind it__also_found__."""
    # % for line in decay_lines + finding_lines + carrying_back_lines
    __line__
    # % endfor
    return __results__
