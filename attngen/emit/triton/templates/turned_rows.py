@triton.jit
def _make___rows__(
    k_ptr,
    __rows___ptr,
    k_stride_b,
    k_stride_h,
    k_stride_n,
    k_stride_d,
    k_share,
    # % for argument in arguments
    __argument__,
    # % endfor
    heads,
    M,
    # % for constant in constants
    __constant__: tl.constexpr,
    # % endfor
    D: tl.constexpr,
    D_PADDED: tl.constexpr,
    KEY_TILE: tl.constexpr,
):
    """The rows of a tile of keys that products with queries take, each computed once."""
    tiles = tl.cdiv(M, KEY_TILE)
    program = tl.program_id(0)
    b = program // tiles // heads
    h = program // tiles % heads
    rows = program % tiles * KEY_TILE + tl.arange(0, KEY_TILE)
    j = rows[:, None]
    c = tl.arange(0, D_PADDED)[None, :]
    k_head = k_ptr + tl.cast(b, tl.int64) * k_stride_b + tl.cast(h, tl.int64) // k_share * k_stride_h
    k = tl.load(
        k_head + tl.cast(rows, tl.int64)[:, None] * k_stride_n + tl.cast(c, tl.int64) * k_stride_d,
        mask=(rows < M)[:, None] & (c < D),
        other=0.0,
    )
    # % for line in lines
    __line__
    # % endfor
    place = (tl.cast(program // tiles, tl.int64) * M + rows)[:, None] * D + c
    tl.store(__rows___ptr + place, __rows__, mask=(rows < M)[:, None] & (c < D))
