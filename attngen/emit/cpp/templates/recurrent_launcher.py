"""__summary__

# % for line in equation
    __line__
# % endfor

__header__
Runs __variant__.cpp, which lies beside this file.
Needs torch, a C++ compiler, and nothing else. Don't edit it: change the spec and compile that again.
"""

from __future__ import annotations

# % for line in imports
__line__
# % endfor

import torch
from torch import Tensor

SPEC = __spec__
__flags__


def __variant__(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    # % for argument in signature
    __argument__,
    # % endfor
    scale: float | None = None,
    position: int | Tensor = 0,
    state: Mapping[str, Tensor] | None = None,
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
        position: of the first token, one number or int [B].
        state: what is carried into the first token, float32; 0 unless given.

    Returns:
        y: [B, H, N, E] in the dtype of q.
        What is carried out of the last token, float32: __state_docs__.

    Raises:
        ValueError: an argument does not fit.
        NotImplementedError: gradients are asked for.
        RuntimeError: there is no working C++ compiler.
        MemoryError: there is no room for what threads keep.
    """
    _tensor("__variant__", "q", q)
    _tensor("__variant__", "k", k)
    _tensor("__variant__", "v", v)
    if not q.is_cpu:
        raise ValueError(f"__variant__: q is on {q.device}; this file runs on the CPU")
    # % for line in typed
    __line__
    # % endfor
    scale = _scale("__variant__", scale)
    # % for line in gradient_lines
    __line__
    # % endfor
    B, H, N, M, D, E = _sizes("__variant__", q, k, v)
    # % for line in shapes
    __line__
    # % endfor
    # % for line in axis_lines
    __line__
    # % endfor
    scale = 1 / math.sqrt(D) if scale is None else scale
    position = _offset("__variant__", *_first("__variant__", position), B, 0, q.device)
    # % for line in filled + data_lines + rules + host_lines
    __line__
    # % endfor
    # % for line in order_lines
    __line__
    # % endfor
    y = torch.empty((B, H, N, E), dtype=q.dtype, device="cpu")
    states = _states(state, __state_shapes__)
    tensors: list[Tensor | None] = [
        *(q, k, v, position if isinstance(position, Tensor) else None),
        # % for argument in tensors
        __argument__,
        # % endfor
        # % if order_lines
        order,
        # % endif
        *(y, *(tensor for pair in states.values() for tensor in pair)),
    ]
    integers = [
        *(*q.stride(), H // q.shape[1]),
        *(*k.stride(), H // k.shape[1]),
        *(*v.stride(), H // v.shape[1]),
        *(0 if isinstance(position, Tensor) else position, B, H, N, M, D, E, torch.get_num_threads(), 1),
        # % for argument in integers
        __argument__,
        # % endfor
    ]
    reals: list[float] = [__reals__]
    _run(q.dtype, tensors, integers, reals)
    return y, {name: after for name, (_, after) in states.items()}


def _no_gradients(*given: Tensor) -> None:
    if _is_differentiated(given):
        raise NotImplementedError("__variant__: the gradients of a recurrence can't be computed yet")


def _states(given: Mapping[str, Tensor] | None, shapes: dict[str, tuple[int, ...]]) -> dict[str, _Carried]:
    """What is carried in, and room for what is carried out."""
    found = {}
    for name, shape in shapes.items():
        before = given.get(name) if given else None
        fits = not given or (isinstance(before, Tensor) and before.shape == shape and before.is_cpu)
        _require(fits, f"__variant__: state must hold {name}, on the CPU and of the shape {[*shape]}")
        after = torch.empty(shape, dtype=torch.float32, device="cpu")
        found[name] = (None if before is None else before.float().contiguous(), after)
    return found


_Carried = tuple[Tensor | None, Tensor]


def _run(dtype: torch.dtype, tensors: list[Tensor | None], integers: list[int], reals: list[float]) -> None:
    """Run the C++ file; it takes the lists in this order."""
    addresses = array("Q", [0 if each is None else each.data_ptr() for each in tensors])
    lists = (addresses, array("q", integers), array("d", reals))
    if _entry(dtype)(*(each.buffer_info()[0] for each in lists)):
        raise MemoryError("__variant__: not enough memory for what threads keep")


@cache
def _entry(dtype: torch.dtype) -> Callable[..., int]:
    """The function of the C++ file, which is compiled for the dtype."""
    element = {torch.float32: "float", torch.bfloat16: "BFloat16", torch.float16: "Half"}[dtype]
    library = _library(Path(__file__).with_suffix(".cpp"), SPEC, f"ELEMENT={element}", "INDEX=int64_t")
    entry: Callable[..., int] = library.__variant___forward
    entry.argtypes = [ctypes.c_void_p] * 3  # type: ignore[attr-defined]
    return entry


__support__


__native__


__operators__
