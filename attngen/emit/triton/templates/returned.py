@triton.jit
def ___state___returned(
    # % for argument in return_arguments
    __argument__,
    # % endfor
):
    """What the rows of a chunk get, by __state__ in front of it and the gradient by the state behind it."""
    # % for line in decay_lines + erasing_lines + returning_lines
    __line__
    # % endfor
    return __returned__
