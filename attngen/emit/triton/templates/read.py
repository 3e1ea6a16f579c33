@triton.jit
def ___state___read(
    # % for argument in arguments
    __argument__,
    # % endfor
):
    """What the tokens of a chunk read from __state__, which is that in front of the chunk."""
    # % for line in decay_lines + erasing_lines + reading_lines
    __line__
    # % endfor
    return __readings__
