def _shapes(*arguments: Any) -> tuple[Tensor, ...]:
    """The same without numbers."""
    *given, trained = arguments
    sizes, q = _sized(__sized_given__), given[0]
    (B, H, N, _, _, E), shapes = sizes[:6], _state_shapes(*sizes)
    carried = [q.new_empty((B, H, *shape), dtype=torch.float32) for shape in shapes]
    segments = -(-N // SEGMENT) if trained else 0
    kept = [q.new_empty((B, H, segments * math.prod(shape)), dtype=torch.float32) for shape in shapes]
    return q.new_empty((B, H, N, E)), *carried, *kept


def _gradient_shapes(*arguments: Any) -> tuple[Tensor, ...]:
    """The same without numbers."""
    given, wanted = arguments[__gradients_given__], arguments[-1]
    return tuple(
        torch.empty_like(tensor, memory_format=torch.contiguous_format) if asked else given[0].new_empty(0)
        for tensor, asked in zip(given, wanted, strict=False)
    )


def _handed_on(
    rows: list[Tensor | None], inputs: list[Tensor | None], states: list[Tensor | None], given: Any, wanted: list[bool]
) -> tuple[Tensor, ...]:
    """The gradients that are wanted, as what they are by, from sums for each head."""
    found = [None if total is None else _summed(total, given[k]) for k, total in enumerate(rows)]
    # % if to_inputs
    found += [
        # % for line in to_inputs
        __line__,
        # % endfor
    ]
    # % endif
    found += states
    return tuple(
        given[0].new_empty(0) if not asked else torch.zeros_like(tensor) if total is None else total.to(tensor.dtype)
        for total, tensor, asked in zip(found, given, wanted, strict=False)
    )


def _summed(total: Tensor, rows: Tensor) -> Tensor:
    """The sum over the heads that read the same row."""
    B, heads, tokens, width = rows.shape
    return total if total.shape[1] == heads else total.view(B, heads, total.shape[1] // heads, tokens, width).sum(2)


def _sized(
    # % for parameter in sized_parameters
    __parameter__,
    # % endfor
) -> tuple[int, ...]:
    """B, H, N, M, D, E__own_sizes_text__, where all shapes fit."""
    B, H, N, M, D, E = _sizes("__variant__", q, k, v)
    # % for line in shapes + axis_lines
    __line__
    # % endfor
    state_shapes = _state_shapes(B, H, N, M, D, E__unpacked_sizes__)
    for name, given, shape in zip(STATES, (__state_tuple__), state_shapes, strict=True):
        fits = given is None or (given.shape == (B, H, *shape) and given.device == q.device)
        wanted = f"the shape {[B, H, *shape]} and be where q is"
        _require(fits, f"__variant__: the state {name} must have {wanted}")
    return B, H, N, M, D, E__own_sizes__
