@triton.jit
def _centre(
    dy_ptr,
    y_ptr,
    # % if softmax
    dlse_ptr,
    # % endif
    delta_ptr,
    dy_stride_b,
    dy_stride_h,
    dy_stride_n,
    dy_stride_e,
    H,
    N,
    E: tl.constexpr,
    E_PADDED: tl.constexpr,
    QUERY_TILE: tl.constexpr,
):
    """delta: what gradients by the scores of a row are relative to, because weights are shares."""
    tiles = tl.cdiv(N, QUERY_TILE)
    program = tl.program_id(0)
    b = tl.cast(program // tiles // H, tl.int64)
    h = tl.cast(program // tiles % H, tl.int64)
    rows = program % tiles * QUERY_TILE + tl.arange(0, QUERY_TILE)
    e = tl.arange(0, E_PADDED)[None, :]
    inside = (rows < N)[:, None] & (e < E)
    place = (b * H + h) * N + rows
    y = tl.load(y_ptr + place[:, None] * E + e, mask=inside, other=0.0)
    dy_head = dy_ptr + b * dy_stride_b + h * dy_stride_h
    dy_rows = tl.cast(rows, tl.int64)[:, None] * dy_stride_n
    dy = tl.load(dy_head + dy_rows + tl.cast(e, tl.int64) * dy_stride_e, mask=inside, other=0.0)
    delta = tl.sum(tl.cast(dy, tl.float32) * tl.cast(y, tl.float32), 1)
    # % if softmax
    if dlse_ptr is not None:
        delta -= tl.load(dlse_ptr + place, mask=rows < N, other=0.0)
    # % endif
    tl.store(delta_ptr + place, delta, mask=rows < N)
