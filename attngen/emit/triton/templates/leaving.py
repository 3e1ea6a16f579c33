@triton.jit
def ___state___leaving(
    # % for argument in leaving_arguments
    __argument__,
    # % endfor
):
    """What is left behind a chunk of the state __state__ in front of it, from what was left of one before."""
    # % for line in decay_lines + leaving_lines
    __line__
    # % endfor
    return __state___left
