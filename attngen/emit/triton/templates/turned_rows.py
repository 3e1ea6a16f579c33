@triton.jit
def _make___rows__(
    __side___ptr,
    __rows___ptr,
    # % if of_queries
    offsets_ptr,
    # % endif
    __side___stride_b,
    __side___stride_h,
    __side___stride_n,
    __side___stride_d,
    __side___share,
    # % for argument in arguments
    __argument__,
    # % endfor
    # % if of_queries
    offset,
    # % endif
    heads,
    __count__,
    # % for constant in constants
    __constant__: tl.constexpr,
    # % endfor
    D: tl.constexpr,
    D_PADDED: tl.constexpr,
    # % if of_queries
    WIDE: tl.constexpr,
    # % endif
    __tile__: tl.constexpr,
):
    """The rows of a tile of __kind__ that products take, each computed once."""
    tiles = tl.cdiv(__count__, __tile__)
    program = tl.program_id(0)
    b = program // tiles // heads
    h = program // tiles % heads
    rows = program % tiles * __tile__ + tl.arange(0, __tile__)
    # % for line in position_lines
    __line__
    # % endfor
    c = tl.arange(0, D_PADDED)[None, :]
    __row_head__
    __side__ = tl.load(
        __side___head + tl.cast(rows, tl.int64)[:, None] * __side___stride_n + tl.cast(c, tl.int64) * __side___stride_d,
        mask=(rows < __count__)[:, None] & (c < D),
        other=0.0,
    )
    # % for line in lines
    __line__
    # % endfor
    place = (tl.cast(program // tiles, tl.int64) * __count__ + rows)[:, None] * D + c
    tl.store(__rows___ptr + place, __rows__, mask=(rows < __count__)[:, None] & (c < D))
