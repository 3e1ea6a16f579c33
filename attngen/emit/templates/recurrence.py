def __variant__(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    # % for argument in signature
    __argument__,
    # % endfor
    scale: float | None = None,
    position: int | Tensor | None = None,
    state: Mapping[str, Tensor] | None = None,
    # % if debugged
    debug: bool = False,
    # % endif
) -> tuple[Tensor, dict[str, Tensor]]:
    """__summary__

    # % for line in equation
        __line__
    # % endfor

    Args:
        q: [B, heads, N, D]; k: [B, heads, N, D]; v: [B, heads, N, E]. Each head count divides the largest, H.
        # % for line in argument_docs
        __line__
        # % endfor
        scale: 1 / sqrt(D) unless given.
        position: of the first token, one number or int [B]; 0 unless given.
        state: what is carried into the first token, float32; 0 unless given.
        # % if debugged
        debug: look at data on a GPU too, which waits for the device; on a CPU they always are.
        # % endif

    Returns:
        y: [B, H, N, E] in the dtype of q. Gradients go to q, k, v__trained_text__ and states.
        What is carried out of the last token, float32: __state_docs__.

    Raises:
        ValueError: an argument does not fit.
        # % for line in other_errors
        __line__
        # % endfor
    """
    _tensor("__variant__", "q", q)
    _tensor("__variant__", "k", k)
    _tensor("__variant__", "v", v)
    # % for line in device_check
    __line__
    # % endfor
    # % for line in typed
    __line__
    # % endfor
    scale = _scale("__variant__", scale)
    position, positions = _first("__variant__", position)
    if q.device.type in ("cpu", "cuda") and torch.is_autocast_enabled(q.device.type):
        q, k, v = _autocast(q, k, v)
    carried = _given(state)
    # % for line in recur_lines
    __line__
    # % endfor
    return y, dict(zip(STATES, states, strict=False))  # those in front of segments stand behind


def _given(state: Mapping[str, Tensor] | None) -> list[Tensor | None]:
    """The states that are carried in, each or none."""
    if not state:
        return [None] * len(STATES)
    for name in STATES:
        _require(isinstance(state.get(name), Tensor), f"__variant__: state must hold {name}")
    return [state[name] for name in STATES]
