def _shapes(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The same without numbers."""
    *given, trained = arguments
    (B, H, N, _, _, E), q = _sized(*given[:__sized_count__])[:6], given[0]
    y = q.new_empty((B, H, N, E))
    lse = q.new_empty(__lse_size__, dtype=torch.float32)
    return y, lse, q.new_empty((B, H, N, 2) if trained else (0,), dtype=torch.float32)


# % if landing_names
def _to_inputs(made: tuple[Tensor | None, ...], *given: Any) -> list[Tensor | None]:
    """Gradients by inputs, from what is summed for heads, tokens and diagonals: each sum goes to its element."""
    __given_names__ = given
    __landing_tuple__ = made
    B, H, N, M, D, E__unpacked_sizes__ = _sized(__sized_names__)
    scale = 1 / math.sqrt(D) if scale is None else scale
    offset, device = _offset("__variant__", offset, offsets, B, M - N, q.device), q.device
    first = offset[:, None, None, None] if isinstance(offset, Tensor) else offset
    b = torch.arange(B, device=device)[:, None, None, None]
    h = torch.arange(H, device=device)[:, None, None]
    rows = torch.arange(N, device=device)[:, None]
    c = torch.arange(D, device=device)
    totals: list[Tensor | None] = [None] * __input_count__
    # % for line in landing_lines
    __line__
    # % endfor
    return totals


# % endif
def _gradient_shapes(*arguments: Any) -> tuple[Tensor, ...]:
    """The same without numbers."""
    given, wanted = arguments[4:], arguments[-1]
    return _shaped_like(given[:__trained_count__], wanted)


def _summed(total: Tensor, rows: Tensor) -> Tensor:
    """The sum over the heads that read the same row."""
    B, heads, tokens, width = rows.shape
    return total.view(B, heads, total.shape[1] // heads, tokens, width).sum(2)


def _sized(__sized_parameters__) -> tuple[int, ...]:
    """B, H, N, M, D, E__own_sizes_text__, where all shapes fit."""
    B, H, N, M, D, E = _sizes("__variant__", q, k, v)
    # % for line in shapes
    __line__
    # % endfor
    return B, H, N, M, D, E__own_sizes__
