@triton.jit
def _tokens(
    # % for argument in arguments
    __argument__,
    # % endfor
):
    """The rows of the tokens of a chunk, from `first` on, 0 where there is none; and which tokens are live."""
    # % for line in lines
    __line__
    # % endfor
    return __results__
