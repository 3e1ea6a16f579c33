@triton.jit
def _return___rows__(
    __side___ptr,
    d___rows___ptr,
    d__side___ptr,
    # % for landing in landings
    __landing___ptr,
    # % endfor
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
    # % else
    panel_heads,
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
    """From the gradients by a tile of `__rows__` to what they add to those by __side__: `heads` of each batch row."""
    tiles = tl.cdiv(__count__, __tile__)
    program = tl.program_id(0)
    b = program // tiles // heads
    # % if of_queries
    h = program // tiles % heads
    # % else
    h = program // tiles % heads * panel_heads
    # % endif
    rows = program % tiles * __tile__ + tl.arange(0, __tile__)
    # % for line in position_lines
    __line__
    # % endfor
    c = tl.arange(0, D_PADDED)[None, :]
    inside = (rows < __count__)[:, None] & (c < D)
    __row_head__
    __side__ = tl.load(
        __side___head + tl.cast(rows, tl.int64)[:, None] * __side___stride_n + tl.cast(c, tl.int64) * __side___stride_d,
        mask=inside,
        other=0.0,
    )
    row = (tl.cast(program // tiles, tl.int64) * __count__ + rows)[:, None] * D
    d__side__ = tl.load(d___rows___ptr + row + c, mask=inside, other=0.0)
    # % for line in lines
    __line__
    # % endfor
    total = tl.load(d__side___ptr + row + c, mask=inside, other=0.0)
    # % for line in share_lines
    __line__
    # % endfor
    # % if channel_lines
    # What belongs to other channels than its own: one channel after the other.
    for channel in range(0, D):
        __side___of_channel = tl.load(
            __side___head + tl.cast(rows, tl.int64)[:, None] * __side___stride_n + channel * __side___stride_d,
            mask=(rows < __count__)[:, None],
            other=0.0,
        )
        d__side___of_channel = tl.load(d___rows___ptr + row + channel, mask=(rows < __count__)[:, None], other=0.0)
        # % for line in channel_lines
        __line__
        # % endfor
    # % endif
    tl.store(d__side___ptr + row + c, total, mask=inside)
