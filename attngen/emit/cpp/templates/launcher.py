"""__summary__

# % for line in equation
    __line__
# % endfor

__header__
Runs __variant__.cpp, beside this file.
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
    offset: int | Tensor | None = None,
    # % if softmax
    return_lse: bool = False,
    # % endif
    # % if listed
    prepared: LiveTiles | None = None,
    # % endif
) -> __returned__:
    """__summary__

    # % for line in equation
        __line__
    # % endfor

    Args:
        q: [B, heads, N, D]; k: [B, heads, M, D]; v: [B, heads, M, E]. Each head count divides the largest, H.
        # % for line in argument_docs
        __line__
        # % endfor
        scale: 1 / sqrt(D) unless given.
        offset: the position of query row 0, one number or int [B]; M - N unless given.
        # % if softmax
        return_lse: also give the natural log-sum-exp of each row's scores, float32 [B, H, N].
        # % endif
        # % if listed
        prepared: what `prepare___variant__` made for a call like this one; made anew unless given.
        # % endif

    Returns:
        y: [B, H, N, E] in the dtype of q__also_lse__.

    Raises:
        ValueError: an argument does not fit.
        RuntimeError: there is no working C++ compiler.
        MemoryError: there is no room for the tiles of a call.
    """
    B, H, N, M, D, E = _sizes("__variant__", q, k, v)
    _require(q.device.type == "cpu", f"__variant__: q is on {q.device}; this file runs on the CPU")
    scale = _scale("__variant__", scale, D)
    offset = _offset("__variant__", offset, B, M - N, q.device)
    # % for line in checks
    __line__
    # % endfor
    # % for line in host_lines
    __line__
    # % endfor
    y = torch.empty((B, H, N, E), dtype=q.dtype)
    # % if softmax
    lse = torch.empty((B, H, N), dtype=torch.float32)
    # % endif
    # % if listed
    if prepared is None:
        # % for line in list_call
        __line__
        # % endfor
    # % for line in list_check
    __line__
    # % endfor
    tile_starts = prepared.starts.expand(B, H, -1, -1)
    # % if ordered
    query_order, key_order = _slots(prepared.query_order, B, H), _slots(prepared.key_order, B, H)
    # % endif
    # % endif
    panel_heads = __panel_heads__
    offsets = torch.full((B,), offset) if isinstance(offset, int) else offset
    tensors = [
        *(q, k, v, offsets),
        # % if listed
        *(prepared.tiles, tile_starts),
        # % endif
        # % if ordered
        *(query_order, key_order),
        # % endif
        # % for argument in tensors
        __argument__,
        # % endfor
        y,
        # % if softmax
        lse,
        # % endif
        torch.empty(0),  # what a backward pass would need; nobody asks for it yet
    ]
    integers = [
        *(*q.stride(), H // q.shape[1]),
        *(*k.stride(), H // k.shape[1]),
        *(*v.stride(), H // v.shape[1]),
        *(B, H, N, M, D, E, torch.get_num_threads(), panel_heads),
        # % if listed
        *tile_starts.stride()[:2],
        # % endif
        # % if ordered
        *(*query_order.stride()[:2], *key_order.stride()[:2]),
        # % endif
        # % for argument in integers
        __argument__,
        # % endfor
    ]
    reals: list[float] = [
        # % for argument in reals
        __argument__,
        # % endfor
    ]
    reach = int(offsets.abs().max()) + max(N, M) if B else 0
    long_positions = __wide__
    # % if fault
    fault = _call(q.dtype, long_positions, tensors, integers, reals)
    _require(not fault, "__variant__: a pair __fault__")
    # % else
    _call(q.dtype, long_positions, tensors, integers, reals)
    # % endif
    return __outputs__


def _call(dtype: torch.dtype, long: bool, tensors: list[Tensor], integers: list[int], reals: list[float]) -> int:
    """Run the C++ file for a dtype; the lists arrive there in the same order. `long`: positions need 64 bits."""
    element = {torch.float32: "float", torch.bfloat16: "BFloat16", torch.float16: "Half"}[dtype]
    index = "int64_t" if long else "int32_t"
    library = _library(Path(__file__).with_suffix(".cpp"), SPEC, f"ELEMENT={element}", f"INDEX={index}")
    addresses = (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
    numbers = (ctypes.c_int64 * len(integers))(*integers)
    fractions = (ctypes.c_double * max(1, len(reals)))(*reals)
    done = int(library.__variant___forward(addresses, numbers, fractions))
    if done == 2:
        raise MemoryError("__variant__: not enough memory for the tiles of a call")
    return done


# % if listed
__live_tiles__


# % endif
__support__


__native__
