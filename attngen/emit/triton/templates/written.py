@triton.jit
def ___state___written(
    # % for argument in arguments
    __argument__,
    # % endfor
):
    """The state __state__ behind a chunk, from that in front of it."""
    # % for line in decay_lines + erasing_lines + writing_lines
    __line__
    # % endfor
    return __state__
